from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Iterable
from typing import Any

from bwctl.embedded.datagrams import ntp_of
from bwctl.embedded.udp_report import read
from tests.embedded.programs import PATIENCE_S, facts
from tests.embedded.test_server import GREETING, ServerTestCase
from tests.embedded.vectors import UDP_REFUSED_BY_US, VECTORS

SIZE = 200  # octets of a packet
PAYLOAD = SIZE - 28


class UDPServerTestCase(ServerTestCase):
    """The server against a client that this test plays."""

    def begin(self, packets: int = 10, rate: int = 10_000_000, **options: str) -> None:
        """Agree on a test, whose packets `send` sends."""
        options = {"protocol": "udp", "interval": "0", "duration": "0", **options}
        self.process, self.port = self.server(**options)
        self.control = self.connect(self.port)
        self.assertEqual(self.receive(self.control, 10), GREETING)
        self.control.sendall(b"thrulay/2:u:6000:%d:%d:%d+" % (SIZE, rate, packets))
        start = b"%d:%d:%d:%d:" % (self.port, SIZE, rate, packets)
        response = self.receive(self.control, len(start) + 9)
        self.assertEqual((response[: len(start)], response[-1:]), (start, b"+"))
        self.nonce = response[len(start) : -1]
        self.packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.packets.close)
        self.packets.connect(("127.0.0.1", self.port))

    def datagram(self, number: int, delay_s: float = 0.0, size: int = PAYLOAD) -> bytes:
        stamp = ntp_of(time.time_ns() - round(delay_s * 1e9))
        return (self.nonce + struct.pack("!QQ", number, stamp)).ljust(size, b"2")

    def send(self, numbers: Iterable[int], delay_s: float = 0.0) -> None:
        for number in numbers:
            self.packets.send(self.datagram(number, delay_s))

    def end(self, message: bytes) -> str:
        """Say the last words; the report."""
        self.control.sendall(message)
        return self.to_the_end(self.control).decode()

    def outcome(self) -> tuple[int, dict[str, Any], str]:
        status, output, errors = self.finish(self.process)
        return status, facts(output), errors


