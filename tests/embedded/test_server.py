from __future__ import annotations

import resource
import signal
import socket
import time
from contextlib import suppress

from tests.embedded.programs import PATIENCE_S, ProgramTestCase, facts
from tests.embedded.vectors import REFUSED_BY_US, VECTORS

GREETING = b"thrulay/2+"
PROPOSAL = b"thrulay/2:t:65536:8192+"


class ServerTestCase(ProgramTestCase):
    def connect(self, port: int, source: str = "127.0.0.1") -> socket.socket:
        address = (source, 0)
        connection = socket.create_connection(("127.0.0.1", port), PATIENCE_S, address)
        self.addCleanup(connection.close)
        return connection

    def receive(self, connection: socket.socket, count: int) -> bytes:
        octets = b""
        while len(octets) < count and (more := connection.recv(count - len(octets))):
            octets += more
        return octets

    def to_the_end(self, connection: socket.socket) -> bytes:
        try:
            return self.receive(connection, 1 << 20)
        except ConnectionError:
            return b"reset"

    def opened(self, port: int, proposal: bytes = PROPOSAL) -> socket.socket:
        """A connection that is ready for blocks."""
        connection = self.connect(port)
        self.assertEqual(self.receive(connection, 10), GREETING)
        connection.sendall(proposal)
        octets = b""
        while not octets.endswith(b"+"):
            octets += connection.recv(1) or b"+"
        self.response = octets
        return connection


class ProposalTests(ServerTestCase):
    """What the server says to a proposal."""

    def setUp(self) -> None:
        self.process, self.port = self.server(streams="40", duration="0.1", idle="30")

    def reply(self, proposal: bytes) -> bytes:
        with self.connect(self.port) as connection:
            self.assertEqual(self.receive(connection, 10), GREETING)
            connection.sendall(proposal)
            if not proposal.endswith(b"+"):
                with suppress(OSError):  # the server was faster
                    connection.shutdown(socket.SHUT_WR)
            octets = b""
            with suppress(ConnectionError):
                while not octets.endswith(b"+") and (more := connection.recv(100)):
                    octets += more
            return octets

    def test_like_c_or_stricter(self) -> None:
        """28 proposals: C's block size, `u:-` for UDP, or closed without a word."""
        for entry in VECTORS["proposals"]:
            text, c_reply = entry["proposal"], entry["c_reply"]
            reply = self.reply(text.encode()).decode()
            if c_reply is None or text in REFUSED_BY_US:
                self.assertEqual(reply, "", msg=text)
            elif ":u:" in text:
                self.assertEqual(reply, "u:-", msg=text)
            else:
                window, block = reply[:-1].split(":")
                self.assertEqual(block, c_reply[:-1].split(":")[1], msg=text)
                self.assertGreaterEqual(int(window), 1500)

    def test_octet_by_octet(self) -> None:
        """A proposal may come in any number of segments."""
        connection = self.connect(self.port)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.assertEqual(self.receive(connection, 10), GREETING)
        for octet in PROPOSAL:
            connection.sendall(bytes([octet]))
            time.sleep(0.002)
        self.assertIn(b":8192+", connection.recv(100))

    def test_too_long(self) -> None:
        self.assertEqual(self.reply(b"thrulay/2:t:" + b"1" * 200), b"")

    def test_window_alike(self) -> None:
        """All streams of a test are told the same window."""
        replies = {self.reply(PROPOSAL) for _ in range(3)}
        self.assertEqual(replies, {b"131072:8192+"})


class EchoTests(ServerTestCase):
    """What the server sends during a test."""

    def test_like_c(self) -> None:
        """Pieces of headers are echoed as C echoes them; a half close ends the stream."""
        process, port = self.server(duration="0.1")
        connection = self.opened(port)
        block = bytes(range(256)) * 32
        sent = [block[:8], block[8:20], block[20:], block, block + block + block[:4]]
        whole = b"".join(sent)
        expected = b"".join(whole[at : at + 16] for at in range(0, len(whole), 8192))
        for part, entry in zip(sent, VECTORS["echo"], strict=False):
            connection.sendall(part)
            count = entry["echoed_octets"]
            self.assertEqual(self.receive(connection, count), expected[:count])
            expected = expected[count:]
        time.sleep(0.1)
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(self.to_the_end(connection), b"")
        self.assertEqual(facts(self.finish(process)[1])["bytes"], len(whole))

    def test_reset_is_an_end(self) -> None:
        """A client that closes with unread echoes, as C does, had a whole test."""
        process, port = self.server(duration="0.2")
        connection = self.opened(port)
        for _ in range(5):
            connection.sendall(bytes(8192))
            time.sleep(0.05)
        connection.close()
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(facts(output)["bytes"], 5 * 8192)

    def test_unread_echoes(self) -> None:
        """Who does not read its echoes is not served further, without using the processor."""
        process, port = self.server(duration="5", idle="0.7")
        connection = self.opened(port, b"thrulay/2:t:65536:16+")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        connection.setblocking(False)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        sent, end = 0, time.monotonic() + 0.3
        while time.monotonic() < end:
            try:
                sent += connection.send(bytes(1 << 16))
            except BlockingIOError:
                time.sleep(0.01)
        status, _, errors = self.finish(process)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.assertEqual((status, errors), (1, "bwctl: the client was silent for 0.7 s\n"))
        self.assertLess(sent, 4 << 20)
        self.assertLess(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 0.6)


