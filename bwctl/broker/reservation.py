"""What is asked of the timetable, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bwctl.values import SID, Kind, NTPTime, Role, ToolID


@dataclass(slots=True, kw_only=True)
class Demand:
    """A wish for a time slot. All times are ticks (2**-32 s). Source: daemon.md 4.1 and 4.6."""

    sid: Final[SID]
    role: Final[Role]  # part that our end plays in the tester
    tool: Final[ToolID]
    earliest: Final[NTPTime]  # requested time (T_req); answered bit for bit where it is feasible
    latest: Final[NTPTime | None]  # the least that applies of latest times and horizons
    length: Final[int]  # duration + omit (D), > 0
    fuzz: Final[int]  # padding on each side (F), >= 0
    rtt: Final[int] = 0  # bound of the round trip to the control client (R), >= 0


@dataclass(slots=True, kw_only=True, eq=False)
class Reservation:
    """A held time slot; its body is [start, start + length). Two are equal only if the same."""

    sid: Final[SID]
    role: Final[Role]
    tool: Final[ToolID]
    kind: Final[Kind]
    start: Final[NTPTime]  # T
    length: Final[int]  # D
    fuzz: Final[int]  # F

    @property
    def end(self) -> NTPTime:
        """First tick after the body."""
        return NTPTime(self.start + self.length)


@dataclass(frozen=True, slots=True)
class TooBusy:
    """No place before the latest time; `start` is the first time that is free now."""

    start: NTPTime


@dataclass(frozen=True, slots=True)
class Full:
    """The timetable holds as many reservations as it may."""

    limit: int
