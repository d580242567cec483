"""Every message comes back as it was sent, and foreign octets do nothing worse than raise."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType, BWCTLError, RemoteProtocolError
from bwctl.values import NO_SID, ErrorEstimate, Kind, NTPTime, Role, TestSpec, ToolID
from bwctl.wire.crypto import BLOCK
from bwctl.wire.handshake import ClientGreeting, ServerGreeting, ServerOK, ServerUptime
from bwctl.wire.messages import (
    Ready,
    StartAck,
    StartSession,
    StopSession,
    TestAccept,
    TimeRequest,
    TimeResponse,
    encode_stop,
)
from bwctl.wire.request import TestRequest, UnsupportedRequest
from tests.wire.strategies import (
    SINGLE_MODES,
    VERSIONS,
    accepts,
    blocks,
    errors,
    long,
    moments,
    octet,
    quiet,
    requests,
    sids,
    word,
)

# An identity cannot end in NUL, since that is its padding.
identities = st.binary(max_size=16).map(lambda octets: octets.rstrip(b"\0"))
MESSAGES = {
    ServerGreeting: st.builds(
        ServerGreeting,
        modes=st.integers(0, 7),
        challenge=blocks,
        version=octet,
        extensions=st.integers(0, (1 << 64) - 1),
    ),
    ClientGreeting: st.builds(
        ClientGreeting,
        mode=st.sampled_from(SINGLE_MODES),
        version=octet,
        identity=identities,
        token=st.binary(min_size=32, max_size=32),
        iv=blocks,
    ),
    ServerOK: st.builds(ServerOK, accept=accepts, tools=long, iv=blocks),
    ServerUptime: st.builds(ServerUptime, moments),
    TimeRequest: st.builds(TimeRequest),
    TimeResponse: st.builds(TimeResponse, moments, errors),
    TestAccept: st.builds(TestAccept, accepts, moments, sids, word),
    StartSession: st.builds(StartSession, word),
    StartAck: st.builds(StartAck, accepts, word),
    StopSession: st.builds(StopSession, accepts, long),
    Ready: st.builds(Ready),
}
SIZES = {
    ServerGreeting: 32,
    ClientGreeting: 68,
    ServerOK: 32,
    ServerUptime: 16,
    TimeRequest: 32,
    TimeResponse: 32,
    TestAccept: 32,
    StartSession: 32,
    StartAck: 32,
    StopSession: 32,
    Ready: 32,
}


class SmallMessageTests(SynchronousTestCase):
    def test_sizes(self) -> None:
        """All messages have the lengths of wire.md section 2."""
        self.assertEqual({kind: kind.SIZE for kind in MESSAGES}, SIZES)
        self.assertEqual(
            [TestRequest.size(version) for version in (0, 1, 6, 255)], [112] + [128] * 3
        )

    def test_round_trip(self) -> None:
        """Every message decodes to the value it was encoded from."""
        for kind, values in MESSAGES.items():
            self.round_trip(kind, values)

    def round_trip(self, kind: Any, values: st.SearchStrategy[Any]) -> None:
        @quiet
        @given(values)
        def check(message: Any) -> None:
            octets = message.encode()
            self.assertEqual(len(octets), kind.SIZE)
            self.assertEqual(kind.decode(octets), message)

        check()

    def test_foreign_octets(self) -> None:
        """Any octets of the right length decode or raise RemoteProtocolError."""
        for kind in MESSAGES:
            self.foreign_octets(kind)

    def foreign_octets(self, kind: Any) -> None:
        @quiet
        @given(half_zero(kind.SIZE))
        def check(octets: bytes) -> None:
            message = decoded(kind.decode, octets, RemoteProtocolError)
            if message is not None:  # what was understood can be said again
                self.assertEqual(kind.decode(message.encode()), message)

        check()

    def test_type_octets(self) -> None:
        """A message with another type octet is not taken for the one expected."""
        typed = [TimeRequest(), StartSession(7), StopSession(AcceptType.REJECT), Ready()]
        for message in typed:
            octets = message.encode()
            for kind in set(range(256)) - {octets[0]}:
                foreign = bytes([kind]) + octets[1:]
                self.assertRaises(RemoteProtocolError, type(message).decode, foreign)

    def test_integrity_octets(self) -> None:
        """Each octet that has to be zero (wire.md 2.11) is checked, each unused one ignored."""
        last = set(range(16, 32))
        cases: list[tuple[Any, set[int], set[int]]] = [
            (ServerUptime(NTPTime(5)), set(range(8, 16)), set()),
            (TimeRequest(), last, set(range(1, 16))),
            (TimeResponse(NTPTime(5), ErrorEstimate(3, 9)), last, set(range(10, 16))),
            (TestAccept(AcceptType.ACCEPT, NTPTime(5)), set(range(28, 32)), {1}),
            (StartSession(7), last, {1, *range(4, 16)}),
            (StartAck(AcceptType.ACCEPT, 7), last, {1, *range(4, 16)}),
            (StopSession(AcceptType.ACCEPT, 7), last, {*range(2, 8), *range(12, 16)}),
        ]
        for message, checked, unused in cases:
            for place in checked | unused:
                octets = bytearray(message.encode())
                octets[place] = 0x80
                found = decoded(type(message).decode, bytes(octets), RemoteProtocolError)
                expected = message if place in unused else None
                self.assertEqual(found, expected, f"{message} octet {place}")

    def test_accept_values(self) -> None:
        """0, 1, 2 and 4 are answers; any other value breaks the protocol (table 2.3b)."""
        places = [
            (ServerOK(AcceptType.ACCEPT), 15),
            (TestAccept(AcceptType.ACCEPT), 0),
            (StartAck(AcceptType.ACCEPT), 0),
            (StopSession(AcceptType.ACCEPT), 1),
        ]
        for message, place in places:
            known = set()
            for value in range(256):
                octets = bytearray(message.encode())
                octets[place] = value
                if found := decoded(type(message).decode, bytes(octets), RemoteProtocolError):
                    known.add(int(found.accept))
            self.assertEqual(known, {0, 1, 2, 4}, message)


class StopTests(SynchronousTestCase):
    @quiet
    @given(accepts, st.binary(max_size=100))
    @example(AcceptType.ACCEPT, b"")
    @example(AcceptType.ACCEPT, bytes(16))
    def test_output(self, accept: AcceptType, output: bytes) -> None:
        """Results come back whole; a whole number of blocks gets no padding (wire.md 2.10)."""
        octets = encode_stop(accept, output)
        fixed = StopSession.decode(octets[:32])
        self.assertEqual((fixed.accept, fixed.length), (accept, len(output)))
        self.assertEqual(len(octets), 32 + fixed.tail_size)
        self.assertEqual(fixed.output(octets[32:]), output)

    def test_lengths(self) -> None:
        """n octets of results take 2 + ceil(n / 16) + 1 blocks, none at all just 2."""
        lengths = {0: 2, 1: 4, 15: 4, 16: 4, 17: 5, 32: 5, 100000: 2 + 6250 + 1}
        found = {n: len(encode_stop(AcceptType.ACCEPT, bytes(n))) // BLOCK for n in lengths}
        self.assertEqual(found, lengths)

    def test_final_block(self) -> None:
        """The final zero block is checked, the padding before it is not."""
        octets = bytearray(encode_stop(AcceptType.ACCEPT, b"x"))
        fixed = StopSession.decode(bytes(octets[:32]))
        octets[40] = 1
        self.assertEqual(fixed.output(bytes(octets[32:])), b"x")
        octets[-1] = 1
        self.assertRaises(RemoteProtocolError, fixed.output, bytes(octets[32:]))


# What a version of wire.md 7.1 adds; an older peer neither gets nor hears of it.
SINCE: dict[str, int] = {
    "parallel": 1,
    "units": 1,
    "output_format": 1,
    "omit": 2,
    "server_sends": 4,
    "no_server_endpoint": 4,
    "mss": 6,
}


def as_understood(spec: TestSpec, version: int) -> TestSpec:
    """What a peer of a version knows of a test; by the table of wire.md 7.3."""
    lost: dict[str, Any] = {
        name: type(getattr(spec, name))() for name, since in SINCE.items() if version < since
    }
    throughput = spec.kind is Kind.THROUGHPUT
    if version < 4:
        lost["report_interval_ms"] = spec.report_interval_ms // 1000 * 1000
    if version < 5 and not throughput:
        lost["tos"] = 0
    if version < 2 or (version < 5 and not throughput):
        lost["verbose"] = True
    return replace(spec, **lost)


class TestRequestTests(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """A request arrives whole at version 6; at an older one without what that lacks."""
        for version in VERSIONS:
            self.round_trip(version)

    def round_trip(self, version: int) -> None:
        @quiet
        @given(requests)
        def check(request: TestRequest) -> None:
            spec = request.spec
            if version == 0:  # knows iperf alone, and no rate beyond 32 bits
                assume(spec.kind is Kind.THROUGHPUT)
                spec = replace(spec, tool=ToolID.IPERF, bandwidth=spec.bandwidth & 0xFFFFFFFF)
                request = replace(request, spec=spec)
            octets = request.encode(version)
            self.assertEqual(len(octets), TestRequest.size(version))
            self.assertEqual(TestRequest.sid_of(octets), request.sid)
            expected = replace(request, spec=as_understood(spec, version))
            self.assertEqual(TestRequest.decode(octets, version), expected)

        check()

    def test_unassigned_versions(self) -> None:
        """3 was never assigned and behaves as 2 (wire.md 7.1)."""

        @quiet
        @given(requests)
        def check(request: TestRequest) -> None:
            self.assertEqual(request.encode(3), request.encode(2))
            octets = request.encode(6)
            self.assertEqual(TestRequest.decode(octets, 3), TestRequest.decode(octets, 2))

        check()

    @quiet
    @given(requests, st.sampled_from(VERSIONS))
    def test_older_peers_get_zeros(self, request: TestRequest, version: int) -> None:
        """Octets that an older version does not define are sent as zero."""
        octets = request.encode(version)
        tail = octets[96:112]
        if version == 0:
            self.assertEqual((tail, octets[94:96]), (bytes(16), bytes(2)))
            return
        if version < 4:
            self.assertEqual(tail[5:7], bytes(2))
        if version < 6:
            self.assertEqual(tail[8:10], bytes(2))
        if version < 2:
            self.assertEqual(tail[14], 0)

    def test_foreign_octets(self) -> None:
        """Any octets are a request, an unsupported one, or a violation; nothing else."""
        for version in (*VERSIONS, 255):
            self.foreign_octets(version)

    def foreign_octets(self, version: int) -> None:
        seen = set()

        @quiet
        @given(damaged_requests(version))
        def check(octets: bytes) -> None:
            allowed = (RemoteProtocolError, UnsupportedRequest)
            request = decoded(lambda o: TestRequest.decode(o, version), octets, *allowed)
            seen.add(request is None)
            if request is not None and version >= 4:  # seconds may exceed 32 bits as ms
                again = TestRequest.decode(request.encode(version), version)
                self.assertEqual(again, request)

        check()
        self.assertEqual(seen, {True, False}, "the examples show one outcome only")

    def test_violations(self) -> None:
        """Each rule of wire.md 2.6 whose breach C answers by closing (4.1)."""
        damages = {
            "type 0": (0, 0),
            "type 4": (0, 4),
            "IP version 5": (1, 0x05),
            "IP version 0": (1, 0x10),
            "both roles": (2, 1),
            "no role": (3, 0),
            "multiplier 0": (25, 0),
            "integrity, first octet": (112, 1),
            "integrity, last octet": (127, 0x80),
        }
        for name, (place, value) in damages.items():
            octets = bytearray(REQUEST.encode())
            octets[place] = value
            found = decoded(TestRequest.decode, bytes(octets), RemoteProtocolError)
            self.assertIsNone(found, name)

    def test_unsupported(self) -> None:
        """Several tools, no tool, an unknown one, or a rate beyond 64 bits can be answered."""
        for tool in (0, 3, 0x200, 0x80000000, 0xFFFFFFFF):
            octets = bytearray(REQUEST.encode())
            octets[96:100] = struct.pack("!I", tool)
            self.assertRaises(UnsupportedRequest, TestRequest.decode, bytes(octets))
        octets = bytearray(REQUEST.encode())
        octets[109] = 33
        self.assertRaises(UnsupportedRequest, TestRequest.decode, bytes(octets))
        octets[109] = 32
        octets[76:80] = b"\xff" * 4
        self.assertEqual(TestRequest.decode(bytes(octets)).spec.bandwidth, 0xFFFFFFFF << 32)

    def test_violation_before_unsupported(self) -> None:
        """A request with no known tool is still dropped if it breaks a rule."""
        octets = bytearray(REQUEST.encode())
        octets[96:100] = bytes(4)
        octets[3] = 0
        self.assertRaises(RemoteProtocolError, TestRequest.decode, bytes(octets))

    def test_ignored_octets(self) -> None:
        """Octets that C ignores, even when they are not zero, change nothing (wire.md 2.6)."""
        for place in (95, 103, 106, 107, *range(32, 44), *range(48, 60)):
            octets = bytearray(REQUEST.encode())
            octets[place] = 0xFF
            self.assertEqual(TestRequest.decode(bytes(octets)), REQUEST, f"octet {place}")

    def test_flag_octets(self) -> None:
        """Any value but 0 means yes; the high nibble of the second octet means UDP."""
        octets = bytearray(REQUEST.encode())
        octets[1] = 0xF4
        octets[3] = 0x80
        octets[101] = 2
        spec = TestRequest.decode(bytes(octets)).spec
        self.assertTrue(spec.udp)
        self.assertTrue(spec.server_sends)

    def test_udp_is_for_throughput(self) -> None:
        """A latency test neither sends nor reads the UDP bit."""
        spec = replace(REQUEST.spec, tool=ToolID.PING, udp=True)
        octets = bytearray(replace(REQUEST, spec=spec).encode())
        self.assertEqual(octets[1], 0x04)
        octets[1] = 0x14
        self.assertFalse(TestRequest.decode(bytes(octets)).spec.udp)

    def test_report_interval_units(self) -> None:
        """The interval travels in milliseconds from version 4, in seconds before."""
        spec = replace(REQUEST.spec, report_interval_ms=2500)
        request = replace(REQUEST, spec=spec)
        sent = {v: struct.unpack_from("!I", request.encode(v), 88)[0] for v in VERSIONS}
        self.assertEqual(sent, {0: 2, 1: 2, 2: 2, 3: 2, 4: 2500, 5: 2500, 6: 2500})

    def test_addresses(self) -> None:
        """IPv4 stands in the first four octets of its field, IPv6 fills it."""
        octets = REQUEST.encode()
        self.assertEqual(octets[28:44], bytes([192, 0, 2, 1]) + bytes(12))
        self.assertEqual(octets[44:60], bytes([192, 0, 2, 2]) + bytes(12))


REQUEST = TestRequest(
    role=Role.SERVER,
    time=NTPTime(0xEEAC6B6A7849773E),
    latest=NTPTime(0xEEAC6DC27849773E),
    error=ErrorEstimate(24, 156),
    spec=TestSpec(
        tool=ToolID.IPERF3,
        client=ip_address("192.0.2.1"),
        server=ip_address("192.0.2.2"),
        duration=10,
    ),
    sid=NO_SID,
)


def half_zero(size: int) -> st.SearchStrategy[bytes]:
    """Random octets of which some ranges are zero, so that integrity checks pass at times."""
    whole = st.binary(min_size=size, max_size=size)
    masks = st.binary(min_size=size // 4, max_size=size // 4)

    def masked(octets: bytes, mask: bytes) -> bytes:
        return bytes(o if mask[n // 4] & 1 else 0 for n, o in enumerate(octets))

    return st.one_of(whole, st.builds(masked, whole, masks))


def damaged_requests(version: int) -> st.SearchStrategy[bytes]:
    """Requests of any kind with a few octets replaced, and octets of no kind at all."""
    size = TestRequest.size(version)
    places = st.tuples(st.integers(0, size - 1), octet)

    def damage(request: TestRequest, changes: list[tuple[int, int]]) -> bytes:
        octets = bytearray(request.encode(version))
        for place, value in changes:
            octets[place] = value
        return bytes(octets)

    return st.one_of(st.builds(damage, requests, st.lists(places, max_size=4)), half_zero(size))


def decoded(decode: Callable[[bytes], Any], octets: bytes, *allowed: type[BWCTLError]) -> Any:
    """The message in some octets, None for one of the errors allowed; others pass through."""
    try:
        return decode(octets)
    except allowed:
        return None
