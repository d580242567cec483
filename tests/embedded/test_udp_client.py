from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from subprocess import Popen
from typing import Any

from bwctl.embedded.datagrams import DATAGRAM, UDPResponse, ntp_of
from tests.embedded.programs import PATIENCE_S, facts
from tests.embedded.test_client import ClientTestCase, negotiates, says
from tests.embedded.vectors import REACTIONS, UDP_RUNS, control

NONCE = b":+\0: +:+"
REPORT = b"Delay:\t\t 0.013ms\nLoss:\t\t 0.000%\nJitter:\t\t 0.011ms\n"


class UDPClientTestCase(ClientTestCase):
    """The client against a server that this test plays; 100 packets of 200 octets in 0.2 s."""

    def setUp(self) -> None:
        self.incoming = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.incoming.close)
        self.incoming.bind(("127.0.0.1", 0))
        self.incoming.settimeout(0.5)
        self.udp_port = self.incoming.getsockname()[1]

    def response(self, size: int = 200, rate: int = 500_000, packets: int = 100) -> bytes:
        return UDPResponse(self.udp_port, size, rate, packets, NONCE).encode()

    def run_client(
        self, *scripts: Callable[[socket.socket], None], **options: str
    ) -> tuple[int, dict[str, Any], str]:
        given = {"duration": "0.2", "rate": "800000", "packet": "200", "interval": "0"}
        return self.against(*scripts, **{**given, **options})

    def takes(
        self, response: bytes = b"", report: bytes = REPORT
    ) -> tuple[Callable[[socket.socket], None], list[bytes]]:
        """A script that reports at the end, and a list that gets the end message."""
        heard: list[bytes] = []

        def at_the_end(connection: socket.socket) -> None:
            heard.append(connection.recv(100))
            connection.sendall(report)

        return negotiates(response or self.response(), at_the_end), heard

    def arrived(self) -> list[bytes]:
        """Datagrams that came, all of them."""
        self.incoming.setblocking(False)
        found = []
        while True:
            try:
                found.append(self.incoming.recv(65536))
            except BlockingIOError:
                return found


class SendingTests(UDPClientTestCase):
    """What the client sends."""

    def test_datagrams(self) -> None:
        """As agreed: nonce, numbers from 0, the time, C's filler; then their number."""
        script, heard = self.takes()
        before = time.time_ns()
        status, found, errors = self.run_client(script)
        after = time.time_ns()
        self.assertEqual((status, errors, heard), (0, "", [b"+100:"]))
        packets = self.arrived()
        self.assertEqual({len(packet) for packet in packets}, {172})
        self.assertEqual({packet[:8] for packet in packets}, {NONCE})
        self.assertEqual({packet[24:] for packet in packets}, {b"2" * 148})
        heads = [DATAGRAM.unpack(packet[:24]) for packet in packets]
        self.assertEqual([head[1] for head in heads], list(range(100)))
        stamps = [head[2] << 32 | head[3] for head in heads]
        self.assertEqual(stamps, sorted(stamps))
        self.assertTrue(ntp_of(before) <= stamps[0] and stamps[-1] <= ntp_of(after))
        self.assertEqual((found["packets"], found["sent_bytes"]), (100, 20_000))
        self.assertEqual((found["received"], found["bytes"], found["lost"]), (100, 20_000, 0))
        self.assertEqual((found["delay_us"], found["jitter_us"]), ({"p50": 13.0}, 11.0))
        self.assertAlmostEqual(found["seconds"], 0.2, delta=0.1)

    def test_like_c(self) -> None:
        """Same options, same proposal as C's but for the port; the drain lasts a second."""
        script, _ = self.takes()
        said: list[bytes] = []

        def listening(connection: socket.socket) -> None:
            connection.sendall(b"thrulay/2+")
            said.append(connection.recv(128))
            connection.sendall(b"u:-")

        self.run_client(listening, duration="2", rate="10000000", packet="1500")
        expected = control(UDP_RUNS[0])[1].split(b":")
        found = said[0].split(b":")
        self.assertEqual(found[:2] + found[3:], expected[:2] + expected[3:])
        begun = time.monotonic()
        self.run_client(script)
        self.assertGreater(time.monotonic() - begun, 1.2)

    def test_source_port(self) -> None:
        """The proposal names the port that the packets come from."""
        said: list[bytes] = []

        def script(connection: socket.socket) -> None:
            connection.sendall(b"thrulay/2+")
            said.append(connection.recv(128))
            connection.sendall(self.response())
            said.append(str(self.incoming.recvfrom(2000)[1][1]).encode())
            connection.recv(100)
            connection.sendall(REPORT)

        self.assertEqual(self.run_client(script)[0], 0)
        self.assertEqual(said[0].split(b":")[2], said[1])

    def test_less_than_asked(self) -> None:
        """A response with smaller and fewer packets is obeyed."""
        script, heard = self.takes(self.response(size=60, rate=400_000, packets=20))
        status, found, _ = self.run_client(script)
        self.assertEqual((status, heard), (0, [b"+20:"]))
        self.assertEqual([len(packet) for packet in self.arrived()], [32] * 20)
        self.assertEqual((found["packet_size"], found["planned"]), (60, 20))

    def test_schedules(self) -> None:
        """Periodic packets keep their distances; Poisson's do not."""
        spreads = {}
        for schedule in ("periodic", "poisson"):
            script, _ = self.takes()
            self.assertEqual(self.run_client(script, schedule=schedule)[0], 0)
            stamps = [struct.unpack_from("!Q", packet, 16)[0] for packet in self.arrived()]
            gaps = sorted(b - a for a, b in zip(stamps, stamps[1:], strict=False))
            spreads[schedule] = (gaps[75] - gaps[25]) / (1 << 32) * 1000
        self.assertLess(spreads["periodic"], spreads["poisson"])
        self.assertGreater(spreads["poisson"], 0.8)  # of 2 ms it is 1.1 times

    def test_slow_server_rate(self) -> None:
        """A rate so low that the time is over first: the client stops a second later."""
        script, heard = self.takes(self.response(rate=20_000, packets=100))  # 5 s
        status, found, errors = self.run_client(script)
        self.assertEqual(status, 1)
        self.assertEqual(heard, [b"+%d:" % found["packets"]])
        self.assertLess(found["packets"], 60)
        self.assertEqual(errors, f"bwctl: only {found['packets']} of 100 packets sent in time\n")


