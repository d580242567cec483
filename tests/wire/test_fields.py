"""Error estimates, rates, addresses and times: the arithmetic of wire.md 2.6 and 3."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType, RemoteProtocolError, worse
from bwctl.values import (
    ErrorEstimate,
    ntp_from_unix,
    ntp_from_unix_ns,
    seconds,
    ticks,
    unix_from_ntp,
)
from bwctl.wire.fields import (
    character,
    decode_address,
    decode_error,
    encode_address,
    encode_bandwidth,
    encode_error,
    octet_of,
)
from tests.wire.strategies import errors, quiet

LARGEST = (255 << 63) - 1  # ticks that the format can still hold


def as_in_c(error: int) -> bytes:
    """The rule of wire.md 3.2, written down once more, with no thought of speed."""
    scale = 0
    while error >= 255:
        error, scale = error // 2, scale + 1
    return bytes([scale, error + 1])


class ErrorEstimateTests(SynchronousTestCase):
    def test_known_values(self) -> None:
        """Estimates that C daemons were seen to send."""
        for error, octets in ((0.6, "189a"), (0.1, "15cd")):
            self.assertEqual(encode_error(ErrorEstimate.from_ticks(ticks(error))).hex(), octets)
        self.assertEqual(seconds(decode_error(bytes.fromhex("189a")).ticks), 0.6015625)
        self.assertEqual(encode_error(ErrorEstimate(24, 154, True)).hex(), "989a")

    def test_reencoding(self) -> None:
        """Each decoding and encoding adds one step, so 189a comes back as 189c after two."""
        estimate = decode_error(bytes.fromhex("189a"))
        once = ErrorEstimate.from_ticks(estimate.ticks)
        twice = ErrorEstimate.from_ticks(once.ticks)
        self.assertEqual([encode_error(e).hex() for e in (once, twice)], ["189b", "189c"])

    @quiet
    @given(st.integers(0, LARGEST))
    def test_rule(self, error: int) -> None:
        """The octets are C's; what they say is more than the error, by one part in 127 at most."""
        estimate = ErrorEstimate.from_ticks(error)
        self.assertEqual(encode_error(estimate), as_in_c(error))
        self.assertEqual(decode_error(encode_error(estimate)), estimate)
        self.assertGreater(estimate.ticks, error)
        self.assertLessEqual(estimate.ticks, error + max(1, error // 127))

    @quiet
    @given(errors)
    def test_one_step(self, estimate: ErrorEstimate) -> None:
        """Re-encoding never shrinks an error and adds no more than one step of its own scale."""
        try:
            again = ErrorEstimate.from_ticks(estimate.ticks)
        except ValueError:
            self.assertGreater(estimate.ticks, LARGEST)
            return
        self.assertGreater(again.ticks, estimate.ticks)
        self.assertLessEqual(again.ticks - estimate.ticks, 1 << estimate.scale)

    def test_edges(self) -> None:
        """No error is one tick, a negative one too; the largest fits, one tick more does not."""
        self.assertEqual(ErrorEstimate.from_ticks(0), ErrorEstimate(0, 1))
        self.assertEqual(ErrorEstimate.from_ticks(-5), ErrorEstimate(0, 1))
        self.assertEqual(ErrorEstimate.from_ticks(254), ErrorEstimate(0, 255))
        self.assertEqual(ErrorEstimate.from_ticks(255), ErrorEstimate(1, 128))
        self.assertEqual(ErrorEstimate.from_ticks(LARGEST), ErrorEstimate(63, 255))
        for huge in (LARGEST + 1, 1 << 71, 1 << 200):
            self.assertRaises(ValueError, ErrorEstimate.from_ticks, huge)

    def test_synchronised(self) -> None:
        """The S bit travels; adding to an estimate drops it, as the C client does."""
        for flag in (True, False):
            estimate = ErrorEstimate.from_ticks(1000, flag)
            self.assertEqual(decode_error(encode_error(estimate)).synchronised, flag)
            self.assertFalse(estimate.plus(10).synchronised)

    def test_octets(self) -> None:
        """Multiplier 0 is a violation at any scale; bit 14 is ignored."""
        for first in range(256):
            self.assertRaises(RemoteProtocolError, decode_error, bytes([first, 0]))
            plain = bytes([first & ~0x40, 7])
            self.assertEqual(decode_error(bytes([first, 7])), decode_error(plain))

    @quiet
    @given(errors, st.integers(0, 1 << 40))
    def test_plus(self, estimate: ErrorEstimate, extra: int) -> None:
        """An estimate with a round trip added covers both."""
        if estimate.ticks + extra <= LARGEST:
            self.assertGreater(estimate.plus(extra).ticks, estimate.ticks + extra)


class BandwidthTests(SynchronousTestCase):
    def test_known_values(self) -> None:
        """10 Gbit/s is 2500000000 and exponent 2; what fits 32 bits is sent as it is."""
        cases = {
            0: (0, 0),
            1_000_000: (1_000_000, 0),
            0xFFFFFFFF: (0xFFFFFFFF, 0),
            0x100000000: (0x80000000, 1),
            10_000_000_000: (2_500_000_000, 2),
            400_000_000_000: (3_125_000_000, 7),
            (1 << 64) - 1: (0xFFFFFFFF, 32),
        }
        self.assertEqual({rate: encode_bandwidth(rate) for rate in cases}, cases)

    @quiet
    @given(st.integers(0, (1 << 64) - 1))
    def test_rule(self, rate: int) -> None:
        """The loop of wire.md 2.6; only bits that do not fit are lost."""
        mantissa, exponent = rate, 0
        while mantissa > 0xFFFFFFFF:
            mantissa, exponent = mantissa >> 1, exponent + 1
        self.assertEqual(encode_bandwidth(rate), (mantissa, exponent))
        self.assertLess(rate - (mantissa << exponent), 1 << exponent)


class SmallFieldTests(SynchronousTestCase):
    def test_addresses(self) -> None:
        """IPv4 takes the first four octets, the others are ignored; IPv6 takes all."""
        for text, octets in (
            ("192.0.2.1", "c0000201000000000000000000000000"),
            ("2001:db8::1", "20010db8000000000000000000000001"),
        ):
            address = ip_address(text)
            self.assertEqual(encode_address(address).hex(), octets)
            self.assertEqual(decode_address(bytes.fromhex(octets), address.version), address)
        self.assertEqual(str(decode_address(bytes([10, 0, 0, 1]) + b"\xff" * 12, 4)), "10.0.0.1")

    def test_characters(self) -> None:
        """Every octet is a character and back; 0 is none."""
        self.assertEqual([octet_of(character(octet)) for octet in range(256)], list(range(256)))
        self.assertEqual(character(0), "")

    def test_times(self) -> None:
        """Unix and NTP times agree, to the binary fraction and back."""
        self.assertEqual(ntp_from_unix_ns(0), 0x83AA7E80 << 32)
        self.assertEqual(ntp_from_unix_ns(500_000_000) & 0xFFFFFFFF, 1 << 31)
        self.assertEqual(ntp_from_unix_ns(1) & 0xFFFFFFFF, 4)  # (1 << 32) // 10**9
        moment = 1_795_291_705.25
        self.assertAlmostEqual(unix_from_ntp(ntp_from_unix(moment)), moment, places=5)

    def test_severity(self) -> None:
        """The graver of two statuses is kept: 0 < 1 < 4 < 2, whatever their order."""
        order = [AcceptType.ACCEPT, AcceptType.REJECT, AcceptType.UNSUPPORTED, AcceptType.FAILURE]
        for low, one in enumerate(order):
            for high, other in enumerate(order):
                self.assertIs(worse(one, other), order[max(low, high)])
