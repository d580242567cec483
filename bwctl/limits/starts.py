"""When a test may start: not too far ahead, and within hours, days and dates of this host."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bwctl.limits.classes import LimitClass
from bwctl.limits.denials import Denial, exceeded, whole_seconds
from bwctl.limits.periods import DAYS, has_day, has_hour, is_from, is_until
from bwctl.limits.written import format_value
from bwctl.values import NTPTime

_TIMES: Final = ("hours", "days", "first_day", "last_day")


def check_notice(limit_class: LimitClass, now: NTPTime, start: NTPTime) -> list[Denial]:
    """The limits `event_horizon` that forbid a start as too far ahead."""
    return exceeded(limit_class, "event_horizon", whole_seconds(start - now))


def horizon(limit_class: LimitClass) -> int | None:
    """Seconds from now to the latest start that class and ancestors allow; None: no limit."""
    bounds = limit_class.binding("event_horizon")
    return min(bound.event_horizon for bound in bounds) if bounds else None


def has_times(limit_class: LimitClass) -> bool:
    """Whether `check_start` has anything to look at."""
    return bool(limit_class.given(_TIMES))


def check_start(limit_class: LimitClass, local: datetime) -> list[Denial]:
    """The limits that forbid a test to start at a local time of this host."""
    if not has_times(limit_class):
        return []
    return [
        Denial(bound.name, limit, format_value(limit, getattr(bound, limit)), asked)
        for limit, holds, asked in (
            ("hours", has_hour, local.strftime("%H:%M")),
            ("days", has_day, DAYS[local.weekday()]),
            ("first_day", is_from, local.date().isoformat()),
            ("last_day", is_until, local.date().isoformat()),
        )
        for bound in limit_class.binding(limit)
        if not holds(getattr(bound, limit), local)
    ]
