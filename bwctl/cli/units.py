"""Readers of option values: text in, number out, ValueError with the rule if it does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import time
from fractions import Fraction

U8 = 0xFF
U16 = 0xFFFF
U32 = 0xFFFF_FFFF
U64 = 0xFFFF_FFFF_FFFF_FFFF
YEAR = 365 * 24 * 3600  # longest time that may be asked for, seconds

RATE = 1000  # step of the suffixes of -b
SIZE = 1024  # step of the suffixes of -l, -w and -W

_WHOLE = re.compile(r"[0-9]{1,20}")
_DECIMAL = re.compile(r"[0-9]*\.?[0-9]+|[0-9]+\.")
_SUFFIXED = re.compile(r"([0-9]{1,20})([kmgtpez]?)", re.IGNORECASE)
_FRACTION = re.compile(r"([0-9]{0,20}\.[0-9]{1,20})([kmgtpez])", re.IGNORECASE)
_SUFFIXES = "kmgtpez"
_AUTO = re.compile(
    r"0x(?P<hex>[0-9a-f]{1,8})|0(?P<octal>[0-7]{1,8})|(?P<decimal>0|[1-9][0-9]{0,7})", re.IGNORECASE
)
_TIME_OF_DAY = re.compile(r"([0-9]{1,2})(?::([0-9]{1,2}))?(?::([0-9]{1,2}))?")
_EVERY_HOUR = re.compile(r"\*:([0-9]{1,2})")
_BASES = {"hex": 16, "octal": 8, "decimal": 10}


def whole(what: str, low: int, high: int) -> Callable[[str], int]:
    """A reader of whole decimal numbers from low to high."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(f"{what} must be {low} to {high}")
        return int(text)

    return read


def suffixed(what: str, step: int, low: int, high: int) -> Callable[[str], int]:
    """A reader of whole numbers with one of the suffixes k m g t p e z, each `step` times more."""

    def read(text: str) -> int:
        match = _SUFFIXED.fullmatch(text)
        if not match:
            rule = f"{what} must be a whole number, with k, m, g, t, p, e or z after it"
            raise ValueError(rule + _in_whole(text, step))
        value = int(match[1]) * _factor(step, match[2])
        if not low <= value <= high:
            raise ValueError(f"{what} must be {low} to {high}")
        return value

    return read


def _in_whole(text: str, step: int) -> str:
    """How to write a number with a fraction and a suffix, as the end of a message."""
    match = _FRACTION.fullmatch(text)
    if not match:
        return ""
    suffixes = ["", *_SUFFIXES]
    value, smaller = Fraction(match[1]) * step, suffixes[_SUFFIXES.index(match[2].lower())]
    return f": {value}{smaller}" if value.denominator == 1 else ""


def _factor(step: int, suffix: str) -> int:
    """What a suffix multiplies by."""
    power: int = step ** (_SUFFIXES.index(suffix.lower()) + 1 if suffix else 0)
    return power


def decimal(what: str, low: float, high: float) -> Callable[[str], float]:
    """A reader of decimal numbers from low to high."""

    def read(text: str) -> float:
        if not _DECIMAL.fullmatch(text) or not low <= float(text) <= high:
            raise ValueError(f"{what} must be {low:.10g} to {high:.10g}")
        return float(text)

    return read


def milliseconds(what: str, high: float, least: float = 0) -> Callable[[str], int]:
    """A reader of seconds with a fraction; gives milliseconds, at least 1 unless it is 0."""
    seconds = decimal(what, least, high)

    def read(text: str) -> int:
        value = seconds(text)
        if 0 < value < 0.001:
            raise ValueError(f"{what} must be 0 or at least 0.001")
        return round(value * 1000)

    return read


def character(what: str, allowed: str = "") -> Callable[[str], str]:
    """A reader of exactly one printable ASCII character, if need be out of those allowed."""
    rule = f"one of {' '.join(allowed)}" if allowed else "one printable ASCII character"

    def read(text: str) -> str:
        if len(text) != 1 or not "!" <= text <= "~" or (allowed and text not in allowed):
            raise ValueError(f"{what} must be {rule}")
        return text

    return read


def auto_base(text: str) -> int:
    """A number as C reads it: 0x for hexadecimal, 0 for octal.

    Raises:
        ValueError: not a number.
    """
    match = _AUTO.fullmatch(text)
    if not match or match.lastgroup is None:
        raise ValueError("not a number")
    return int(match[match.lastgroup], _BASES[match.lastgroup])


def tos(text: str) -> int:
    """The TOS octet of -S: even, at most 254."""
    try:
        value = auto_base(text)
    except ValueError:
        value = -1
    if value not in range(0, 256, 2):
        raise ValueError("TOS must be an even number, 0 to 254 (0x and 0 prefixes allowed)")
    return value


_CODE_POINTS = (
    {"none": 0, "default": 0, "df": 0, "ef": 0xB8}
    | {f"cs{n}": n << 5 for n in range(8)}
    | {f"af{x}{y}": (x << 5) + (y << 3) for x in range(1, 5) for y in range(1, 4)}
)


def dscp(text: str) -> int:
    """The TOS octet of -D: a name in any letter case, or a number of six bits. Source: 2.3."""
    name = text.strip().lower()
    try:
        value = _CODE_POINTS[name] if name in _CODE_POINTS else auto_base(name) << 2
    except ValueError:
        value = -1
    if not 0 <= value <= U8:
        raise ValueError("DSCP must be 0 to 63 or a name: none, ef, cs0 to cs7, af11 to af43")
    return value


def schedule(text: str) -> tuple[time, ...]:
    """Local times of day out of a list of HH, HH:MM, HH:MM:SS and *:MM, sorted. Source: 9.3."""
    moments = {moment for item in text.split(",") for moment in _moments(item)}
    return tuple(sorted(moments))


def _moments(item: str) -> list[time]:
    """The times of day that one item of a schedule means."""
    try:
        if match := _EVERY_HOUR.fullmatch(item):
            return [time(hour, int(match[1])) for hour in range(24)]
        if match := _TIME_OF_DAY.fullmatch(item):
            hour, minute, second = (int(field or 0) for field in match.groups())
            return [time(hour, minute, second)]
    except ValueError:  # a number of the right length that no clock shows
        pass
    raise ValueError(f"{item!r} is not HH, HH:MM, HH:MM:SS or *:MM")
