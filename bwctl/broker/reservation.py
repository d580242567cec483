"""What is asked of the timetable, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass

from bwctl.values import SID, Kind, NTPTime, Role, ToolID


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A wish for a time slot. All times are ticks (2**-32 s). Source: daemon.md 4.1 and 4.6."""

    sid: SID
    role: Role  # part that our end plays in the tester
    tool: ToolID
    earliest: NTPTime  # requested time (T_req); answered bit for bit where it is feasible
    latest: NTPTime | None  # least of the latest times and horizons that apply; None: no limit
    length: int  # duration + omit (D), > 0
    fuzz: int  # padding on each side (F), >= 0
    rtt: int = 0  # bound of the round trip to the control client (R), >= 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reservation:
    """A held time slot; its body is [start, start + length). Two are equal only if the same."""

    sid: SID
    role: Role
    tool: ToolID
    kind: Kind
    start: NTPTime  # T
    length: int  # D
    fuzz: int  # F

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
