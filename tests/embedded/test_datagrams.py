from __future__ import annotations

import struct
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from bwctl.embedded import datagrams
from bwctl.embedded.datagrams import (
    DATAGRAM,
    STAMP,
    Aborted,
    UDPResponse,
    delay_ns,
    ntp_of,
    objection,
    parse_end,
    parse_response,
)
from bwctl.embedded.protocol import ProtocolError, Refused, UDPProposal, parse_proposal
from tests.embedded.vectors import UDP_REFUSED_BY_US, UDP_RUNS, VECTORS, control

ASKED = UDPProposal(5004, 1500, 833333, 1666)
RESPONSE = UDPResponse(5003, 1500, 833333, 1666, b":+\0: +:+")
SECOND = 1_000_000_000


class ProposalTests(TestCase):
    """What the client asks for, and what the server grants."""

    def test_recorded(self) -> None:
        """10 Mb/s for 2 s is the same proposal as C's, octet by octet."""
        proposal = datagrams.proposal(5004, 1500, 10_000_000, 2.0)
        for run in UDP_RUNS:
            self.assertEqual(proposal.encode(), control(run)[1])

    def test_impossible(self) -> None:
        """No packet at all, or too many to keep account of."""
        for rate, seconds in ((1000, 1.0), (10**12, 1e5), (1, 1e6)):
            with self.assertRaises(ValueError, msg=str(rate)):
                datagrams.proposal(5004, 1500, rate, seconds)

    def test_like_c_or_stricter(self) -> None:
        """C grants UDP proposals that nobody can send; we do not."""
        for entry in VECTORS["proposals"]:
            text, reply = entry["proposal"], entry["c_reply"]
            if ":u:" in text and reply is not None:
                proposal = parse_proposal(text.encode())
                assert isinstance(proposal, UDPProposal)
                refused = objection(proposal, False, 0, 0)
                self.assertEqual(bool(refused), text in UDP_REFUSED_BY_US, msg=text)

    def test_limits(self) -> None:
        """Sizes by family, rates by policy, length by the time slot."""
        for change, ipv6, rate, longest, allowed in (
            ({"packet_size": 52}, False, 0, 0, True),
            ({"packet_size": 51}, False, 0, 0, False),
            ({"packet_size": 72}, True, 0, 0, True),
            ({"packet_size": 71}, True, 0, 0, False),
            ({"packet_size": 65536}, False, 0, 0, False),
            ({"packets": 0}, False, 0, 0, False),
            ({"packets": (1 << 27) + 1}, False, 0, 0, False),
            ({"client_port": 0}, False, 0, 0, False),
            ({}, False, 10_000_000, 2.0, True),
            ({}, False, 9_999_000, 2.0, False),
            ({}, False, 10_000_000, 1.99, False),
            ({"rate": 1, "packets": 1200}, False, 0, 0, True),
            ({"rate": 1, "packets": 1300}, False, 0, 0, False),  # 15 days
        ):
            refused = objection(ASKED._replace(**change), ipv6, rate, longest)
            self.assertEqual(refused is None, allowed, msg=f"{change} {rate} {longest}")

    @given(
        st.integers(52, 65535), st.integers(64_000, 10**10), st.floats(1.0, 100.0, allow_nan=False)
    )
    def test_own_proposals_are_granted(self, size: int, rate: int, seconds: float) -> None:
        """Rounding never makes a proposal exceed the limits that it was made for."""
        try:
            proposal = datagrams.proposal(5004, size, rate, seconds)
        except ValueError:
            return
        self.assertIsNone(objection(proposal, False, rate, seconds))


