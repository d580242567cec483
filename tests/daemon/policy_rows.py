"""What each limit permits and forbids, as requests on the wire (daemon.md 2.4 and 2.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bwctl.limits.periods import DAYS, read_hours, write_hours
from bwctl.values import Role, ToolID, ntp_from_unix

LATENCY, TRACE = ToolID.PING, ToolID.TRACEROUTE

Ask = Mapping[str, Any]
"""Fields of a request that differ from 5 s of iperf3 in a quarter of an hour; besides them

ahead: seconds from now to the start; at: the start itself; padding: F, in seconds; own: whether
the control client is the other end of the test.
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A limit, the requests that it permits, first the one at its bound, and those it forbids."""

    limit: str  # as the log writes it
    written: str = ""  # as the file does, if that differs
    other: str = ""  # what the class has to permit besides
    passing: tuple[Ask, ...]
    failing: tuple[tuple[Ask, str], ...]  # with what the log says of what was asked
    lifted: str = ""  # what a class below says to lift it; "": 0
    busy: bool = False  # the answer names a time

    @property
    def name(self) -> str:
        """Of the limit."""
        return self.limit.partition("=")[0]

    @property
    def line(self) -> str:
        """What a class says."""
        return ", ".join(filter(None, [self.other, self.written or self.limit]))

    @property
    def below(self) -> str:
        """What a class below says to lift it."""
        return self.lifted or f"{self.name}=0"

    @property
    def is_cut(self) -> bool:
        """Whether what that class says is cut to what it may; else 0 is no limit of its own."""
        return bool(self.lifted) or self.name in ("event_horizon", "minimum_ttl")


def _ask(**fields: Any) -> Ask:
    return fields


def _udp(**fields: Any) -> Ask:
    return {"udp": True, **fields}


def _alone(**fields: Any) -> Ask:
    return {"role": Role.CLIENT, "no_server_endpoint": True, **fields}


def _switch(
    name: str, passing: tuple[Ask, ...], failing: tuple[Ask, ...], *, other: str = ""
) -> Row:
    return Row(
        limit=f"{name}=off",
        other=other,
        passing=passing,
        failing=tuple((one, "on") for one in failing),
        lifted=f"{name}=on",
    )


PING, TRACED = _ask(tool=LATENCY, packet_count=2), _ask(tool=TRACE)

ROWS = (
    Row(
        limit="duration=20",
        passing=(_ask(duration=20), _ask(duration=19), _ask(duration=15, omit=5)),
        failing=(
            (_ask(duration=21), "21"),
            (_ask(duration=15, omit=6), "21"),
            (_ask(tool=LATENCY, duration=21), "21"),
            (_ask(tool=TRACE, duration=3600), "3600"),
        ),
    ),
    Row(
        limit="bandwidth=10000000",
        written="bandwidth=10m",
        other="allow_udp=on",
        passing=(
            _udp(bandwidth=10_000_000),
            _udp(bandwidth=9_999_999),
            _udp(bandwidth=2_500_000, parallel=4),
            _udp(parallel=10),  # of 1 Mbit/s each, the testers' own rate
            _ask(bandwidth=10**9),
            PING,
        ),
        failing=(
            (_udp(bandwidth=10_000_001), "10000001"),
            (_udp(bandwidth=2_500_001, parallel=4), "10000004"),
            (_udp(parallel=11), "11000000"),
            (_udp(bandwidth=10**11), "100000000000"),
        ),
    ),
    Row(
        limit="rate_tcp=10000000",
        written="rate_tcp=10m",
        other="allow_udp=on",
        passing=(
            _ask(bandwidth=10_000_000),
            _ask(bandwidth=2_500_000, parallel=4),
            _udp(bandwidth=10**9),
            PING,
        ),
        failing=(
            (_ask(bandwidth=10_000_001), "10000001"),
            (_ask(bandwidth=2_500_001, parallel=4), "10000004"),
            (_ask(), "unlimited"),
            (_ask(tool=ToolID.THRULAY), "unlimited"),
        ),
    ),
    Row(
        limit="max_streams=4",
        passing=(_ask(parallel=4), _ask(parallel=3), _ask(), PING),
        failing=((_ask(parallel=5), "5"), (_ask(parallel=128), "128")),
    ),
    Row(
        limit="event_horizon=60",
        passing=(_ask(ahead=59.5), _ask(ahead=30), _ask(tool=TRACE, ahead=59.5)),
        failing=((_ask(ahead=62.99), "63"), ({**PING, "ahead": 999.99}, "1000")),
        busy=True,
    ),
    Row(
        limit="max_time_error=5",
        passing=(_ask(padding=4.9), _ask(padding=2)),
        failing=((_ask(padding=5.2), "6"), (_ask(tool=TRACE, padding=99.5), "100")),
    ),
    Row(
        limit="minimum_ttl=3",
        passing=(
            _ask(tool=TRACE, role=Role.CLIENT, first_ttl=3),
            _ask(tool=TRACE, role=Role.CLIENT, first_ttl=4),
            _ask(tool=TRACE, role=Role.CLIENT),  # gets it
            _ask(tool=TRACE, first_ttl=2),  # the other end sends
        ),
        failing=(
            (_ask(tool=TRACE, role=Role.CLIENT, first_ttl=2), "2"),
            (_ask(tool=TRACE, role=Role.CLIENT, first_ttl=1), "1"),
        ),
    ),
    Row(
        limit="testers=iperf3+ping",
        passing=(_ask(), PING),
        failing=((_ask(tool=ToolID.THRULAY), "thrulay"), (TRACED, "traceroute")),
        lifted="testers=iperf3+ping+traceroute+thrulay",
    ),
    _switch("allow_tcp", (_udp(),), (_ask(), PING, TRACED), other="allow_udp=on"),
    _switch("allow_udp", (_ask(), PING, TRACED), (_udp(), _udp(bandwidth=1000))),
    _switch("allow_throughput", (PING, TRACED), (_ask(), _udp()), other="allow_udp=on"),
    _switch("allow_latency", (_ask(), TRACED), (PING,)),
    _switch("allow_trace", (_ask(), PING), (TRACED,)),
    _switch("allow_third_party", (_ask(own=True), {**PING, "own": True}), (_ask(), TRACED)),
    _switch("allow_no_endpoint", (_ask(), _ask(role=Role.CLIENT)), (_alone(), _alone(duration=1))),
)


def rows_of_time(now: datetime) -> tuple[Row, ...]:
    """Hours, days and dates, with bounds that lie ahead of a local time."""

    def at(local: datetime, seconds: float = 0.0) -> Ask:
        return _ask(at=ntp_from_unix(local.timestamp() + seconds))

    begin = (now + timedelta(hours=2)).replace(second=0, microsecond=0)
    end = begin + timedelta(hours=1)
    midnight = (now + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    day, after = midnight.weekday(), midnight + timedelta(days=1)
    hours = Row(
        limit=f"hours={write_hours(read_hours(f'{begin:%H:%M}-{end:%H:%M}'))}",
        passing=(at(begin), at(begin, 1800), at(end, -0.01)),
        failing=(
            (at(end), f"{end:%H:%M}"),
            (at(begin, -0.01), f"{begin - timedelta(minutes=1):%H:%M}"),
        ),
        lifted="hours=0-24",
    )
    days = Row(
        limit=f"days={DAYS[day]}",
        passing=(at(midnight), at(after, -0.01)),
        failing=((at(midnight, -0.01), DAYS[day - 1]), (at(after), DAYS[after.weekday()])),
        lifted="days=mon-sun",
    )
    first = Row(
        limit=f"first_day={midnight:%Y-%m-%d}",
        passing=(at(midnight), at(after)),
        failing=((at(midnight, -0.01), f"{midnight - timedelta(days=1):%Y-%m-%d}"),),
        lifted="first_day=2000-01-01",
    )
    last = Row(
        limit=f"last_day={midnight:%Y-%m-%d}",
        passing=(at(after, -0.01), _ask()),
        failing=((at(after), f"{after:%Y-%m-%d}"),),
        lifted="last_day=2999-12-31",
    )
    return hours, days, first, last
