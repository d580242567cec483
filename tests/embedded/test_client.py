from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.embedded.programs import PATIENCE_S, ProgramTestCase, facts, free_port

RESPONSE = b"65536:8192+"


class ClientTestCase(ProgramTestCase):
    """The client against a server that this test plays, in a thread."""

    def against(
        self, *scripts: Callable[[socket.socket], None], **options: str
    ) -> tuple[int, dict[str, Any], str]:
        """Serve one connection after the other with scripts: status, facts, errors."""
        listener = socket.create_server(("127.0.0.1", free_port()))
        listener.settimeout(PATIENCE_S)
        self.addCleanup(listener.close)
        thread = threading.Thread(target=self.serve, args=(listener, scripts), daemon=True)
        thread.start()
        self.addCleanup(thread.join, PATIENCE_S)
        port = str(listener.getsockname()[1])
        options = {"duration": "5", "streams": str(len(scripts)), **options}
        process = self.program("client", connect="127.0.0.1", port=port, **options)
        status, output, errors = self.finish(process)
        thread.join(PATIENCE_S)
        return status, facts(output), errors

    def serve(
        self, listener: socket.socket, scripts: tuple[Callable[[socket.socket], None], ...]
    ) -> None:
        with listener:
            connections: list[socket.socket] = []
            for script in scripts:
                connections.append(listener.accept()[0])
                connections[-1].settimeout(PATIENCE_S)
                with suppress(OSError):
                    script(connections[-1])
            for connection in connections:
                connection.close()


def says(*pieces: bytes) -> Callable[[socket.socket], None]:
    """A script: send pieces with pauses, then close once the client said something or left."""

    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.02)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(100)

    return script


def negotiates(
    response: bytes = RESPONSE, then: Callable[[socket.socket], None] = lambda _: None
) -> Callable[[socket.socket], None]:
    """A script: greet, answer the proposal, and do something."""

    def script(connection: socket.socket) -> None:
        connection.sendall(b"thrulay/2+")
        proposal = connection.recv(128)
        assert proposal.endswith(b"+"), proposal
        connection.sendall(response)
        then(connection)

    return script


def read_exactly(connection: socket.socket, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        more = connection.recv(count - len(octets))
        if not more:
            raise ConnectionError("the client is gone")
        octets += more
    return octets


class OpeningTests(ClientTestCase):
    """No test comes about: an error, exit status 1, and a last line all the same."""

    def test_greetings(self) -> None:
        for pieces, message in (
            ([b"thrulay/2-busy, try later"], "server said: busy, try later"),
            ([b"thrulay/2-", b"no\x1b[2J\n"], "server said: no?[2J"),
            ([b"thrulay/2-"], "server said: no reason given"),
            ([b"thrulay/3+"], "not a thrulay server: b'thrulay/3+'"),
            ([b"thru"], "the server closed the connection before the test"),
            ([], "the server closed the connection before the test"),
        ):
            status, found, errors = self.against(says(*pieces))
            self.assertEqual((status, errors), (1, f"bwctl: {message}\n"))
            self.assertEqual((found["role"], found["error"]), ("client", message))

    def test_responses(self) -> None:
        """Answers that make no sense, or none."""
        for response, message in (
            (b"", "the server closed the connection before the test"),
            (b"no thanks+", "2 numbers expected: b'no thanks'"),
            (b"1499:8192+", "1499 is not in 1500 .. 2147483647"),
            (b"65536:1048577+", "1048577 is not in 16 .. 1048576"),
            (b"1" * 70, "no more than 64 octets expected"),
        ):
            status, _, errors = self.against(negotiates(response))
            self.assertEqual((status, errors), (1, f"bwctl: {message}\n"))

    def test_different_blocks(self) -> None:
        """Streams of one test have one block size."""

        def hasty(block: bytes, pause_s: float) -> Callable[[socket.socket], None]:
            def script(connection: socket.socket) -> None:
                connection.sendall(b"thrulay/2+65536:" + block + b"+")
                time.sleep(pause_s)

            return script

        scripts = hasty(b"8192", 0), hasty(b"4096", 0.5)
        status, _, errors = self.against(*scripts)
        self.assertEqual(status, 1)
        self.assertIn("different block sizes", errors)

    def test_silence(self) -> None:
        """A server that accepts and says nothing is given up."""
        script: Callable[[socket.socket], None] = lambda connection: time.sleep(0.6)  # noqa: E731
        status, _, errors = self.against(script, timeout="0.3")
        self.assertEqual((status, errors), (1, "bwctl: the server does not answer in time\n"))

    def test_nobody_listens(self) -> None:
        process = self.program("client", connect="127.0.0.1", port=str(free_port()))
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (1, "bwctl: Connection refused\n"))
        self.assertEqual(facts(output)["error"], "Connection refused")

    def test_not_an_address(self) -> None:
        """Names are not looked up."""
        process = self.program("client", connect="localhost.", port="5003")
        status, _, errors = self.finish(process)
        self.assertEqual((status, errors), (1, "bwctl: Name or service not known\n"))


