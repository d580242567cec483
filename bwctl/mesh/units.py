"""Spans of time as people write them."""

from __future__ import annotations

import re
from typing import Final

_SPAN: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|d|w|)")
_UNITS: Final = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_RULE: Final = "a number of seconds, or a number with ms, s, m, h, d or w after it"


def span(text: str) -> float:
    """Seconds that a text such as 30, 1.5s, 40ms, 6h or 7d means.

    Raises:
        ValueError: it means none.
    """
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"must be {_RULE}")
    value = float(match[1]) * _UNITS[match[2]]
    return value


def span_text(seconds: float) -> str:
    """A span in the largest unit of which it is a whole number: 5400 is 90m, 86400 is 1d."""
    for unit in ("w", "d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    return f"{seconds:g}s"
