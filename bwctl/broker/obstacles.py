"""What one kind of test must keep clear of, and the guard time between two tests."""

from __future__ import annotations

from enum import Enum

from bwctl.broker.latetree import LateTree


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
    """

    def __init__(self, guard: Guard) -> None:
        self._sum = guard is Guard.SUM
        self.wide = LateTree()  # kept clear by the padded candidate
        self._narrow = LateTree()  # kept clear by the candidate's body; empty with guard sum
        self._widest = 0  # no padding in there is larger; falls only when it is empty

    def add(self, start: int, end: int, fuzz: int, key: int) -> None:
        """Enter the body [start, end) of a test with its padding."""
        if self._sum:
            self.wide.insert(start - fuzz, end + fuzz, key)
        else:
            self.wide.insert(start, end, key)
            self._narrow.insert(start - fuzz, end + fuzz, key)
            self._widest = max(self._widest, fuzz)

    def remove(self, start: int, fuzz: int, key: int) -> None:
        """Take out a test that was entered."""
        if self._sum:
            self.wide.remove(start - fuzz, key)
        else:
            self.wide.remove(start, key)
            self._narrow.remove(start - fuzz, key)
            if not self._narrow:
                self._widest = 0

    def first_fit(self, earliest: int, length: int, fuzz: int) -> int:
        """The first start from `earliest` on at which a test may run."""
        padded = length + 2 * fuzz
        start = self.wide.first_fit(earliest - fuzz, padded) + fuzz
        while fuzz < self._widest:  # else what keeps our padding clear keeps theirs too
            moved = self._narrow.first_fit(start, length)
            if moved == start:
                return start
            start = self.wide.first_fit(moved - fuzz, padded) + fuzz
            if start == moved:
                break
        return start