class ResponseTests(TestCase):
    """The server's answer, as the client reads it."""

    def test_recorded(self) -> None:
        """C's answers, nonce and all."""
        for run in UDP_RUNS:
            octets = control(run)[2]
            response = parse_response(octets)
            assert response is not None
            self.assertEqual(response[:4], (5003, 1500, 833333, 1666))
            self.assertEqual(response.nonce.hex(), run["packets"][0]["nonce_hex"])
            self.assertEqual(response.encode(), octets)

    def test_octet_by_octet(self) -> None:
        """A nonce of separators misleads nobody, in whatever pieces it comes."""
        octets = RESPONSE.encode()
        for end in range(len(octets)):
            self.assertIsNone(parse_response(octets[:end]))
        self.assertEqual(parse_response(octets), RESPONSE)

    def test_refused(self) -> None:
        for text in (b"u:-", b"u:-+"):
            with self.assertRaises(Refused):
                parse_response(text)

    def test_nonsense(self) -> None:
        octets = RESPONSE.encode()
        for wrong in (
            octets + b"+",
            octets[:-1] + b"-",
            b"0" + octets[4:],
            octets.replace(b"1500", b"15 0"),
            octets.replace(b"1500", b"-500"),
            octets.replace(b"5003", b"70000"),
            b"no thanks" * 10,
        ):
            with self.assertRaises(ProtocolError, msg=repr(wrong)):
                parse_response(wrong)

    def test_obedience_has_limits(self) -> None:
        """Less than asked for is obeyed; more is a server that wants a flood."""
        for change, legal in (
            ({}, True),
            ({"packet_size": 200, "rate": 1, "packets": 1}, True),
            ({"packet_size": 51}, False),
            ({"packet_size": 1501}, False),
            ({"rate": 0}, False),
            ({"rate": 833334}, False),
            ({"packets": 0}, False),
            ({"packets": 1667}, False),
        ):
            response = RESPONSE._replace(**change)
            if legal:
                datagrams.check_response(response, ASKED, False)
                continue
            with self.assertRaises(ProtocolError, msg=str(change)):
                datagrams.check_response(response, ASKED, False)

    @given(st.binary(max_size=80))
    def test_any_octets(self, octets: bytes) -> None:
        for prefix in (b"", b"5003:1500:", b"5003:1500:1:1:"):
            try:
                parse_response(prefix + octets)
            except (ProtocolError, Refused):
                continue


class EndTests(TestCase):
    """The client's last words."""

    def test_recorded(self) -> None:
        for run in UDP_RUNS:
            octets = control(run)[3]
            self.assertEqual(datagrams.end_message(1666), octets)
            for end in range(len(octets)):
                self.assertIsNone(parse_end(octets[:end], 1666))
            self.assertEqual(parse_end(octets, 1666), 1666)

    def test_abort(self) -> None:
        with self.assertRaises(Aborted):
            parse_end(b"-", 10)

    def test_nonsense(self) -> None:
        for wrong in (b"x", b"+11:", b"+1:1", b"+:", b"+-1:", b"+" + b"1" * 23, b"++1:"):
            with self.assertRaises(ProtocolError, msg=repr(wrong)):
                parse_end(wrong, 10)


class DatagramTests(TestCase):
    """The head of a datagram."""

    def test_recorded(self) -> None:
        """C's datagrams read and write back as the same octets."""
        for run in UDP_RUNS:
            for packet in run["packets"]:
                octets = bytes.fromhex(packet["first_24_hex"])
                nonce, number, seconds, fraction = DATAGRAM.unpack(octets)
                self.assertEqual(number, packet["sequence"])
                self.assertEqual(seconds, packet["ntp_seconds"])
                self.assertEqual(fraction, packet["ntp_fraction"])
                stamp = struct.pack("!Q", nonce) + STAMP.pack(number, seconds << 32 | fraction)
                self.assertEqual(stamp, octets)
                sent = round(packet["unix_time"] * 1e6)
                late = delay_ns(sent // 10**6, sent % 10**6 * 1000 + 5000, seconds, fraction)
                self.assertAlmostEqual(late, 5000, delta=1001)  # recorded in microseconds

    @given(st.integers(0, 2**33 * SECOND), st.integers(-(10**15), 10**15))
    def test_delay(self, sent: int, delay: int) -> None:
        """What was put in comes out within a nanosecond, beyond 2036 and backwards too."""
        arrived = sent + delay
        seconds, fraction = divmod(ntp_of(sent), 1 << 32)
        self.assertLess(seconds, 1 << 32)
        found = delay_ns(*divmod(arrived, SECOND), seconds, fraction)
        self.assertAlmostEqual(found, delay, delta=1)
