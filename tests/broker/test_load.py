"""The step function of shared tests against counting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.broker.gaptree import GapTree
from bwctl.broker.load import Load
from tests.broker import QUIET

STEPS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 40), st.integers(1, 12), st.integers(0, 2**16)),
    max_size=60,
)


def instants(tree: GapTree) -> set[int]:
    return {at for a, b, _ in tree for at in range(a, b)}


class LoadTests(SynchronousTestCase):
    def test_cap(self) -> None:
        """There must be room for one test at least."""
        with self.assertRaises(ValueError):
            Load(0, ())

    def test_full_stretch(self) -> None:
        """Where two of two overlap, and only there, it is full, in every tree."""
        trees = GapTree(), GapTree()
        load = Load(2, trees)
        load.add(0, 10)
        load.add(5, 15)
        for tree in trees:
            self.assertEqual(instants(tree), set(range(5, 10)))
        load.remove(0, 10)
        for tree in trees:
            self.assertEqual(len(tree), 0)
        self.assertEqual([load.count(at) for at in (-1, 4, 5, 14, 15)], [0, 0, 1, 1, 0])

    @QUIET
    @given(STEPS, st.integers(1, 3))
    def test_like_counting(self, steps: list[tuple[bool, int, int, int]], cap: int) -> None:
        """Counts and full stretches are right after any additions and removals."""
        tree, held = GapTree(), list[tuple[int, int]]()
        load = Load(cap, (tree,))
        for add, start, size, pick in steps:
            if add or not held:
                a = tree.first_fit(start, size)
                held.append((a, a + size))
                load.add(a, a + size)
            else:
                load.remove(*held.pop(pick % len(held)))
            counts = {at: sum(a <= at < b for a, b in held) for at in range(-1, 400)}
            self.assertEqual({at: load.count(at) for at in counts}, counts)
            self.assertEqual(instants(tree), {at for at in counts if counts[at] >= cap})
        for a, b in held:
            load.remove(a, b)
        self.assertEqual((len(tree), load._edges), (0, []))
