from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable
from unittest import TestCase

from bwctl.embedded import sockets
from bwctl.embedded.datagrams import UDPResponse, ntp_of
from bwctl.embedded.udp_receiving import PacketReceiver

NONCE = b"\xff" * 8
PAYLOAD = 32


class PacketReceiverTests(TestCase):
    """Packets as they come in at a socket."""

    def begin(self, incoming: socket.socket, rate: int = 1_000_000) -> None:
        self.addCleanup(incoming.close)
        self.outgoing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.outgoing.close)
        self.outgoing.connect(incoming.getsockname())
        response = UDPResponse(incoming.getsockname()[1], PAYLOAD + 28, rate, 10_000, NONCE)
        self.receiver = PacketReceiver(incoming, response, PAYLOAD, "127.0.0.1")

    def send(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            stamp = struct.pack("!QQ", number, ntp_of(time.time_ns()))
            self.outgoing.send((NONCE + stamp).ljust(PAYLOAD))

    def test_time_of_the_kernel(self) -> None:
        """A receiver that comes late knows when packets came."""
        self.begin(sockets.receive_datagrams("127.0.0.1", 0, 0))
        self.send(range(300))
        time.sleep(0.2)
        self.assertTrue(self.receiver.receive())  # there is more
        self.assertFalse(self.receiver.receive())
        self.assertTrue(self.receiver.by_kernel)
        delays, base = self.receiver.arrivals.delays()
        self.assertEqual(delays.count, 300)
        self.assertLess(base + delays.quantile(0.5), 100_000_000)

    def test_own_time(self) -> None:
        """Without the kernel's notes the present counts, and that is told."""
        incoming = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        incoming.bind(("127.0.0.1", 0))
        incoming.setblocking(False)
        self.begin(incoming)
        self.assertFalse(self.receiver.by_kernel)
        self.send(range(3))
        time.sleep(0.1)
        self.receiver.receive()
        self.assertFalse(self.receiver.by_kernel)
        delays, base = self.receiver.arrivals.delays()
        self.assertGreater(base + delays.lowest, 90_000_000)

    def test_notes_that_fail_to_come(self) -> None:
        """A kernel that promised notes and has none is found out."""
        incoming = sockets.receive_datagrams("127.0.0.1", 0, 0)
        self.begin(incoming)
        incoming.setsockopt(socket.SOL_SOCKET, sockets.SO_TIMESTAMPNS, 0)
        self.assertTrue(self.receiver.by_kernel)
        self.send(range(3))
        self.receiver.receive()
        self.assertFalse(self.receiver.by_kernel)
        self.assertEqual(self.receiver.arrivals.unique, 3)

    def test_bounded_turn(self) -> None:
        """However much comes, the receiver looks at the clock in between."""
        self.begin(sockets.receive_datagrams("127.0.0.1", 0, 0))
        self.send(range(1000))
        self.assertTrue(self.receiver.receive_all(time.monotonic_ns()))
        self.assertEqual(self.receiver.arrivals.unique, 256)

    def test_pace(self) -> None:
        """The numbers that came tell how long all packets took, those lost at the end too."""
        self.begin(sockets.receive_datagrams("127.0.0.1", 0, 0))
        self.send([0])
        self.receiver.receive()
        begun = time.monotonic()
        time.sleep(0.3)
        self.send([150])
        self.receiver.receive()
        gap = (time.monotonic() - begun) / 150
        self.assertAlmostEqual(self.receiver.seconds(300) / (300 * gap), 1, delta=0.1)

    def test_pace_of_few(self) -> None:
        """A few packets tell nothing of the pace: the one that was agreed on counts."""
        self.begin(sockets.receive_datagrams("127.0.0.1", 0, 0), rate=2_000_000)
        self.assertEqual(self.receiver.seconds(10), 0.005)
        self.send([0, 50])
        self.receiver.receive()
        self.assertEqual(self.receiver.seconds(100), 0.05)
