"""Values shared by all rooms: time, error estimates, session ids and what a test is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntFlag
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final, NewType

IPAddress = IPv4Address | IPv6Address

TICKS_PER_SECOND = 1 << 32
NTP_UNIX_OFFSET = 2_208_988_800  # seconds from 1900 to 1970

NTPTime = NewType("NTPTime", int)
"""A moment: ticks of 2**-32 s since 1900-01-01 UTC (wire.md 3.1). On the wire it has 64 bits."""

NTP_MAX = NTPTime((1 << 64) - 1)
NEVER = NTPTime(0)  # on the wire: "no time"

SID = NewType("SID", bytes)
"""Session id, 16 octets, made by the server daemon (wire.md 5)."""

SID_SIZE = 16
NO_SID = SID(bytes(SID_SIZE))


def ticks(seconds: float) -> int:
    """Seconds as a number of ticks (2**-32 s)."""
    return round(seconds * TICKS_PER_SECOND)


def seconds(count: int) -> float:
    """Ticks as seconds."""
    return count / TICKS_PER_SECOND


def ntp_from_unix_ns(nanoseconds: int) -> NTPTime:
    """NTP time of a Unix time in nanoseconds."""
    whole, rest = divmod(nanoseconds, 1_000_000_000)
    return NTPTime(((whole + NTP_UNIX_OFFSET) << 32) | ((rest << 32) // 1_000_000_000))


def ntp_from_unix(unix: float) -> NTPTime:
    """NTP time of a Unix time in seconds."""
    return ntp_from_unix_ns(round(unix * 1_000_000_000))


def unix_from_ntp(moment: NTPTime) -> float:
    """Unix time, in seconds, of an NTP time."""
    return (moment >> 32) - NTP_UNIX_OFFSET + (moment & 0xFFFFFFFF) / TICKS_PER_SECOND


@dataclass(frozen=True, slots=True)
class ErrorEstimate:
    """How far a clock may be off: multiplier * 2**scale ticks. Source: wire.md 3.2."""

    scale: int  # 0..63
    multiplier: int  # 1..255
    synchronised: bool = False

    @classmethod
    def from_ticks(cls, error: int, synchronised: bool = False) -> ErrorEstimate:
        """The estimate for an error in ticks, rounded up; a negative one counts as 0.

        Raises:
            ValueError: the error is more than the format can hold, 255 * 2**63 ticks.
        """
        error = max(0, error)
        scale = max(0, error.bit_length() - 8)
        if error >> scale == 255:  # one is added below
            scale += 1
        error >>= scale
        if scale > 63:
            raise ValueError("an error estimate that the format cannot hold")
        return cls(scale, error + 1, synchronised)

    @property
    def ticks(self) -> int:
        """The error in ticks."""
        return self.multiplier << self.scale

    def plus(self, extra: int) -> ErrorEstimate:
        """The estimate with some ticks added, rounded up again, never synchronised.

        What the format cannot hold becomes the largest that it can.
        """
        try:
            return ErrorEstimate.from_ticks(self.ticks + extra)
        except ValueError:
            return ErrorEstimate(63, 255)


class ToolID(IntFlag):
    """Testers by their bit on the wire. Source: wire.md, table 2.3a.

    Bits that are not named here are for testers of other packages; see `kind_of`.
    """

    __hash__ = int.__hash__  # Enum's own is a function in Python, and each request looks kinds up

    NONE = 0
    IPERF = 0x001
    NUTTCP = 0x002
    THRULAY = 0x004
    IPERF3 = 0x008
    PING = 0x010
    TRACEROUTE = 0x020
    TRACEPATH = 0x040
    OWAMP = 0x080
    PARIS_TRACEROUTE = 0x100


class Kind(Enum):
    """What a test measures; decides which parameters it has and with what it may share time."""

    __hash__ = object.__hash__  # by identity: Enum's own is a function in Python

    THROUGHPUT = "throughput"
    LATENCY = "latency"
    TRACE = "trace"


PLUGGED_TOOLS = {
    Kind.THROUGHPUT: ToolID(0x000F_0000),
    Kind.LATENCY: ToolID(0x00F0_0000),
    Kind.TRACE: ToolID(0x0F00_0000),
}
"""Bits for testers of other packages, four of each kind. Source: doc/design/extensions.rst."""

THROUGHPUT_TOOLS = (
    ToolID.IPERF | ToolID.NUTTCP | ToolID.THRULAY | ToolID.IPERF3 | PLUGGED_TOOLS[Kind.THROUGHPUT]
)
LATENCY_TOOLS = ToolID.PING | ToolID.OWAMP | PLUGGED_TOOLS[Kind.LATENCY]
TRACE_TOOLS = (
    ToolID.TRACEROUTE | ToolID.TRACEPATH | ToolID.PARIS_TRACEROUTE | PLUGGED_TOOLS[Kind.TRACE]
)


_KINDS: Final[Mapping[int, Kind]] = {
    1 << bit: kind
    for kind, tools in (
        (Kind.THROUGHPUT, THROUGHPUT_TOOLS),
        (Kind.LATENCY, LATENCY_TOOLS),
        (Kind.TRACE, TRACE_TOOLS),
    )
    for bit in range(32)
    if tools >> bit & 1
}


def kind_of(tool: ToolID) -> Kind:
    """The kind of a single tool, which its bit tells: it decides how a request is laid out.

    Raises:
        ValueError: not exactly one tool of a known kind.
    """
    try:
        return _KINDS[int(tool)]
    except KeyError:
        raise ValueError(f"not a single known tool: {int(tool):#x}") from None


def single_tools(mask: ToolID) -> list[ToolID]:
    """The tools of a mask, lowest bit first, also those that are in no table."""
    return [ToolID(1 << bit) for bit in range(int(mask).bit_length()) if mask & 1 << bit]


def tool_name(tool: ToolID) -> str:
    """The name of one tool; what is in no table is named by its bit, as `0x10000`."""
    return tool.name.lower().replace("_", "-") if tool.name else f"{int(tool):#x}"


class Role(Enum):
    """The part that a test end plays in the tester: its server (listens) or its client."""

    __hash__ = object.__hash__  # as that of Kind

    SERVER = "server"
    CLIENT = "client"

    @property
    def other(self) -> Role:
        """The opposite role."""
        return Role.CLIENT if self is Role.SERVER else Role.SERVER


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSpec:
    """Everything two test ends have to agree on but the time. 0 or "" = the tester's default.

    `client` and `server` are the addresses of the tester's client and server. Fields of another
    kind than the tool's are not sent. Source: wire.md 2.6 and its tables.
    """

    __test__ = False

    tool: ToolID
    client: IPAddress
    server: IPAddress
    duration: int  # seconds
    tos: int = 0  # TOS octet, not shifted
    verbose: bool = False
    server_sends: bool = False  # flip: data flows from the tool's server to its client
    no_server_endpoint: bool = False
    output_format: str = ""
    # throughput
    udp: bool = False
    bandwidth: int = 0  # bit/s
    buffer_length: int = 0  # octets
    window: int = 0  # octets
    dynamic_window: bool = False
    report_interval_ms: int = 0
    parallel: int = 0  # streams
    mss: int = 0
    omit: int = 0  # seconds
    units: str = ""
    # latency and trace
    packet_count: int = 0
    packet_spacing_ms: int = 0
    packet_size: int = 0  # octets
    ttl: int = 0
    first_ttl: int = 0
    last_ttl: int = 0

    @property
    def kind(self) -> Kind:
        """The kind of test that the tool makes."""
        return kind_of(self.tool)

    @property
    def seconds(self) -> int:
        """Seconds during which the tester runs: duration and omitted start."""
        return self.duration + self.omit

    def address(self, role: Role) -> IPAddress:
        """The address of the test end that plays a role."""
        return self.server if role is Role.SERVER else self.client

    @property
    def sender(self) -> Role:
        """The role of the end that sends the data."""
        return Role.SERVER if self.server_sends else Role.CLIENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a tester's output says, read by its parser; keys as in testers.md 13.

    A key that is not there was not measured. `error` is the tester's own complaint or the reason
    why the output does not count as a result; None if the test went well. `cut` says that the
    output was too long to be read as a whole: the figures are those of its beginning and its end.

    Throughput, `summary`: see `bwctl.results.SUMMARY_KEYS`; `intervals`: {start_s, end_s, bytes,
    bits_per_second, retransmits, jitter_ms, lost, packets, omitted, streams}.

    Latency, `summary`: {sent, received, lost, duplicates, errors, loss_percent,
    rtt_ms {min, mean, max, mdev} or owd_ms {min, median, max}, jitter_ms, maxerr_ms, synchronized,
    histogram {bucket_width_ms, counts {index: count}}, ttl_min, ttl_max, reordering};
    `intervals`, one for each packet that arrived: {seq, rtt_ms or owd_ms, ttl, duplicate}.

    Trace, `summary`: {reached, hops [{n, probes [{addr, name, rtt_ms, flag}]}], pmtu}; a probe
    without an answer is {}. There are no `intervals`.
    """

    tool: str
    version: str | None = None
    error: str | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    intervals: Sequence[Mapping[str, Any]] = ()
    cut: bool = False


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What one probe of `ITester.probes` gave; `exit_status` None: not to be run, or no end."""

    exit_status: int | None
    output: bytes


@dataclass(frozen=True, slots=True)
class Listening:
    """A socket that a tester's server is expected to hold before its client may start."""

    protocol: str  # "tcp" or "udp"
    port: int
