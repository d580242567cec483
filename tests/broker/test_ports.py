"""Pools of ports."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.broker.ports import PortPool
from tests.broker import QUIET


class PortPoolTests(SynchronousTestCase):
    def test_ranges(self) -> None:
        """Only ranges of real ports make a pool; 0-0 is no pool."""
        for low, high in ((0, 0), (0, 5), (6, 5), (-1, 3), (65535, 65536)):
            with self.assertRaises(ValueError, msg=f"{low}-{high}"):
                PortPool(low, high, Random(1))
        self.assertEqual(PortPool(1, 65535, Random(1)).size, 65535)

    def test_all_ports_in_turn(self) -> None:
        """Every port of the range comes once, HIGH included, upward from a random start."""
        pool = PortPool(5202, 5205, Random(3))
        taken = [pool.take() for _ in range(4)]
        self.assertEqual(sorted(port or 0 for port in taken), [5202, 5203, 5204, 5205])
        first = taken[0] or 0
        self.assertEqual(taken, [5202 + (first - 5202 + i) % 4 for i in range(4)])
        self.assertIsNone(pool.take())
        self.assertEqual(pool.in_use, 4)

    def test_start_is_random(self) -> None:
        """Different daemons begin at different ports."""
        starts = {PortPool(100, 109, Random(seed)).take() for seed in range(200)}
        self.assertEqual(starts, set(range(100, 110)))

    def test_rotation(self) -> None:
        """A port that was just released is not the next one."""
        pool = PortPool(7000, 7009, Random(1))
        seen = []
        for _ in range(20):
            port = pool.take()
            assert port is not None
            pool.release(port)
            seen.append(port)
        self.assertEqual(len(set(seen[:10])), 10)
        self.assertEqual(seen[:10], seen[10:])

    def test_given_back_unused(self) -> None:
        """A single port that no tester has had is the next one; others wait for their turn."""
        pool = PortPool(7000, 7099, Random(1))
        first = pool.take() or 0
        self.assertTrue(pool.release(first, unused=True))
        self.assertEqual(pool.take(), first)
        self.assertTrue(pool.release(first))
        pair = pool.take(2) or 0
        self.assertNotEqual(pair, first)
        self.assertTrue(pool.release(pair, 2, unused=True))
        self.assertNotIn(pool.take(), (first, pair, pair + 1))

    def test_given_back_and_used_since(self) -> None:
        """What a test of many ports has had since waits for its turn."""
        for seed in range(10):
            pool = PortPool(7000, 7008, Random(seed))
            alone = pool.take() or 0
            self.assertTrue(pool.release(alone, unused=True))
            first = 0
            while alone not in range(first, first + 3):
                first = pool.take(3) or 0
                self.assertTrue(pool.release(first, 3))
            self.assertNotIn(pool.take(), range(first, first + 3))

    def test_neighbours(self) -> None:
        """Three neighbours never wrap from HIGH to LOW, and a range of three is enough once."""
        for seed in range(10):
            pool = PortPool(8760, 8762, Random(seed))
            self.assertEqual(pool.take(3), 8760)
            self.assertIsNone(pool.take(3))
            self.assertTrue(pool.release(8760, 3))
            self.assertEqual(pool.take(3), 8760)

    def test_too_small(self) -> None:
        """More ports than the range has are never found, and the search ends."""
        self.assertIsNone(PortPool(8760, 8761, Random(1)).take(3))

    def test_one_port(self) -> None:
        """A range may be a single port."""
        pool = PortPool(65535, 65535, Random(1))
        self.assertEqual(pool.take(), 65535)
        self.assertIsNone(pool.take())
        self.assertTrue(pool.release(65535))
        self.assertEqual(pool.take(), 65535)

    def test_count(self) -> None:
        """Taking no port is a mistake of the caller."""
        with self.assertRaises(ValueError):
            PortPool(1, 9, Random(1)).take(0)

    def test_release_twice(self) -> None:
        """A second release, or one of foreign ports, frees nothing."""
        pool = PortPool(10, 19, Random(1))
        port = pool.take(3)
        assert port is not None
        for wrong in ((port, 4), (9, 1), (19, 2), (20, 1), (port, 0)):
            self.assertFalse(pool.release(*wrong), wrong)
        self.assertEqual(pool.in_use, 3)
        self.assertTrue(pool.release(port, 3))
        self.assertFalse(pool.release(port, 3))
        self.assertEqual(pool.in_use, 0)

    @QUIET
    @given(
        st.integers(1, 20),
        st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.integers(0, 99)), max_size=50),
        st.integers(0, 9),
    )
    def test_never_twice(self, size: int, steps: list[tuple[int, bool, int]], seed: int) -> None:
        """No port has two holders; None only if there are not enough neighbours."""
        pool, held = PortPool(50, 49 + size, Random(seed)), list[tuple[int, int]]()
        for count, release, pick in steps:
            if release and held:
                self.assertTrue(pool.release(*held.pop(pick % len(held))))
            marks = {p + i for p, n in held for i in range(n)}
            self.assertEqual(pool.in_use, len(marks))
            fits = [p for p in range(50, 51 + size - count) if not marks & set(range(p, p + count))]
            port = pool.take(count)
            if port is None:
                self.assertEqual(fits, [])
            else:
                self.assertIn(port, fits)
                held.append((port, count))
