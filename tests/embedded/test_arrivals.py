from __future__ import annotations

import math
import random
from typing import Any
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from bwctl.embedded.arrivals import (
    Arrivals,
    delays_us,
    duplication_percent,
    loss_percent,
    reordering_percent,
)
from bwctl.embedded.udp_report import figures
from tests.embedded.vectors import METRICS

QUANTILES = {"q00": "min", "q25": "p25", "q50": "p50", "q75": "p75", "q95": "p95"}
EXACT_BUT_NOT_IN_C = {"loss 40 percent", "loss 80 percent", "single packet", "two packets"}
"""Cases in which C gives infinity for quantiles that exist (thrulay.md section 9)."""


def counted(case: dict[str, Any]) -> Arrivals:
    arrivals = Arrivals(case["proposed"])
    arrivals.add([(number, round(delay * 1e9)) for delay, number in case["arrivals"]])
    return arrivals


class MetricsTests(TestCase):
    """The same arrivals give the figures that C computed."""

    def test_counts(self) -> None:
        for case in METRICS["cases"]:
            arrivals, reference, name = counted(case), case["reference"], case["name"]
            self.assertEqual(arrivals.total, reference["total"], msg=name)
            self.assertEqual(arrivals.unique, reference["unique"], msg=name)
            self.assertEqual(arrivals.duplicates, reference["dup"], msg=name)
            self.assertEqual(arrivals.out_of_range, reference["out_of_range"], msg=name)
            loss = loss_percent(case["sent"], arrivals.unique)
            self.assertAlmostEqual(loss, reference["loss_pct"], msg=name)
            repeated = duplication_percent(arrivals)
            self.assertAlmostEqual(repeated, reference["dup_pct"], places=6, msg=name)

    def test_reordering(self) -> None:
        """j-reordering for each j that C gave; where C divided by zero there is none."""
        for case in METRICS["cases"]:
            arrivals, reference = counted(case), case["reference"]["reorder_pct"]
            for j, expected in enumerate(reference, start=1):
                found = reordering_percent(arrivals, j)
                if expected == "nan":
                    self.assertIsNone(found, msg=case["name"])
                else:
                    assert found is not None
                    self.assertAlmostEqual(found, expected, places=6, msg=case["name"])
            self.assertFalse(reordering_percent(arrivals, len(reference) + 1), msg=case["name"])

    def test_delays(self) -> None:
        """Quantiles of few packets are exact."""
        for case in METRICS["cases"]:
            delays, reference = delays_us(counted(case)), case["reference"]
            assert delays is not None
            for theirs, ours in QUANTILES.items():
                if reference[theirs] == "inf":
                    self.assertIn(case["name"], EXACT_BUT_NOT_IN_C)
                    continue
                expected = reference[theirs] * 1e6
                self.assertAlmostEqual(delays[ours] / expected, 1, delta=0.004, msg=case["name"])

    def test_many_delays(self) -> None:
        """1000 to 20000 exponential delays: within 0.4 % of the exact quantiles' distance."""
        source = random.Random(7)
        for entry in METRICS["quantiles"]:
            size = entry["n"]
            values = [round(0.010 + source.expovariate(1000), 7) for _ in range(size)]
            arrivals = Arrivals(size)
            arrivals.add([(number, round(value * 1e9)) for number, value in enumerate(values)])
            delays = delays_us(arrivals)
            assert delays is not None
            for theirs, ours in QUANTILES.items():
                exact = entry["exact"][theirs] * 1e6
                self.assertAlmostEqual(delays[ours], exact, delta=0.004 * (exact - 10000) + 1)
                ranked = sum(value * 1e6 <= delays[ours] + 0.001 for value in values) / size
                reference = entry["rank_of_reference_value"][theirs]
                self.assertAlmostEqual(ranked, reference, delta=0.014, msg=f"{size} {theirs}")


