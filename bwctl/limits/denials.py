"""What a limit that forbids something says. Source: daemon.md 2.7."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bwctl.limits.classes import LimitClass, Value
from bwctl.limits.written import format_value
from bwctl.values import TICKS_PER_SECOND

UNLIMITED: Final = 1 << 64
"""What a request asks for that sets no bound itself."""


@dataclass(frozen=True, slots=True)
class Denial:
    """One limit that forbids a request."""

    limit_class: str  # "": the daemon itself
    limit: str
    allowed: str
    asked: str
    text: str = ""  # in place of the usual words

    def __str__(self) -> str:
        usual = f"{self.limit}={self.allowed} of class {self.limit_class} (asked: {self.asked})"
        return self.text or usual


CLOCK_DENIAL: Final = Denial(
    *("", "allow_unsync", "off", "on"),
    text="this host's clock is not synchronised, and allow_unsync is not set",
)


def denial(bound: LimitClass, limit: str, asked: Value) -> Denial:
    """What a class says that bounds a limit lower than what was asked for."""
    allowed = format_value(limit, getattr(bound, limit))
    return Denial(bound.name, limit, allowed, _format_asked(limit, asked))


def _format_asked(limit: str, asked: Value) -> str:
    return "unlimited" if asked == UNLIMITED else format_value(limit, asked)


def exceeded(limit_class: LimitClass, limit: str, asked: int) -> list[Denial]:
    """The classes, up to the root, whose upper bound is lower; nobody forbids 0."""
    bounds = limit_class.binding(limit) if asked else ()
    return [denial(one, limit, asked) for one in bounds if getattr(one, limit) < asked]


def whole_seconds(ticks: int) -> int:
    """Seconds, rounded up; none for a time that has passed."""
    return max(0, -(-ticks // TICKS_PER_SECOND))
