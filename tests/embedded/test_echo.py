from __future__ import annotations

import struct
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from bwctl.embedded import echo
from bwctl.embedded.echo import EchoChecker, header_pieces
from bwctl.embedded.protocol import ProtocolError
from tests.embedded.vectors import VECTORS


class Echoing:
    """A server's memory of one stream, without the server."""

    def __init__(self, block: int) -> None:
        self.block = block
        self.position = 0

    def receive(self, octets: bytes) -> bytes:
        pieces = header_pieces(memoryview(octets), self.position, self.block)
        self.position = (self.position + len(octets)) % self.block
        return b"".join(pieces)


class HeaderTests(TestCase):
    """The server finds the headers in what it reads."""

    def test_like_c(self) -> None:
        """Octets echoed for what is sent are those that C echoes."""
        block = bytes(range(256)) * 32
        counts = [entry["echoed_octets"] for entry in VECTORS["echo"]]
        server = Echoing(8192)
        sent = [block[:8], block[8:20], block[20:], block, block + block + block[:4], b""]
        self.assertEqual([len(server.receive(part)) for part in sent], counts)

    def test_recorded(self) -> None:
        """The headers of C's first blocks come back, in order, wherever the stream is cut."""
        headers = [bytes.fromhex(entry["header"]) for entry in VECTORS["headers_1stream"]]
        stream = b"".join(header + bytes(65536 - 16) for header in headers)
        for size in (1, 15, 16, 17, 65535, 65536, 65537, 262144):
            server = Echoing(65536)
            step = [stream[at : at + size] for at in range(0, len(stream), size)]
            self.assertEqual(b"".join(map(server.receive, step)), b"".join(headers), msg=str(size))

    @given(st.integers(16, 64), st.lists(st.binary(min_size=1, max_size=200), max_size=8))
    def test_any_cut(self, block: int, parts: list[bytes]) -> None:
        """Cutting a stream changes nothing of its echo."""
        server, whole = Echoing(block), b"".join(parts)
        expected = b"".join(whole[at : at + 16] for at in range(0, len(whole), block))
        self.assertEqual(b"".join(map(server.receive, parts)), expected)


class CheckerTests(TestCase):
    """The client compares what comes back with what it sent."""

    def setUp(self) -> None:
        self.checker = EchoChecker()
        self.checker.sent(1000, 2)
        self.checker.sent(2000, 1)
        self.echoes = struct.pack("=6Q", 1000, 0, 1000, 1, 2000, 2)

    def test_times(self) -> None:
        """Blocks of one batch that come together have one time."""
        self.assertEqual(self.checker.receive(self.echoes, 5000), [(4000, 2), (3000, 1)])
        self.assertEqual(self.checker.echoed, 3)

    def test_pieces(self) -> None:
        """Only complete echoes count; the rest is kept."""
        times: list[tuple[int, int]] = []
        for number, octet in enumerate(self.echoes):
            times += self.checker.receive(bytes([octet]), 5000 + number)
        self.assertEqual(times, [(4015, 1), (4031, 1), (3047, 1)])
        self.assertEqual(self.checker.receive(b"", 6000), [])

    def test_changed(self) -> None:
        """Every single changed bit is noticed."""
        for bit in range(8 * len(self.echoes)):
            self.setUp()
            changed = bytearray(self.echoes)
            changed[bit // 8] ^= 1 << bit % 8
            with self.assertRaises(ProtocolError):
                self.checker.receive(bytes(changed), 5000)

    def test_order(self) -> None:
        with self.assertRaises(ProtocolError):
            self.checker.receive(self.echoes[16:32] + self.echoes[:16], 5000)

    def test_more_than_sent(self) -> None:
        with self.assertRaises(ProtocolError):
            self.checker.receive(self.echoes + struct.pack("=2Q", 2000, 3), 5000)

    def test_no_echo_at_all(self) -> None:
        """A server that only reads does not fill our memory."""
        with self.assertRaises(ProtocolError):
            for number in range(echo.MAX_OUTSTANDING + 1):
                self.checker.sent(number, 1)