class CountingTests(UDPServerTestCase):
    """What becomes of datagrams."""

    def test_in_order(self) -> None:
        """All arrive: the report, and the same figures in the last line."""
        self.begin()
        self.send(range(10), delay_s=0.25)
        report = self.end(b"+10:")
        status, found, errors = self.outcome()
        self.assertEqual((status, errors), (0, ""))
        self.assertIn("Server received 10 unique packets\n", report)
        self.assertTrue(report.endswith("Reordering:\t 0.000%\n\tno reordering\n"), report)
        for figures in (found, read(report, 10)):
            self.assertEqual((figures["received"], figures["lost"]), (10, 0))
            self.assertAlmostEqual(figures["delay_us"]["p50"], 250_000, delta=50_000)
        self.assertEqual((found["bytes"], found["packets"]), (10 * SIZE, 10))
        self.assertEqual((found["strangers"], found["timestamps"]), (0, "kernel"))

    def test_loss_repetition_and_order(self) -> None:
        self.begin()
        self.send([0, 2, 3, 1, 1, 4, 6, 5, 12])
        report = self.end(b"+9:")
        status, found, _ = self.outcome()
        self.assertEqual(status, 0)
        self.assertEqual((found["packets"], found["received"], found["lost"]), (9, 7, 2))
        self.assertEqual((found["duplicates"], found["out_of_order"]), (1, 2))
        self.assertEqual(found["out_of_range"], 1)
        self.assertIn("\t2-reordering = 20.000%\n\tno 3-reordering\n", report)

    def test_strangers(self) -> None:
        """Short, long and forged datagrams, and those of another host, count for nothing."""
        self.begin()
        good = self.datagram(0)
        forged = bytes([good[0] ^ 1]) + good[1:]
        odd = [b"", good[:1], good[:23], good[:24], good[:-1], good + b"2", forged]
        for octets in odd:
            self.packets.send(octets)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.3", 0))
            other.sendto(good, ("127.0.0.1", self.port))
        self.send([0])
        self.end(b"+1:")
        _, found, _ = self.outcome()
        self.assertEqual((found["strangers"], found["received"]), (len(odd) + 1, 1))

    def test_any_source_port(self) -> None:
        """A translator between us may change the client's port."""
        self.begin(packets=2)
        self.send([0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(self.datagram(1), ("127.0.0.1", self.port))
        self.end(b"+2:")
        self.assertEqual(self.outcome()[1]["received"], 2)

    def test_backlog(self) -> None:
        """What the kernel holds when the end message comes is counted too."""
        self.begin(packets=2000, rate=1_000_000_000)
        os.kill(self.process.pid, signal.SIGSTOP)
        self.send(range(2000))
        self.control.sendall(b"+2000:")
        time.sleep(0.1)
        os.kill(self.process.pid, signal.SIGCONT)
        self.assertIn("Server received 2000 unique packets", self.to_the_end(self.control).decode())
        status, found, _ = self.outcome()
        self.assertEqual((status, found["lost"]), (0, 0))
        self.assertLess(found["delay_us"]["p50"], 50_000)  # the kernel's time of arrival, not ours

    def test_intervals(self) -> None:
        """Packets and octets by interval; the wait before the end is none."""
        self.begin(packets=40, rate=100_000, interval="0.1")  # 100 a second
        for number in range(40):
            if number != 25:
                self.send([number])
            time.sleep(0.01)
        time.sleep(0.3)
        self.end(b"+40:")
        _, found, _ = self.outcome()
        entries = found["intervals"]
        self.assertTrue(3 <= len(entries) <= 8, entries)
        for name, total in (("packets", 40), ("received", 39), ("lost", 1), ("bytes", 39 * SIZE)):
            self.assertEqual(sum(entry[name] for entry in entries), total, msg=name)
        self.assertGreater(entries[-1]["received"], 0)


class AgreementTests(UDPServerTestCase):
    """What the server says to a proposal."""

    def reply(self, proposal: bytes, port: int) -> bytes:
        with self.connect(port) as connection:
            self.assertEqual(self.receive(connection, 10), GREETING)
            connection.sendall(proposal)
            return connection.recv(100)

    def test_like_c_or_stricter(self) -> None:
        """Proposals that C grants though nobody can send that: `u:-`, exactly."""
        process, port = self.server(protocol="udp", duration="0", streams="0", deadline="0")
        for text in UDP_REFUSED_BY_US:
            self.assertEqual(self.reply(text.encode(), port), b"u:-", msg=text)
        for entry in VECTORS["proposals"]:
            if ":u:" in entry["proposal"] and entry["c_reply"] is None:
                self.assertEqual(self.reply(entry["proposal"].encode(), port), b"")
        self.assertTrue(
            self.reply(b"thrulay/2:u:6000:52:1:1+", port).startswith(b"%d:52:1:" % port)
        )
        self.assertEqual(self.finish(process)[0], 1)  # its client left

    def test_policy(self) -> None:
        """More than the reservation's rate or time is refused, and so is TCP."""
        process, port = self.server(protocol="udp", duration="2", rate="1000000")
        for proposal, answer in (
            (b"thrulay/2:u:6000:1500:83334:166+", b"u:-"),
            (b"thrulay/2:u:6000:1500:83333:167+", b"u:-"),
            (b"thrulay/2:t:65536:8192+", b""),
        ):
            self.assertEqual(self.reply(proposal, port), answer, msg=repr(proposal))
        granted = self.reply(b"thrulay/2:u:6000:1500:83333:166+", port)
        self.assertTrue(granted.startswith(b"%d:1500:83333:166:" % port), granted)
        self.finish(process)

    def test_busy(self) -> None:
        """A test has one client."""
        self.begin(streams="1")
        self.assertEqual(self.to_the_end(self.connect(self.port)), b"thrulay/2-busy\n")
        self.send(range(10))
        self.end(b"+10:")
        self.assertEqual(self.outcome()[0], 0)

    def test_port_taken(self) -> None:
        """A UDP port that is in use is an error at once."""
        _, port = self.server(protocol="tcp")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
            holder.bind(("127.0.0.2", port))
            process = self.program("server", bind="127.0.0.2", port=str(port))
            status, _, errors = self.finish(process)
        self.assertEqual((status, errors), (1, "bwctl: Address already in use\n"))


class EndTests(UDPServerTestCase):
    """How a test ends."""

    def test_pieces(self) -> None:
        """The end message may come octet by octet."""
        self.begin()
        self.control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(range(10))
        for octet in b"+1":
            self.control.sendall(bytes([octet]))
            time.sleep(0.02)
        self.assertIn("Client said it sent 10 packets\n", self.end(b"0:"))
        self.assertEqual(self.outcome()[0], 0)

    def test_nothing_arrived(self) -> None:
        """All lost: a report without a number that is none, and no success."""
        self.begin()
        report = self.end(b"+10:")
        self.assertIn("Loss:\t\t 100.000%\n", report)
        self.assertNotIn("-nan", report)
        status, found, errors = self.outcome()
        self.assertEqual((status, errors), (1, "bwctl: no packet arrived\n"))
        self.assertEqual((found["lost"], found["delay_us"]), (10, None))

    def test_given_up(self) -> None:
        """`-`, no end message, or nonsense: no report, and an error."""
        for message, error in (
            (b"-", "the client gave the test up"),
            (b"", "the client left without the number of packets it sent"),
            (b"+11:", "11 is not in 0 .. 10"),
            (b"hello", "no end of a UDP test: b'hello'"),
            (b"+5:", "the client sent 5 of 10 packets"),
        ):
            self.begin()
            self.send(range(5))
            time.sleep(0.05)
            if message:
                self.control.sendall(message)
            else:
                self.control.shutdown(socket.SHUT_WR)
            report = self.to_the_end(self.control)
            self.assertEqual(bool(report), message == b"+5:", msg=message)
            status, found, errors = self.outcome()
            self.assertEqual((status, errors), (1, f"bwctl: {error}\n"))
            self.assertEqual((found["received"], found["error"]), (5, error))

    def test_told_to_stop(self) -> None:
        """TERM in mid-test ends it with what was counted."""
        self.begin()
        self.send(range(5))
        time.sleep(0.1)
        self.process.send_signal(signal.SIGTERM)
        status, found, errors = self.outcome()
        self.assertEqual((status, errors), (1, "bwctl: stopped by SIGTERM\n"))
        self.assertEqual(found["received"], 5)

    def test_flood(self) -> None:
        """A flood of strangers' datagrams keeps the server from nothing."""
        self.begin(packets=5000, rate=4_000_000_000, interval="0.1")
        end = time.monotonic() + 1.0
        number = 0
        while time.monotonic() < end:
            for _ in range(50):
                self.packets.send(bytes(PAYLOAD))
            if number < 100:
                self.send([number])
                number += 1
        self.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        status, found, _ = self.outcome()
        self.assertLess(time.monotonic() - begun, PATIENCE_S / 2)
        self.assertEqual(status, 1)
        self.assertGreater(found["strangers"], 0)
        self.assertEqual(found["out_of_range"], 0)
