"""Hours of the day and days of the week as bit masks, and dates: how they are written and hold.

A minute of the day is one bit, 0 to 1439; a day of the week is one bit, Monday is 0. So a class
allows no more than its parent where its mask has no bit that the parent's has not. No bit at all
stands for "not given": all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

from bwctl.limits.grammar import hint, shown

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES: Final = 24 * 60

_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RANGE = re.compile("([0-9]{1,2})(?::([0-9]{2}))?-([0-9]{1,2})(?::([0-9]{2}))?")


def read_hours(word: str) -> int:
    """Mask of ranges joined with +, as in 22-06 or 08:00-12:30+14-18; the end is not part of it.

    Raises:
        ValueError: not such a list, or a range that is empty.
    """
    mask = 0
    for part in word.split("+"):
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"{shown(part)} is not a range of hours, such as 22-06 or 8:30-12")
        start, end = _minute(part, match[1], match[2]), _minute(part, match[3], match[4])
        if start in (end, MINUTES):
            raise ValueError(f"{shown(part)} holds no time; 0-24 is the whole day")
        mask |= _ring(start, end % MINUTES, MINUTES)
    return mask


def _minute(part: str, hour: str, minute: str | None) -> int:
    minutes = int(minute or 0)
    time = int(hour) * 60 + minutes
    if minutes > 59 or time > MINUTES:
        raise ValueError(f"{shown(part)} is beyond 24:00")
    return time


def write_hours(mask: int) -> str:
    """As `read_hours` reads it; "" for no bit."""
    return "+".join(f"{_time(start)}-{_time(end)}" for start, end in _runs(mask, MINUTES))


def _time(minute: int) -> str:
    hours, minutes = divmod(minute, 60)
    return f"{hours:02d}:{minutes:02d}" if minutes else f"{hours:02d}"


def read_days(word: str) -> int:
    """Mask of days and ranges joined with +, as in mon-fri or sat+mon-wed; a range may wrap.

    Raises:
        ValueError: not such a list.
    """
    mask = 0
    for part in word.lower().split("+"):
        first, dash, last = part.partition("-")
        start = _day(first)
        end = _day(last) if dash else start
        mask |= _ring(start, (end + 1) % len(DAYS), len(DAYS)) if end != start else 1 << start
    return mask


def _day(name: str) -> int:
    try:
        return DAYS.index(name)
    except ValueError:
        raise ValueError(
            f"{shown(name)} is not a day (mon tue wed thu fri sat sun){hint(name, DAYS)}"
        ) from None


def write_days(mask: int) -> str:
    """As `read_days` reads it; "" for no bit."""
    return "+".join(
        DAYS[start] if end == start + 1 else f"{DAYS[start]}-{DAYS[(end - 1) % len(DAYS)]}"
        for start, end in _runs(mask, len(DAYS))
    )


def read_date(word: str) -> int:
    """A date as its ordinal, of a word such as 2027-01-31.

    Raises:
        ValueError: not such a date.
    """
    if _DATE.fullmatch(word) is None:
        raise ValueError(f"{shown(word)} is not a date such as 2027-01-31")
    try:
        return date.fromisoformat(word).toordinal()
    except ValueError:
        raise ValueError(f"{shown(word)} is not in the calendar") from None


def write_date(ordinal: int) -> str:
    """As `read_date` reads it; "" for 0."""
    return date.fromordinal(ordinal).isoformat() if ordinal else ""


def has_hour(mask: int, local: datetime) -> bool:
    """Whether a local time is within the hours of a mask."""
    return not mask or bool(mask >> (local.hour * 60 + local.minute) & 1)


def has_day(mask: int, local: datetime) -> bool:
    """Whether a local time is on a day of a mask."""
    return not mask or bool(mask >> local.weekday() & 1)


def is_from(ordinal: int, local: datetime) -> bool:
    """Whether a local time is on a first day, or later."""
    return local.toordinal() >= ordinal


def is_until(ordinal: int, local: datetime) -> bool:
    """Whether a local time is on a last day, or earlier; 0: there is none."""
    return not ordinal or local.toordinal() <= ordinal


def _ring(start: int, end: int, size: int) -> int:
    """Bits from start up to end, past the last one and on from 0 where the end is not above."""
    full = (1 << size) - 1
    if start < end:
        return (1 << end) - (1 << start)
    return full & ~((1 << start) - (1 << end))


def _runs(mask: int, size: int) -> Iterator[tuple[int, int]]:
    """Runs of bits on a ring: first bit, and the one behind the last, `size` at the very end."""
    if mask == (1 << size) - 1:
        yield 0, size
        return
    for start in range(size):
        if mask >> start & 1 and not mask >> ((start - 1) % size) & 1:
            end = start + 1
            while mask >> (end % size) & 1:
                end += 1
            yield start, end if end <= size else end - size
