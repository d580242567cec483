from __future__ import annotations

import statistics
from itertools import pairwise
from unittest import TestCase

from bwctl.embedded.options import PERIODIC, POISSON
from bwctl.embedded.schedule import due_times


class ScheduleTests(TestCase):
    """When packets are due."""

    def test_periodic(self) -> None:
        """Equal gaps, the first packet at once."""
        self.assertEqual(list(due_times(PERIODIC, 4, 2.0)), [0.0, 0.5, 1.0, 1.5])

    def test_poisson_is_a_whole_test(self) -> None:
        """All packets are due, in order and within the time, however few they are."""
        for packets in (1, 2, 10, 1000):
            times = list(due_times(POISSON, packets, 3.0))
            self.assertEqual(len(times), packets)
            self.assertEqual(times, sorted(times))
            self.assertTrue(times[0] >= 0 and times[-1] <= 3.0)

    def test_poisson_gaps(self) -> None:
        """Gaps are exponential: mean and deviation alike, 37 % above the mean, no memory."""
        times = list(due_times(POISSON, 100_000, 100.0))
        gaps = [later - earlier for earlier, later in pairwise(times)]
        self.assertAlmostEqual(statistics.fmean(gaps), 0.001, delta=1e-6)
        self.assertAlmostEqual(statistics.stdev(gaps), 0.001, delta=3e-5)
        above = sum(gap > 0.001 for gap in gaps) / len(gaps)
        self.assertAlmostEqual(above, 0.3679, delta=0.01)
        self.assertAlmostEqual(statistics.correlation(gaps[1:], gaps[:-1]), 0, delta=0.02)

    def test_no_bias(self) -> None:
        """Half of the packets are due in the first half of the time."""
        early = sum(moment < 1.0 for moment in due_times(POISSON, 100_000, 2.0))
        self.assertAlmostEqual(early, 50_000, delta=800)  # five deviations
