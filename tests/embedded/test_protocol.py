from __future__ import annotations

from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from bwctl.embedded import protocol
from bwctl.embedded.protocol import (
    Collector,
    ProtocolError,
    Response,
    TCPProposal,
    UDPProposal,
    check_greeting,
    parse_proposal,
    parse_response,
)
from tests.embedded.vectors import REFUSED_BY_US, VECTORS


class ProposalTests(TestCase):
    """Proposals as C sends them, and others."""

    def test_recorded(self) -> None:
        """What C put on the wire reads and writes back as the same octets."""
        for connections in VECTORS["control"].values():
            for control in connections:
                octets = bytes.fromhex(control["proposal"])
                proposal = parse_proposal(octets)
                assert isinstance(proposal, TCPProposal)
                self.assertEqual(proposal.encode(), octets)

    def test_like_c_or_stricter(self) -> None:
        """C's answer to 28 proposals decides ours, but for what we refuse."""
        for entry in VECTORS["proposals"]:
            text, reply = entry["proposal"], entry["c_reply"]
            if reply is None or text in REFUSED_BY_US:
                with self.assertRaises(ProtocolError, msg=text):
                    parse_proposal(text.encode())
            elif ":u:" in text:
                self.assertIsInstance(parse_proposal(text.encode()), UDPProposal)
            else:
                proposal = parse_proposal(text.encode())
                assert isinstance(proposal, TCPProposal)
                block = protocol.granted_block(proposal.block)
                self.assertEqual(str(block), reply[:-1].split(":")[1], msg=text)

    def test_udp(self) -> None:
        proposal = parse_proposal(b"thrulay/2:u:5004:1500:833333:1666+")
        self.assertEqual(proposal, UDPProposal(5004, 1500, 833333, 1666))

    def test_long_numbers(self) -> None:
        """A number of many digits is refused before it is computed."""
        for digits in (b"9" * 20, b"9" * 100):
            with self.assertRaises(ProtocolError):
                parse_proposal(b"thrulay/2:t:1:" + digits + b"+")

    @given(st.binary(max_size=130))
    def test_any_octets(self, octets: bytes) -> None:
        """Whatever comes is a proposal or an error of the protocol."""
        for prefix in (b"", b"thrulay/2:t:", b"thrulay/2:u:"):
            try:
                parse_proposal(prefix + octets + b"+")
            except ProtocolError:
                continue

    @given(st.integers(0, (1 << 31) - 1), st.integers(0, (1 << 32) - 1))
    def test_round_trip(self, window: int, block: int) -> None:
        proposal = TCPProposal(window, block)
        self.assertEqual(parse_proposal(proposal.encode()), proposal)
        self.assertTrue(16 <= protocol.granted_block(block) <= 1 << 20)


class ResponseTests(TestCase):
    """The server's answer, as the client reads it."""

    def test_recorded(self) -> None:
        octets = bytes.fromhex(VECTORS["control"]["1stream"][0]["response"])
        self.assertEqual(parse_response(octets), Response(8388608, 65536))
        self.assertEqual(Response(8388608, 65536).encode(), octets)

    def test_refused(self) -> None:
        for text in (
            "65536:8192",
            "1499:8192+",
            "4294967295:8192+",
            "2147483648:8192+",
            "-1:8192+",
            "65536:15+",
            "65536:1048577+",
            "no thanks+",
            "65536:8192:1+",
            "65536+",
            "+",
            "u:-+",
        ):
            with self.assertRaises(ProtocolError, msg=text):
                parse_response(text.encode())

    @given(st.binary(max_size=70))
    def test_any_octets(self, octets: bytes) -> None:
        try:
            parse_response(octets + b"+")
        except ProtocolError:
            return


class CollectorTests(TestCase):
    """Text may come in any pieces, and not without end."""

    def test_octet_by_octet(self) -> None:
        text = b"thrulay/2:t:4194304:65536+"
        collector = Collector(128)
        for octet in text[:-1]:
            self.assertIsNone(collector.feed(bytes([octet])))
        self.assertEqual(collector.feed(text[-1:]), text)

    def test_limit(self) -> None:
        """128 octets with the '+' are taken, 129 are not."""
        self.assertEqual(len(Collector(128).feed(b"x" * 127 + b"+") or b""), 128)
        for piece in (1, 7, 1000):
            collector = Collector(128)
            with self.assertRaises(ProtocolError):
                for _ in range(0, 129, piece):
                    collector.feed(b"x" * piece)

    def test_surplus(self) -> None:
        """Nothing may follow before the answer."""
        with self.assertRaises(ProtocolError):
            Collector(128).feed(b"thrulay/2:t:65536:8192+thrulay")


class GreetingTests(TestCase):
    """The server's first ten octets."""

    def test_recorded(self) -> None:
        octets = bytes.fromhex(VECTORS["control"]["1stream"][0]["greeting"])
        self.assertEqual(octets, protocol.GREETING)
        self.assertTrue(check_greeting(octets))

    def test_refused(self) -> None:
        """As C has it: a tenth octet that is not '+' refuses."""
        self.assertFalse(check_greeting(b"thrulay/2-"))
        self.assertFalse(check_greeting(b"thrulay/25"))

    def test_others(self) -> None:
        for octets in (b"thrulay/3+", b"SSH-2.0-Op", b"thru", b""):
            with self.assertRaises(ProtocolError):
                check_greeting(octets)

    def test_reason(self) -> None:
        """A refusal ends in a newline; its text is harmless when it is shown."""
        self.assertEqual(protocol.refusal("busy"), b"thrulay/2-busy\n")
        self.assertEqual(protocol.printable(b"busy\n"), "busy")
        self.assertEqual(protocol.printable(b"\x1b[2J\xff\x00x" + b"y" * 2000)[:6], "?[2J\ufffd?")
        self.assertEqual(len(protocol.printable(b"y" * 2000)), 1023)
