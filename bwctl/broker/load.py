"""How many shared tests cover each instant, and where there is no room for one more."""

from __future__ import annotations

from bisect import bisect_left

from bwctl.broker.gaptree import GapTree

FULL_KEY = -1  # key of full stretches in the gap trees; those of reservations are not negative


class Load:
    """A step function of counts that enters its full stretches in gap trees.

    Steps lie between neighbouring edges; an edge exists while an interval starts or ends there.
    The trees may be shared with others, so that full stretches and what is in the way for other
    reasons are passed in one search. An interval may only be added where no instant is full.
    Source: daemon.md 4.6, `shared_tests`.
    """

    def __init__(self, cap: int, trees: tuple[GapTree, ...]) -> None:
        if cap < 1:
            raise ValueError(f"room for {cap} shared tests")
        self.cap = cap
        self._trees = trees
        self._edges: list[int] = []  # ascending
        self._counts: list[int] = []  # intervals that cover [edge, next edge)
        self._users: list[int] = []  # intervals that start or end at the edge

    def add(self, a: int, b: int) -> None:
        """Count one more on [a, b)."""
        first, last = self._use(a), self._use(b)
        edges, counts, cap = self._edges, self._counts, self.cap
        for step in range(first, last):
            counts[step] += 1
            if counts[step] == cap:
                for tree in self._trees:
                    tree.insert(edges[step], edges[step + 1], FULL_KEY)

    def remove(self, a: int, b: int) -> None:
        """Count one less on [a, b), which was added before."""
        edges, counts, cap = self._edges, self._counts, self.cap
        first, last = bisect_left(edges, a), bisect_left(edges, b)
        for step in range(first, last):
            if counts[step] == cap:
                for tree in self._trees:
                    tree.remove(edges[step], FULL_KEY)
            counts[step] -= 1
        self._leave(last)
        self._leave(first)

    def count(self, moment: int) -> int:
        """How many intervals cover an instant."""
        step = bisect_left(self._edges, moment + 1) - 1
        return self._counts[step] if step >= 0 else 0

    def _use(self, edge: int) -> int:
        """The index of an edge, made if there was none, with one more user.

        A new edge never divides a full step: what is added meets none.
        """
        index = bisect_left(self._edges, edge)
        if index < len(self._edges) and self._edges[index] == edge:
            self._users[index] += 1
        else:
            self._edges.insert(index, edge)
            self._counts.insert(index, self._counts[index - 1] if index else 0)
            self._users.insert(index, 1)
        return index

    def _leave(self, index: int) -> None:
        """Take one user from an edge, and the edge away with the last."""
        self._users[index] -= 1
        if not self._users[index]:
            del self._edges[index], self._counts[index], self._users[index]
