"""The gap tree against a list."""

from __future__ import annotations

from itertools import permutations
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.broker.gaptree import GapTree
from bwctl.broker.latetree import MOST_LATE, LateTree
from tests.broker import QUIET

Interval = tuple[int, int, int]

STEPS = st.lists(
    st.tuples(
        st.booleans(),  # insert, or remove if there is something
        st.integers(-20, 80),
        st.integers(1, 15),
        st.integers(0, 2**16),
    ),
    max_size=60,
)


def naive_first_fit(held: list[Interval], earliest: int, length: int) -> int:
    t = earliest
    while any(t < b and a < t + length for a, b, _ in held):
        t += 1
    return t


class GapTreeTests(SynchronousTestCase):
    make: ClassVar[type[GapTree]] = GapTree

    def test_empty(self) -> None:
        """In an empty tree everything fits where it is asked for."""
        tree = self.make()
        self.assertEqual(tree.first_fit(7, 1000), 7)
        self.assertEqual((len(tree), list(tree)), (0, []))

    def test_half_open(self) -> None:
        """Intervals may touch."""
        tree = self.make()
        tree.insert(10, 20)
        tree.insert(25, 30)
        self.assertEqual(tree.first_fit(0, 10), 0)
        self.assertEqual(tree.first_fit(0, 11), 30)
        self.assertEqual(tree.first_fit(12, 5), 20)
        self.assertEqual(tree.first_fit(21, 5), 30)

    def test_empty_interval(self) -> None:
        """An interval without length is a mistake of the caller and changes nothing."""
        tree = self.make()
        for end in (4, 5):
            with self.assertRaises(ValueError):
                tree.insert(5, end)
        self.assertEqual(len(tree), 0)

    def test_same_start(self) -> None:
        """Intervals with one start are told apart by their keys."""
        tree = self.make()
        for key in (3, 1, 2):
            tree.insert(5, 5 + key, key)
        self.assertTrue(tree.remove(5, 3))
        self.assertFalse(tree.remove(5, 3))
        self.assertEqual(list(tree), [(5, 6, 1), (5, 7, 2)])
        self.assertEqual(tree.first_fit(0, 6), 7)

    def test_cover(self) -> None:
        """Gaps below a long interval do not count."""
        tree = self.make()
        for a in range(0, 100, 10):
            tree.insert(a, a + 1, 1)
        tree.insert(0, 95, 0)
        self.assertEqual(tree.first_fit(0, 4), 95)
        self.assertEqual(tree.first_fit(0, 9), 95)

    def test_many_in_order(self) -> None:
        """Ten thousand ascending intervals make no deep tree and nothing recurses."""
        tree = self.make()
        for a in range(0, 100_000, 10):
            tree.insert(a, a + 10)
        self.assertEqual(tree.first_fit(0, 1), 100_000)
        self.assertTrue(tree.remove(50_000))
        self.assertEqual(tree.first_fit(0, 10), 50_000)
        self.assertEqual(tree.first_fit(0, 11), 100_000)
        for a in range(0, 100_000, 10):
            tree.remove(a)
        self.assertEqual(list(tree), [])

    @QUIET
    @given(STEPS, st.integers(-30, 100), st.integers(1, 25), st.integers(0, 9))
    def test_like_a_list(
        self, steps: list[tuple[bool, int, int, int]], earliest: int, length: int, seed: int
    ) -> None:
        """After any insertions and removals order and first fit are those of a plain list."""
        tree, held = self.make(seed), list[Interval]()
        for key, (insert, a, size, pick) in enumerate(steps):
            if insert or not held:
                held.append((a, a + size, key))
                tree.insert(*held[-1])
            else:
                gone = held.pop(pick % len(held))
                self.assertTrue(tree.remove(gone[0], gone[2]))
            self.assertEqual(list(tree), sorted(held, key=lambda each: (each[0], each[2])))
            self.assertEqual(len(tree), len(held))
            self.assertEqual(
                tree.first_fit(earliest, length), naive_first_fit(held, earliest, length)
            )


class LateTreeTests(GapTreeTests):
    """The same of a tree into which intervals come late."""

    make = LateTree

    def test_few_are_late(self) -> None:
        """However many come, few are beside the tree for every search to look at."""
        tree = LateTree()
        for number in range(1000):
            tree.insert(number * 10, number * 10 + 5, number)
            self.assertLessEqual(len(tree._late), MOST_LATE)
        self.assertEqual(len(tree), 1000)
        self.assertEqual(tree.first_fit(0, 6), 9995)

    def test_what_goes_soon_stays_out(self) -> None:
        """While few come and go, those that were there before are in the tree and they are not."""
        tree = LateTree()
        for number in range(100):
            tree.insert(number * 10, number * 10 + 10, number)
        for number in range(100, 200):
            a = tree.first_fit(0, 10)
            tree.insert(a, a + 10, number)
            if number >= 108:
                self.assertTrue(tree.remove(1000 + (number - 108) % 9 * 10, number - 8))
                self.assertEqual(len(list(GapTree.__iter__(tree))), 100 + 9 - MOST_LATE)
        self.assertEqual(len(tree), 108)

    def test_between(self) -> None:
        """A place is free in the tree and beside it, wherever the last ones lie."""
        for steps in permutations((0, 20, 40, 60)):
            tree = LateTree()
            for number in range(MOST_LATE + 4):
                tree.insert(number * 100, number * 100 + 10, number)
            for number, step in enumerate(steps):
                tree.insert(step + 10, step + 25, 100 + number)
            self.assertEqual(tree.first_fit(0, 6), 25 + 60)
            self.assertEqual(tree.first_fit(0, 16), 110)
            self.assertTrue(tree.remove(30, 100 + steps.index(20)))
            self.assertEqual(tree.first_fit(3, 20), 25)

    def test_in_turn(self) -> None:
        """The tree and what is beside it are asked again until both agree."""
        tree = LateTree()
        tree.insert(10, 20, 0)
        tree.insert(30, 40, 1)
        for key in range(2, MOST_LATE):
            tree.insert(key * 1000, key * 1000 + 5, key)
        tree.insert(20, 30, 50)
        tree.insert(40, 50, 51)
        self.assertEqual(tree.first_fit(10, 5), 50)

    def test_the_oldest_enters(self) -> None:
        """Who was first goes into the tree, wherever it lies."""
        tree = LateTree()
        for key in range(MOST_LATE + 1):
            tree.insert(1000 - key, 2000, key)
        self.assertEqual(list(GapTree.__iter__(tree)), [(1000, 2000, 0)])