class MidTestTests(ClientTestCase):
    """The test ends otherwise than planned: at once, with what was measured."""

    def test_server_gone(self) -> None:
        """The server closes after three echoes."""

        def three(connection: socket.socket) -> None:
            for _ in range(3):
                connection.sendall(read_exactly(connection, 8192)[:16])
            time.sleep(0.2)

        begun = time.monotonic()
        status, found, errors = self.against(negotiates(then=three))
        self.assertLess(time.monotonic() - begun, 4)
        self.assertEqual(status, 1)
        self.assertTrue(errors.startswith("bwctl: premature end of test: "), errors)
        self.assertEqual((found["block"], found["bytes"]), (8192, 3 * 8192))
        self.assertLess(found["seconds"], 3)

    def test_no_echoes(self) -> None:
        """A server that neither reads nor echoes is given up."""
        status, found, errors = self.against(
            negotiates(then=lambda connection: time.sleep(0.8)), idle="0.4"
        )
        self.assertEqual(status, 1)
        self.assertEqual(errors, "bwctl: premature end of test: the server was silent for 0.4 s\n")
        self.assertEqual((found["bytes"], found["rtt_us"]), (0, None))

    def test_only_reading(self) -> None:
        """A server that reads without an echo, in a short test, leaves no result."""

        def swallow(connection: socket.socket) -> None:
            while connection.recv(1 << 20):
                continue

        status, found, errors = self.against(negotiates(then=swallow), duration="0.2")
        self.assertEqual((status, found["bytes"]), (1, 0))
        self.assertEqual(errors, "bwctl: no block came back\n")

    def test_wrong_echoes(self) -> None:
        """An echo that differs from what was sent ends the test."""

        def lies(connection: socket.socket) -> None:
            stamp, number = struct.unpack("=QQ", read_exactly(connection, 8192)[:16])
            connection.sendall(struct.pack("=QQ", stamp + 1, number))
            connection.recv(1 << 20)
            time.sleep(0.3)

        status, _, errors = self.against(negotiates(then=lies))
        self.assertEqual(status, 1)
        self.assertEqual(
            errors, "bwctl: premature end of test: echo with another time stamp than sent\n"
        )

    def test_pieces(self) -> None:
        """Greeting, response and echoes may come octet by octet; blocks have their numbers."""
        numbers: list[int] = []

        def slowly(connection: socket.socket) -> None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in b"thrulay/2+":
                connection.sendall(bytes([octet]))
                time.sleep(0.001)
            assert connection.recv(128) == b"thrulay/2:t:4194304:131072+"
            for octet in RESPONSE:
                connection.sendall(bytes([octet]))
                time.sleep(0.001)
            while True:  # until the client is gone
                header = read_exactly(connection, 8192)[:16]
                numbers.append(struct.unpack("=QQ", header)[1])
                for octet in header:
                    connection.sendall(bytes([octet]))

        status, found, _ = self.against(slowly, duration="0.3")
        self.assertEqual(status, 0)
        self.assertEqual(numbers, list(range(len(numbers))))
        self.assertGreater(found["bytes"], 0)
        self.assertLessEqual(found["bytes"], len(numbers) * 8192)
