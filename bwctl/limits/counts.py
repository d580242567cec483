"""Limits on what the clients of a class hold at a time, those of the classes below included."""

from __future__ import annotations

from collections.abc import Callable

from bwctl.limits.classes import LimitClass
from bwctl.limits.denials import Denial


def pending_denials(limit_class: LimitClass, held: Callable[[str], int]) -> list[Denial]:
    """The limits `pending` that forbid one more reservation.

    Args:
        held: how many there are on the account of a class; each counts in its class and in all
            ancestors.
    """
    return _full(limit_class, "pending", held)


def connection_denials(limit_class: LimitClass, held: Callable[[str], int]) -> list[Denial]:
    """The limits `max_connections` that forbid one more control connection; as above."""
    return _full(limit_class, "max_connections", held)


def _full(limit_class: LimitClass, limit: str, held: Callable[[str], int]) -> list[Denial]:
    bounds = limit_class.binding(limit)
    counts = [(one.name, getattr(one, limit), held(one.name)) for one in bounds]
    return [
        Denial(name, limit, str(most), f"1, held: {count}")
        for name, most, count in counts
        if most <= count
    ]
