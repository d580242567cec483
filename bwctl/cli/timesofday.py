"""Times of day at which tests are made, in local time. Source: clients.md 9.3."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta


def local_now() -> datetime:
    """This moment in local time, aware of its offset."""
    return datetime.now().astimezone()


def next_due(times: Iterable[time], after: datetime) -> datetime:
    """The first of some times of day after a moment.

    On the days when the clocks change too: a time that comes twice counts once, one that is left
    out is an hour off.

    Args:
        after: aware, in local time.
    """
    times = tuple(times)
    days = [after.date() + timedelta(days=number) for number in range(3)]
    moments = (datetime.combine(day, one).astimezone() for day in days for one in times)
    return min(moment for moment in moments if moment > after)
