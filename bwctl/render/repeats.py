"""The table at the end of repeated tests: minimum, median and maximum of each figure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from statistics import median
from typing import Final

from bwctl.render.look import Look
from bwctl.render.wording import digits, figure, scaled
from bwctl.results import TestResult

KEPT: Final = 10_000  # tests that are kept of an endless series: about a week of one a minute


def _plain(unit: str) -> Callable[[float], str]:
    return lambda value: f"{digits(value)} {unit}".rstrip()


_FIGURES: Final[tuple[tuple[str, tuple[str, ...], Callable[[float], str]], ...]] = (
    ("received", ("bits_per_second",), lambda value: scaled(value, "bit/s")),
    ("sent", ("sent_bits_per_second",), lambda value: scaled(value, "bit/s")),
    ("retransmits", ("retransmits",), _plain("")),
    ("RTT", ("rtt_ms", "mean"), _plain("ms")),
    ("one-way delay", ("owd_ms", "median"), _plain("ms")),
    ("jitter", ("jitter_ms",), _plain("ms")),
    ("loss", ("loss_percent",), _plain("%")),
)


class Repeats:
    """Collects the figures of tests; those of the last KEPT ones count."""

    def __init__(self) -> None:
        self.tests = 0
        self.failed = 0
        self._figures: dict[str, deque[float]] = {name: deque(maxlen=KEPT) for name, *_ in _FIGURES}

    def add(self, result: TestResult) -> None:
        """One more test; a failed one is counted, its figures do not count."""
        self.tests += 1
        if result.failure is not None:
            self.failed += 1
            return
        summary = result.summary
        for name, path, _ in _FIGURES:
            if (value := figure(summary, *path)) is not None:
                self._figures[name].append(value)

    def table(self, look: Look = Look()) -> str:  # noqa: B008 - it is frozen
        """The table; nothing if there was not a single test."""
        if not self.tests:
            return ""
        count = f"{self.tests} test" + ("s" if self.tests > 1 else "")
        bad = ", " + look.paint(f"{self.failed} failed", "red") if self.failed else ""
        rows = list(self._rows())
        heading = [("", "min", "median", "max")] if rows else []
        lines = [
            f"{first:<13} {low:>12} {mid:>12} {high:>12}"
            for first, low, mid, high in heading + rows
        ]
        return "".join(
            f"{line}\n"
            for line in [look.paint(count, "bold") + bad, *(f"  {one}" for one in lines)]
        )

    def _rows(self) -> Iterator[tuple[str, str, str, str]]:
        for name, _, show in _FIGURES:
            values = self._figures[name]
            if values:
                low, mid, high = (show(one) for one in (min(values), median(values), max(values)))
                yield name, low, mid, high