class AdmissionTests(ServerTestCase):
    """Who is let in, and for how long."""

    def test_surplus(self) -> None:
        """One connection too many hears that we are busy; the test is not disturbed."""
        process, port = self.server(streams="2", duration="0.1")
        first, second = self.opened(port), self.opened(port)
        self.assertEqual(self.to_the_end(self.connect(port)), b"thrulay/2-busy\n")
        for connection in (first, second):
            connection.sendall(bytes(8192))
        time.sleep(0.15)
        for connection in (first, second):
            connection.sendall(bytes(8192))
            self.assertEqual(self.receive(connection, 32), bytes(32))
            connection.close()
        status, output, _ = self.finish(process)
        self.assertEqual(status, 0)
        self.assertEqual(len(facts(output)["per_stream"]), 2)

    def test_flood(self) -> None:
        """Strangers in great number get neither long output nor the server's end."""
        process, port = self.server(duration="0.1")
        connection = self.opened(port)
        connection.sendall(bytes(8192))
        self.assertEqual(self.receive(connection, 16), bytes(16))
        for _ in range(200):
            try:
                self.connect(port).close()
            except ConnectionError:
                continue
        time.sleep(0.1)
        connection.sendall(bytes(8192))
        connection.close()
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""))
        self.assertLess(len(output.splitlines()), 100)

    def test_stranger(self) -> None:
        """Only the expected peer may be a stream; others do not take its place."""
        process, port = self.server(peer="127.0.0.2", duration="0.1")
        self.assertEqual(self.to_the_end(self.connect(port)), b"thrulay/2-not expected\n")
        with self.connect(port, "127.0.0.2") as connection:
            self.assertEqual(self.receive(connection, 10), GREETING)
        process.terminate()
        self.assertEqual(self.finish(process)[0], 1)

    def test_nobody(self) -> None:
        """Nobody comes: an error at the deadline, and a report all the same."""
        process, _ = self.server(deadline="0.3")
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (1, "bwctl: 0 of 1 streams came within 0.3 s\n"))
        found = facts(output)
        self.assertEqual((found["role"], found["bytes"], found["intervals"]), ("server", 0, []))
        self.assertEqual(found["error"], "0 of 1 streams came within 0.3 s")

    def test_one_is_missing(self) -> None:
        """Some streams come and end, others never do."""
        process, port = self.server(streams="2", deadline="5")
        with self.opened(port) as connection:
            connection.sendall(bytes(8192))
        status, _, errors = self.finish(process)
        self.assertEqual((status, errors), (1, "bwctl: 1 of 2 streams came within 5 s\n"))

    def test_silent_client(self) -> None:
        """A client that stops sending is cut off; what was measured is reported."""
        process, port = self.server(idle="0.3", duration="5")
        connection = self.opened(port)
        connection.sendall(bytes(3 * 8192))
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (1, "bwctl: the client was silent for 0.3 s\n"))
        self.assertEqual(facts(output)["bytes"], 3 * 8192)

    def test_client_gone(self) -> None:
        """A client that ends long before its time leaves a partial result."""
        process, port = self.server(duration="5")
        with self.opened(port) as connection:
            connection.sendall(bytes(8192))
        status, output, errors = self.finish(process)
        self.assertEqual(status, 1)
        self.assertRegex(errors, r"^bwctl: the client ended after 0\.\d+ s\n$")
        self.assertEqual(facts(output)["bytes"], 8192)

    def test_port_taken(self) -> None:
        """A port that is in use is an error at once."""
        _, port = self.server()
        process = self.program("server", bind="127.0.0.1", port=str(port))
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (1, "bwctl: Address already in use\n"))
        self.assertEqual(facts(output)["error"], "Address already in use")

    def test_told_to_stop(self) -> None:
        """TERM in mid-test ends it with a report."""
        process, port = self.server(duration="5")
        connection = self.opened(port)
        connection.sendall(bytes(8192))
        self.assertEqual(self.receive(connection, 16), bytes(16))
        process.send_signal(signal.SIGTERM)
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (1, "bwctl: stopped by SIGTERM\n"))
        self.assertEqual(facts(output)["bytes"], 8192)
