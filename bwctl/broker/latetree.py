"""A gap tree for what often goes again before anybody searches."""

from __future__ import annotations

from collections.abc import Iterator

from bwctl.broker.gaptree import GapTree

_MOST_LATE = 32  # bound of what one search has to make up for


class LateTree(GapTree):
    """A `GapTree` whose last intervals wait beside it until somebody searches.

    A reservation is in the way of tests of all kinds and paddings, of which few ask before it is
    given back. Then it costs no place in the tree.
    """

    __slots__ = ("_late",)

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        self._late: dict[tuple[int, int], int] = {}  # (a, key): b

    def __len__(self) -> int:
        return super().__len__() + len(self._late)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        self._settle()
        return super().__iter__()

    def insert(self, a: int, b: int, key: int = 0) -> None:
        """As `GapTree.insert`."""
        if a >= b:
            raise ValueError(f"an empty interval: [{a}, {b})")
        self._late[a, key] = b
        if len(self._late) > _MOST_LATE:
            first = next(iter(self._late))
            super().insert(first[0], self._late.pop(first), first[1])

    def remove(self, a: int, key: int = 0) -> bool:
        """As `GapTree.remove`."""
        return self._late.pop((a, key), None) is not None or super().remove(a, key)

    def first_fit(self, earliest: int, length: int) -> int:
        """As `GapTree.first_fit`."""
        if self._late:
            self._settle()
        return super().first_fit(earliest, length)

    def _settle(self) -> None:
        for (a, key), b in self._late.items():
            super().insert(a, b, key)
        self._late.clear()
