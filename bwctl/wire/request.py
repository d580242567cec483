"""TestRequest, the one message whose layout depends on version and tool. Source: wire.md 2.6, 7."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final

from bwctl.errors import BWCTLError, RemoteProtocolError
from bwctl.values import (
    NO_SID,
    SID,
    SID_SIZE,
    ErrorEstimate,
    Kind,
    NTPTime,
    Role,
    TestSpec,
    ToolID,
    kind_of,
)
from bwctl.wire import fields
from bwctl.wire.crypto import ZERO_BLOCK
from bwctl.wire.messages import TEST_REQUEST

_COMMON = struct.Struct("!BBBBIQQ2sH16s16s16s")  # octets 0-75
_THROUGHPUT = struct.Struct(
    "!IIIIBBBx"
)  # 76-95: rate, block, window, interval, flags, TOS, streams
_LATENCY = struct.Struct("!HHHxxB8xBxx")
_TRACE = struct.Struct("!BBH13xBxx")
_TAIL = struct.Struct("!IBBBxHxxBBBB")  # 96-111
_SID_OFFSET = 60
_MAX_EXPONENT = 32


class UnsupportedRequest(BWCTLError):
    """A legal TestRequest that nobody could carry out; it is answered, not dropped."""


@dataclass(slots=True, kw_only=True)
class TestRequest:
    """Ask a daemon for a time slot, move one, or (time 0) give one back."""

    __test__: ClassVar[bool] = False
    role: Final[Role]  # the part that the daemon asked plays in the tester
    time: Final[NTPTime]  # wished start; 0 = cancel
    latest: Final[NTPTime]  # 0 = no limit
    error: Final[ErrorEstimate]  # of the requested time
    spec: Final[TestSpec]
    tool_port: Final[int] = 0  # towards the client daemon
    sid: Final[SID] = NO_SID

    @staticmethod
    def size(version: int) -> int:
        """Octets of a request in a protocol version."""
        return 128 if version >= 1 else 112

    @staticmethod
    def sid_of(octets: bytes) -> SID:
        """The session that a request is about, also where `decode` finds it unsupported."""
        return SID(octets[_SID_OFFSET : _SID_OFFSET + SID_SIZE])

    def encode(self, version: int = fields.PROTOCOL_VERSION) -> bytes:
        """The octets for a peer of a version; what that version lacks is left out."""
        spec = self.spec
        family = spec.server.version
        udp = spec.udp and spec.kind is Kind.THROUGHPUT
        head = _COMMON.pack(
            TEST_REQUEST,
            (0x10 if udp else 0) | family,
            self.role is Role.CLIENT,
            self.role is Role.SERVER,
            spec.duration,
            self.time,
            self.latest,
            fields.encode_error(self.error),
            self.tool_port,
            fields.encode_address(spec.client),
            fields.encode_address(spec.server),
            self.sid,
        )
        body = _ENCODE[spec.kind](spec, version)
        tail = _encode_tail(spec, version) if version >= 1 else b""
        return head + body + tail + ZERO_BLOCK

    @classmethod
    def decode(cls, octets: bytes, version: int = fields.PROTOCOL_VERSION) -> TestRequest:
        """From exactly `size(version)` octets.

        Raises:
            RemoteProtocolError: type, integrity, roles, address family or error are wrong.
            UnsupportedRequest: not exactly one known tool, or a rate beyond 64 bits.
        """
        fields.check_zero(octets[-16:], "TestRequest")
        (
            message,
            kinds,
            as_client,
            as_server,
            _,
            time,
            latest,
            error,
            port,
            _,
            _,
            sid,
        ) = _COMMON.unpack_from(octets)
        if message != TEST_REQUEST:
            raise RemoteProtocolError(f"message type {message} is not a TestRequest")
        if bool(as_client) == bool(as_server):
            raise RemoteProtocolError("a TestRequest that does not name one role")
        family = kinds & 0x0F
        if family not in (4, 6):
            raise RemoteProtocolError(f"a TestRequest for IP version {family}")
        estimate = fields.decode_error(error)
        return cls(
            role=Role.CLIENT if as_client else Role.SERVER,
            time=NTPTime(time),
            latest=NTPTime(latest),
            error=estimate,
            spec=_decode_spec(_of_the_test(octets), version),
            tool_port=port,
            sid=SID(sid),
        )


def _of_the_test(octets: bytes) -> bytes:
    """A request without what differs from one round of a negotiation to the next."""
    return b"".join(
        (octets[:2], bytes(2), octets[4:8], bytes(20), octets[28:60], NO_SID, octets[76:])
    )


@lru_cache(maxsize=1024)
def _decode_spec(octets: bytes, version: int) -> TestSpec:
    """What a request says of the test itself; every round says it again, and so does the cancel.

    Raises:
        UnsupportedRequest: as `TestRequest.decode`.
    """
    _, kinds, _, _, duration, _, _, _, _, client, server, _ = _COMMON.unpack_from(octets)
    family = kinds & 0x0F
    tool = _tool(octets, version)
    kind = kind_of(tool)
    return TestSpec(
        tool=tool,
        client=fields.decode_address(client, family),
        server=fields.decode_address(server, family),
        duration=duration,
        udp=kind is Kind.THROUGHPUT and bool(kinds & 0xF0),
        **_DECODE[kind](octets, version),
        **_decode_tail(octets, kind, version),
    )


def _tool(octets: bytes, version: int) -> ToolID:
    if version < 1:
        return ToolID.IPERF
    value = int.from_bytes(octets[96:100], "big")
    try:
        kind_of(ToolID(value))
    except ValueError:
        raise UnsupportedRequest(f"tool {value:#x} is not one known tool") from None
    return ToolID(value)


def _encode_throughput(spec: TestSpec, version: int) -> bytes:
    mantissa, _ = fields.encode_bandwidth(spec.bandwidth)
    interval = spec.report_interval_ms // (1 if version >= 4 else 1000)
    return _THROUGHPUT.pack(
        mantissa,
        spec.buffer_length,
        spec.window,
        interval,
        spec.dynamic_window,
        spec.tos,
        spec.parallel if version >= 1 else 0,
    )


def _decode_throughput(octets: bytes, version: int) -> dict[str, Any]:
    mantissa, block, window, interval, flags, tos, streams = _THROUGHPUT.unpack_from(octets, 76)
    exponent = octets[109] if version >= 1 else 0
    if exponent > _MAX_EXPONENT:
        raise UnsupportedRequest(f"a bandwidth with exponent {exponent}")
    return {
        "bandwidth": mantissa << exponent,
        "buffer_length": block,
        "window": window,
        "report_interval_ms": interval * (1 if version >= 4 else 1000),
        "dynamic_window": bool(flags & 1),
        "tos": tos,
        "parallel": streams if version >= 1 else 0,
    }


def _encode_latency(spec: TestSpec, version: int) -> bytes:
    tos = spec.tos if version >= 5 else 0
    return _LATENCY.pack(spec.packet_count, spec.packet_size, spec.packet_spacing_ms, spec.ttl, tos)


def _decode_latency(octets: bytes, version: int) -> dict[str, Any]:
    count, size, spacing, ttl, tos = _LATENCY.unpack_from(octets, 76)
    return {
        "packet_count": count,
        "packet_size": size,
        "packet_spacing_ms": spacing,
        "ttl": ttl,
        "tos": tos if version >= 5 else 0,
    }


def _encode_trace(spec: TestSpec, version: int) -> bytes:
    tos = spec.tos if version >= 5 else 0
    return _TRACE.pack(spec.first_ttl, spec.last_ttl, spec.packet_size, tos)


def _decode_trace(octets: bytes, version: int) -> dict[str, Any]:
    first, last, size, tos = _TRACE.unpack_from(octets, 76)
    return {
        "first_ttl": first,
        "last_ttl": last,
        "packet_size": size,
        "tos": tos if version >= 5 else 0,
    }


_ENCODE = {
    Kind.THROUGHPUT: _encode_throughput,
    Kind.LATENCY: _encode_latency,
    Kind.TRACE: _encode_trace,
}
_DECODE = {
    Kind.THROUGHPUT: _decode_throughput,
    Kind.LATENCY: _decode_latency,
    Kind.TRACE: _decode_trace,
}


def _tells_verbose(kind: Kind, version: int) -> bool:
    """Whether octet 100 means anything; where it does not, tests are verbose (wire.md 7.3)."""
    return version >= 5 or (kind is Kind.THROUGHPUT and version >= 2)


def _encode_tail(spec: TestSpec, version: int) -> bytes:
    throughput = spec.kind is Kind.THROUGHPUT
    _, exponent = fields.encode_bandwidth(spec.bandwidth)
    return _TAIL.pack(
        spec.tool,
        spec.verbose and _tells_verbose(spec.kind, version),
        spec.server_sends and version >= 4,
        spec.no_server_endpoint and version >= 4,
        spec.mss if throughput and version >= 6 else 0,
        fields.octet_of(spec.output_format),
        exponent if throughput else 0,
        spec.omit if throughput and version >= 2 else 0,
        fields.octet_of(spec.units) if throughput else 0,
    )


def _decode_tail(octets: bytes, kind: Kind, version: int) -> dict[str, Any]:
    if version < 1:
        return {"verbose": True}
    _, verbose, flip, alone, mss, form, _, omit, units = _TAIL.unpack_from(octets, 96)
    throughput = kind is Kind.THROUGHPUT
    return {
        "verbose": bool(verbose) or not _tells_verbose(kind, version),
        "server_sends": version >= 4 and bool(flip),
        "no_server_endpoint": version >= 4 and bool(alone),
        "mss": mss if throughput and version >= 6 else 0,
        "output_format": fields.character(form),
        "omit": omit if throughput and version >= 2 else 0,
        "units": fields.character(units) if throughput else "",
    }