class ArrivalTests(TestCase):
    """What is counted how."""

    def test_clocks_apart(self) -> None:
        """Clocks that are an hour apart take nothing from the jitter."""
        source = random.Random(3)
        spread = [round(source.expovariate(1 / 50_000)) for _ in range(2000)]
        for offset in (3_600_000_000_000, -3_600_000_000_000):
            arrivals = Arrivals(2000)
            arrivals.end_interval()
            arrivals.add([(number, offset + value) for number, value in enumerate(spread)])
            found = figures(arrivals, 2000)
            ranked = sorted(spread)
            self.assertAlmostEqual(found["jitter_us"] * 1000, ranked[1500] - ranked[500], delta=500)
            self.assertAlmostEqual(found["delay_us"]["min"], (offset + ranked[0]) / 1000, places=2)

    def test_slow_first_packet(self) -> None:
        """A first packet that waited for a name of a neighbour takes nothing from the jitter."""
        arrivals = Arrivals(500)
        arrivals.add([(0, 900_000_000)])
        arrivals.add([(number, 1_000_000 + 100 * number) for number in range(1, 500)])
        self.assertAlmostEqual(figures(arrivals, 500)["jitter_us"], 25, delta=0.2)

    def test_jitter_and_loss(self) -> None:
        """With a quarter lost the spread of delay is not told."""
        for arrived, known in ((76, True), (75, False), (25, False), (0, False)):
            arrivals = Arrivals(100)
            arrivals.add([(number, number) for number in range(arrived)])
            self.assertEqual(figures(arrivals, 100)["jitter_us"] is not None, known)

    @given(st.lists(st.integers(0, 40), max_size=60))
    def test_reordering_by_definition(self, numbers: list[int]) -> None:
        """A packet is j-reordered if each of the j unique ones just before it is greater."""
        arrivals = Arrivals(41)
        arrivals.add([(number, 0) for number in numbers])
        unique = list(dict.fromkeys(numbers))
        for j in range(1, 42):
            expected = sum(
                all(unique[at - back] > unique[at] for back in range(1, j + 1))
                for at in range(j, len(unique))
            )
            self.assertEqual(arrivals.reordered[j - 1], expected)

    def test_long_reordering(self) -> None:
        """However late a packet is, no more than 100 before it are looked at."""
        arrivals = Arrivals(1000)
        arrivals.add([(number, 0) for number in (*range(1, 500), 0)])
        self.assertEqual(arrivals.reordered, [1] * 100)

    def test_batches(self) -> None:
        """Batches of any size give the same as one."""
        source = random.Random(1)
        numbers = [*range(300), *range(100)]
        source.shuffle(numbers)
        stream = [(number, source.randrange(10**6, 10**7)) for number in numbers]
        whole, pieces = Arrivals(280), Arrivals(280)
        whole.add(stream)
        for at in range(0, 400, 7):
            pieces.add(stream[at : at + 7])
            if at == 210:
                pieces.end_interval()
        one, many = figures(whole, 280), figures(pieces, 280)
        for name, value in one.pop("delay_us").items():
            self.assertAlmostEqual(many["delay_us"][name] / value, 1, delta=0.005)
        self.assertAlmostEqual(many["jitter_us"] / one.pop("jitter_us"), 1, delta=0.02)
        self.assertEqual(one, {name: many[name] for name in one})
        self.assertGreater(whole.out_of_range, 0)

    def test_intervals(self) -> None:
        """An interval has the packets up to the highest number; what lacks of them is lost."""
        arrivals = Arrivals(100)
        self.assertFalse(arrivals.unfinished())
        self.assertEqual(arrivals.end_interval()["packets"], 0)
        arrivals.add([(number, 1000 * number) for number in (0, 1, 2, 5, 9)])
        self.assertTrue(arrivals.unfinished())
        first = arrivals.end_interval()
        self.assertEqual((first["packets"], first["received"], first["lost"]), (10, 5, 5))
        self.assertFalse(arrivals.unfinished())
        arrivals.add([(number, 0) for number in (3, 4, 10)])
        second = arrivals.end_interval()
        self.assertEqual((second["packets"], second["received"], second["lost"]), (1, 3, 0))
        self.assertTrue(math.isclose(figures(arrivals, 11)["loss_percent"], 300 / 11, rel_tol=1e-6))

    def test_nothing(self) -> None:
        """No arrival: nothing is divided by nothing."""
        found = figures(Arrivals(10), 10)
        self.assertEqual((found["received"], found["lost"], found["loss_percent"]), (0, 10, 100.0))
        self.assertEqual((found["delay_us"], found["jitter_us"]), (None, None))
        self.assertEqual(found["reordering_percent"], [])
