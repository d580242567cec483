"""What one kind of test must keep clear of, and the guard time between two tests."""

from __future__ import annotations

from enum import Enum

from bwctl.broker.gaptree import GapTree

_MOST_LATE = 32  # bound of what one search has to make up for


class Guard(Enum):
    """Least time between two tests of which one is exclusive. Source: daemon.md 4.6."""

    MAX = "max"  # the larger of the two paddings
    SUM = "sum"  # both paddings, one after the other


class Obstacles:
    """The time that tests of one admission class cannot have, searched with the guard.

    Padding is symmetric, so with guard *max* a candidate keeps its distance exactly if its body
    misses the padded obstacle (that one's padding is kept) and its padded body misses the
    obstacle's body (its own is kept). With guard *sum* both are padded. Each of the two questions
    is one first fit, and the start found only grows, so asking them in turn ends with the first
    start that both allow.

    What was entered last is put into the trees when somebody searches: throughput tests are in the
    way of shared ones too, for which nobody may ask before they are gone again.
    """

    def __init__(self, guard: Guard) -> None:
        self._sum = guard is Guard.SUM
        self.wide = GapTree()  # kept clear by the padded candidate
        self._narrow = GapTree()  # kept clear by the candidate's body; empty with guard sum
        self._late: dict[int, tuple[int, int, int]] = {}  # (start, end, fuzz) by key

    def add(self, start: int, end: int, fuzz: int, key: int) -> None:
        """Enter the body [start, end) of a test with its padding."""
        self._late[key] = (start, end, fuzz)
        if len(self._late) > _MOST_LATE:
            self._settle(next(iter(self._late)))

    def _settle(self, key: int) -> None:
        """Put what came late into the trees."""
        start, end, fuzz = self._late.pop(key)
        if self._sum:
            self.wide.insert(start - fuzz, end + fuzz, key)
        else:
            self.wide.insert(start, end, key)
            self._narrow.insert(start - fuzz, end + fuzz, key)

    def remove(self, start: int, fuzz: int, key: int) -> None:
        """Take out a test that was entered."""
        if self._late.pop(key, None) is not None:
            return
        if self._sum:
            self.wide.remove(start - fuzz, key)
        else:
            self.wide.remove(start, key)
            self._narrow.remove(start - fuzz, key)

    def first_fit(self, earliest: int, length: int, fuzz: int) -> int:
        """The first start from `earliest` on at which a test may run."""
        for key in tuple(self._late):
            self._settle(key)
        padded = length + 2 * fuzz
        start = self.wide.first_fit(earliest - fuzz, padded) + fuzz
        while True:
            moved = self._narrow.first_fit(start, length)
            if moved == start:
                return start
            start = self.wide.first_fit(moved - fuzz, padded) + fuzz
            if start == moved:
                return start
