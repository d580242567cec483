from __future__ import annotations

import math
import random
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from bwctl.embedded.stats import NEVER, Histogram, Marks, bin_of, value_of

SECOND = 1_000_000_000


def exact(values: list[int], share: float) -> int:
    return sorted(values)[min(math.ceil(share * len(values)), len(values) - 1)]


class HistogramTests(TestCase):
    """Quantiles in bounded memory."""

    @given(st.integers(1 - (1 << 50), (1 << 50) - 2))
    def test_bins(self, value: int) -> None:
        """A bin's middle is within 0.4 % of its values, and bins are in order."""
        self.assertLessEqual(abs(value_of(bin_of(value)) - value), abs(value) / 256 + 0.5)
        self.assertGreaterEqual(bin_of(value + 1), bin_of(value))

    def test_bounded(self) -> None:
        """Whatever is counted, there are only so many bins."""
        largest = (1 << 50) - 1
        self.assertLess(bin_of(largest), 6000)
        histogram = Histogram()
        histogram.add(-(1 << 200))
        histogram.add(1 << 200)
        self.assertEqual((histogram.lowest, histogram.highest), (-largest, largest))

    def test_quantiles(self) -> None:
        """Exponential delays: quartiles within 0.5 % of the exact ones."""
        source = random.Random(5)
        values = [round(source.expovariate(1 / 2e6)) for _ in range(20000)]
        histogram = Histogram()
        for value in values:
            histogram.add(value)
        for share in (0.0, 0.25, 0.5, 0.75, 0.95, 1.0):
            self.assertAlmostEqual(histogram.quantile(share) / exact(values, share), 1, delta=0.005)
        self.assertEqual(histogram.mean, sum(values) / len(values))
        self.assertEqual(histogram.lowest, min(values))
        self.assertEqual(histogram.highest, max(values))

    @given(st.lists(st.integers(-255, 255), min_size=1, max_size=20), st.floats(0, 1))
    def test_small_numbers_are_exact(self, values: list[int], share: float) -> None:
        histogram = Histogram()
        for value in values:
            histogram.add(value)
        self.assertEqual(histogram.quantile(share), exact(values, share))

    def test_empty(self) -> None:
        """Nothing counted: zeros."""
        empty = Histogram()
        self.assertEqual((empty.quartiles(), empty.mean), ((0, 0, 0), 0.0))
        self.assertEqual((empty.lowest, empty.highest), (0, 0))

    def test_negative(self) -> None:
        """A clock that is behind makes all delays negative; their order and spread are right."""
        ahead, behind = Histogram(), Histogram()
        for value in range(1_000_000, 2_000_000, 1000):
            ahead.add(value)
            behind.add(value - 5_000_000)
        self.assertEqual((behind.lowest, behind.highest), (-4_000_000, -3_001_000))
        self.assertEqual(behind.mean, ahead.mean - 5_000_000)
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            expected = ahead.quantile(share) - 5_000_000
            self.assertAlmostEqual(behind.quantile(share) / expected, 1, delta=0.005)

    @given(st.lists(st.tuples(st.integers(0, 1 << 40), st.integers(1, 9)), max_size=20))
    def test_merge(self, counted: list[tuple[int, int]]) -> None:
        """Parts merged say what the whole says; a count stands for as many values."""
        whole, parts = Histogram(), [Histogram(), Histogram()]
        for number, (value, count) in enumerate(counted):
            parts[number % 2].add(value, count)
            for _ in range(count):
                whole.add(value)
        parts[0].merge(parts[1])
        for name in ("count", "lowest", "highest", "mean"):
            self.assertEqual(getattr(parts[0], name), getattr(whole, name))
        self.assertEqual(parts[0].quartiles(), whole.quartiles())


class MarksTests(TestCase):
    """When figures are taken."""

    def test_intervals(self) -> None:
        """Marks stay on the grid however late they are taken."""
        marks = Marks(100, 0, SECOND)
        self.assertEqual((marks.zero, marks.next), (100, 100 + SECOND))
        marks.take(100 + SECOND + 7)
        self.assertEqual(marks.next, 100 + 2 * SECOND)
        marks.take(100 + 5 * SECOND + 7)
        self.assertEqual(marks.next, 100 + 6 * SECOND)

    def test_omit(self) -> None:
        """The grid begins where the omitted start really ended."""
        marks = Marks(0, 2 * SECOND, SECOND)
        self.assertTrue(marks.omitting)
        self.assertEqual(marks.next, 2 * SECOND)
        marks.take(2 * SECOND + 9)
        self.assertFalse(marks.omitting)
        self.assertEqual((marks.zero, marks.next), (2 * SECOND + 9, 3 * SECOND + 9))

    def test_no_intervals(self) -> None:
        self.assertEqual(Marks(5, 0, 0).next, NEVER)