class ReactionTests(UDPClientTestCase):
    """Servers that do other things than the protocol says."""

    def fails(self, message: str, *scripts: Callable[[socket.socket], None]) -> dict[str, Any]:
        status, found, errors = self.run_client(*scripts)
        self.assertEqual((status, errors), (1, f"bwctl: {message}\n"))
        self.assertEqual(found["error"], message)
        return found

    def test_all_of_c_are_known(self) -> None:
        """The recorded reactions to UDP responses are those that are tested here."""
        texts = [entry["server_does"] for entry in REACTIONS]
        self.assertEqual(sum(text.startswith("UDP response") for text in texts), 10)

    def test_refusal(self) -> None:
        self.fails("server said: no UDP test of this kind", negotiates(b"u:-"))
        self.fails("server said: no UDP test of this kind", negotiates(b"u:-+"))
        self.fails("server said: busy", says(b"thrulay/2-busy\n"))

    def test_pieces(self) -> None:
        """C wants the response in one segment; we do not mind."""
        octets = self.response()

        def slowly(connection: socket.socket) -> None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(b"thrulay/2+")
            connection.recv(128)
            for octet in octets:
                connection.sendall(bytes([octet]))
                time.sleep(0.002)
            connection.recv(100)
            connection.sendall(REPORT)

        self.assertEqual(self.run_client(slowly)[0], 0)

    def test_no_response(self) -> None:
        self.fails("the server closed the connection before the test", negotiates(b""))
        short = self.response()[:-1]
        self.fails("the server closed the connection before the test", negotiates(short))

    def test_too_much(self) -> None:
        """A response that asks for more than we offered: `-`, and not one packet."""
        for change, message in (
            ({"size": 201}, "201 is not in 52 .. 200"),
            ({"size": 30}, "30 is not in 52 .. 200"),
            ({"rate": 500_001}, "500001 is not in 1 .. 500000"),
            ({"rate": 0}, "0 is not in 1 .. 500000"),
            ({"packets": 101}, "101 is not in 1 .. 100"),
            ({"packets": 0}, "0 is not in 1 .. 100"),
        ):
            script, heard = self.takes(self.response(**change))
            self.fails(message, script)
            self.assertEqual(heard, [b"-"])
            self.assertEqual(self.arrived(), [])

    def test_server_gone(self) -> None:
        """The server closes in mid-test: the client ends at once, with what it sent."""
        begun = time.monotonic()
        status, found, errors = self.run_client(
            negotiates(self.response(), lambda connection: time.sleep(0.05)),
        )
        self.assertEqual(status, 1)
        self.assertIn("the server closed the connection in mid-test", errors)
        self.assertLess(time.monotonic() - begun, PATIENCE_S / 2)
        self.assertLess(found["packets"], 100)
        self.assertEqual((found["received"], found["bytes"]), (None, None))

    def test_reports(self) -> None:
        """Nothing, nonsense, all lost, and control characters."""
        for report, message in (
            (b"", "the server's report makes no sense"),
            (b"thank you\x1b[2J\n", "the server's report makes no sense"),
            (b"elay:\t\t infms\nLoss:\t\t 100.000%\n", "no packet arrived"),
        ):
            script, _ = self.takes(report=report)
            self.fails(message, script)

    def start_client(self, response: bytes) -> tuple[Popen[str], socket.socket]:
        """A client whose test of 5 s at most has begun, and the server's end of it."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        options = {"connect": "127.0.0.1", "port": str(listener.getsockname()[1]), "packet": "200"}
        process = self.program("client", **options, duration="5", rate="800000")
        connection, _ = listener.accept()
        self.addCleanup(connection.close)
        negotiates(response)(connection)
        return process, connection

    def test_harmless_output(self) -> None:
        """What is shown of a report has no control characters, and is bounded."""
        process, connection = self.start_client(self.response())
        self.assertEqual(connection.recv(100), b"+100:")
        with suppress(ConnectionError):  # it may have enough before all is sent
            connection.sendall(REPORT + b"\x1b[2J\n" + b"x\n" * 100_000)
        status, output, errors = self.finish(process)
        self.assertEqual(
            (status, errors), (1, "bwctl: no report: the server's report has no end\n")
        )
        self.assertNotIn("\x1b", output)
        self.assertLess(len(output), 100_000)
        self.assertEqual(facts(output)["packets"], 100)

    def test_told_to_stop(self) -> None:
        """TERM in mid-test: `-` to the server, a last line, and the end."""
        process, connection = self.start_client(self.response(packets=2500))
        time.sleep(0.3)
        process.terminate()
        self.assertEqual(connection.recv(100), b"-")
        status, output, errors = self.finish(process)
        self.assertEqual((status, errors), (1, "bwctl: stopped by SIGTERM\n"))
        self.assertGreater(facts(output)["packets"], 0)
