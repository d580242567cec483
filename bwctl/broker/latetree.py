"""A gap tree for what often goes again soon."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

from bwctl.broker.gaptree import GapTree

MOST_LATE: Final = 16  # what every search has to look at one by one
_KEY: Final = itemgetter(1)


class LateTree(GapTree):
    """A `GapTree` beside which the last intervals wait until others follow them.

    Many reservations are given back before many others are made: clients move them, or were told a
    better time by the other daemon. They cost no place in the tree. Keys have to ascend, as far as
    it matters who was last.
    """

    __slots__ = ("_late",)

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        self._late: list[tuple[int, int, int]] = []  # (a, key, b), ascending

    def __len__(self) -> int:
        return super().__len__() + len(self._late)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """As `GapTree`'s; enters all that wait."""
        for a, key, b in self._late:
            super().insert(a, b, key)
        self._late.clear()
        return super().__iter__()

    def insert(self, a: int, b: int, key: int = 0) -> None:
        """As `GapTree.insert`."""
        if a >= b:
            raise ValueError(f"an empty interval: [{a}, {b})")
        insort(self._late, (a, key, b))
        if len(self._late) > MOST_LATE:
            first = min(self._late, key=_KEY)
            self._late.remove(first)
            super().insert(first[0], first[2], first[1])

    def remove(self, a: int, key: int = 0) -> bool:
        """As `GapTree.remove`."""
        place = bisect_left(self._late, (a, key))
        if place < len(self._late) and self._late[place][:2] == (a, key):
            del self._late[place]
            return True
        return super().remove(a, key)

    def first_fit(self, earliest: int, length: int) -> int:
        """As `GapTree.first_fit`: asks the tree and those beside it in turn until both agree."""
        t = super().first_fit(earliest, length)
        while True:
            start, end = t, t + length
            for a, _, b in self._late:
                if a >= end:
                    break
                if b > t:
                    t, end = b, b + length
            if t == start:
                return t
            t = super().first_fit(t, length)
