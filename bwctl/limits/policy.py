"""May this be? Pure checks of requests against limits classes. Source: daemon.md 2.5 and 2.7."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from bwctl.limits.classes import LimitClass, Limits
from bwctl.limits.denials import CLOCK_DENIAL, UNLIMITED, Denial, denial, exceeded, whole_seconds
from bwctl.limits.starts import check_notice, check_start
from bwctl.values import IPAddress, Kind, NTPTime, Role, TestSpec, ToolID

OPEN_MODE: Final = 1
"""Bit of the open mode in the mask of the greeting (wire.md 2.1)."""

UDP_DEFAULT_RATE: Final = 1_000_000
"""Rate in bit/s, per stream, that the testers use for UDP when none is given."""

PACKET_SIZE: Final = 64
"""Octets of a packet of ping or owamp when none are given."""

PACKET_SPACING_MS: Final = 1000
"""Milliseconds between these packets when none are given."""

PACED_TCP_TOOLS: Final = ToolID.IPERF3 | ToolID.NUTTCP
"""Testers that can keep a TCP stream below a rate (testers.md 6 to 9)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What limits look at in a test that is asked for, whenever it is."""

    spec: TestSpec
    role: Role  # part that our end plays
    local_client: bool = False  # the control client is on this host
    third_party: bool = False  # it is at neither end of the test


class Moment(NamedTuple):
    """What limits look at besides: clocks, and when the test is to be."""

    now: NTPTime
    fuzz: int  # padding F, in ticks
    start: NTPTime | None = None  # start asked for; None: see `starts.check_notice`
    local_start: datetime | None = None  # the same in local time; None: see `starts`
    clock_synchronised: bool = True
    allow_unsync: bool = False


def classify(
    limits: Limits, address: IPAddress, user: str | None = None, names: Sequence[str] = ()
) -> LimitClass:
    """The class of a control client.

    By identity, then by a name of its certificate, then by longest prefix, then the default.
    """
    by_user = limits.users.get(user) if user is not None else None
    by_name = (limits.certificates[name] for name in names if name in limits.certificates)
    return by_user or next(by_name, None) or limits.networks.find(address) or limits.default


def offered_modes(
    limits: Limits, address: IPAddress, configured: int, names: Sequence[str] = ()
) -> int:
    """Modes for the greeting: those configured, without the open one if the class forbids it.

    Args:
        configured: mask, 1 open, 2 authenticated, 4 encrypted.
        names: of the client's certificate, if it has shown one.
    Returns:
        A mask; 0 means no service. The mode that the client picks must be in it.
    """
    if open_mode_denials(classify(limits, address, names=names)):
        return configured & ~OPEN_MODE
    return configured


def open_mode_denials(limit_class: LimitClass) -> list[Denial]:
    """The classes that forbid clients of a class to come without a key."""
    return [
        denial(bound, "allow_open_mode", True) for bound in limit_class.binding("allow_open_mode")
    ]


def check_moment(limit_class: LimitClass, moment: Moment) -> list[Denial]:
    """Every limit that forbids a request for reasons of clocks, or of when the test is to be.

    This and `check_test` name the class itself first, then those above it. Not in here, as they
    need more than the request: `pending` and `max_connections` (see `bwctl.limits.counts`), quotas
    (see `bwctl.limits.quota`), and the start that the timetable finds (see `bwctl.limits.starts`).
    """
    denials = check_padding(limit_class, moment.fuzz)
    if not (moment.clock_synchronised or moment.allow_unsync):
        denials.insert(0, CLOCK_DENIAL)
    if moment.start is not None:
        denials += check_notice(limit_class, moment.now, moment.start)
    if moment.local_start is not None:
        denials += check_start(limit_class, moment.local_start)
    return denials


def check_test(limit_class: LimitClass, facts: Facts) -> list[Denial]:
    """Every limit that forbids a test, with its role and its client, whenever it is."""
    return [
        *_upper_bounds(limit_class, facts),
        *_permissions(limit_class, facts),
        *_testers(limit_class, facts),
        *_first_ttl(limit_class, facts),
    ]


def check_padding(limit_class: LimitClass, fuzz: int) -> list[Denial]:
    """The limits `max_time_error` that a padding F, in ticks, exceeds."""
    return exceeded(limit_class, "max_time_error", whole_seconds(fuzz))


def minimum_ttl(limit_class: LimitClass) -> int:
    """Least first TTL of a trace; to be put into requests that give none. 0: as they like."""
    bounds = limit_class.binding("minimum_ttl")
    return max((bound.minimum_ttl for bound in bounds), default=0)


# Upper bounds


def _upper_bounds(limit_class: LimitClass, facts: Facts) -> Iterator[Denial]:
    for limit in limit_class.given(_MEASURED):
        yield from exceeded(limit_class, limit, _MEASURES[limit](facts))


def _streams(facts: Facts) -> int:
    return max(1, facts.spec.parallel) if facts.spec.kind is Kind.THROUGHPUT else 0


def _rate(spec: TestSpec, default: int) -> int:
    """Rate of one stream in bit/s; UNLIMITED if the tester will not keep to one."""
    if spec.tool is ToolID.NUTTCP and 0 < spec.bandwidth < 1000:
        return UNLIMITED  # nuttcp is given whole kbit/s, and 0 is no bound for it
    return spec.bandwidth or default


def _packet_rate(spec: TestSpec) -> int:
    """Bit/s of a test that sends packets at intervals: small ones may still come fast."""
    spacing = spec.packet_spacing_ms or PACKET_SPACING_MS
    return (spec.packet_size or PACKET_SIZE) * 8000 // spacing


def _udp_rate(facts: Facts) -> int:
    if facts.spec.kind is Kind.LATENCY:
        return _packet_rate(facts.spec)
    if not facts.spec.udp:
        return 0
    return min(UNLIMITED, _rate(facts.spec, UDP_DEFAULT_RATE) * _streams(facts))


def _tcp_rate(facts: Facts) -> int:
    if facts.spec.udp:
        return 0
    paced = facts.spec.tool in PACED_TCP_TOOLS
    rate = _rate(facts.spec, UNLIMITED) if paced else UNLIMITED
    return min(UNLIMITED, rate * _streams(facts))


_MEASURES: Final[Mapping[str, Callable[[Facts], int]]] = {
    "duration": lambda facts: facts.spec.seconds,
    "bandwidth": _udp_rate,
    "rate_tcp": _tcp_rate,
    "max_streams": _streams,
}
"""What a request asks for, in the unit of the limit; 0 where the limit is none of its business."""
_MEASURED: Final = tuple(_MEASURES)


# Permissions


def _permissions(limit_class: LimitClass, facts: Facts) -> Iterator[Denial]:
    for permission in _needed(facts):
        for bound in limit_class.binding(permission):
            yield denial(bound, bound.governing(permission), True)


def _needed(facts: Facts) -> Iterator[str]:
    """Permissions that a request needs."""
    spec = facts.spec
    yield f"allow_{spec.kind.value}"
    if spec.kind is Kind.THROUGHPUT:
        yield "allow_udp" if spec.udp else "allow_tcp"
    if facts.third_party:
        yield "allow_third_party"
    if spec.no_server_endpoint and facts.role is Role.CLIENT and not facts.local_client:
        yield "allow_no_endpoint"


def _testers(limit_class: LimitClass, facts: Facts) -> Iterator[Denial]:
    for bound in limit_class.binding("testers"):
        if not bound.testers & facts.spec.tool:
            yield denial(bound, "testers", facts.spec.tool)


def _first_ttl(limit_class: LimitClass, facts: Facts) -> Iterator[Denial]:
    """Only the sending side runs a trace; a first TTL of 0 is replaced, see `minimum_ttl`."""
    first = facts.spec.first_ttl if facts.spec.kind is Kind.TRACE else 0
    if first and facts.role is facts.spec.sender:
        for bound in limit_class.binding("minimum_ttl"):
            if first < bound.minimum_ttl:
                yield denial(bound, "minimum_ttl", first)
