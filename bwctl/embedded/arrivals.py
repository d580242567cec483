"""What arrived of a UDP test: loss, duplication, reordering, one-way delay. Pure.

Source: thrulay.md sections 5.1 to 5.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bwctl.embedded.stats import Histogram

MAX_REORDERING = 100  # of j-reordering, as in C
MANY = 1000  # delays that are sorted in at once; the first so many tell the base

_BITS = tuple(1 << bit for bit in range(8))


class Arrivals:
    """Datagrams of one test, in the order of their arrival, in memory of packets / 8 octets.

    Delays are kept as differences from a base, the least of the first ones: clocks that are
    seconds apart would otherwise leave nothing of the jitter in the histogram's bins.

    Args:
        packets: agreed on; their numbers are 0 .. packets - 1.
    """

    def __init__(self, packets: int) -> None:
        self.packets = packets
        self.total = 0  # all with the right nonce
        self.unique = 0
        self.duplicates = 0
        self.out_of_range = 0  # numbers that nobody agreed on
        self.highest = -1  # number
        self.reordered = [0] * MAX_REORDERING  # j-reordered packets, j = 1 first
        self._base: int | None = None  # ns
        self._fresh: list[int] = []  # delays, ns, not in a histogram yet
        self._interval_delays = Histogram()  # ns above the base
        self._all_delays = Histogram()  # of the intervals that are over
        self._seen = bytearray(packets // 8 + 1)
        self._ring = [
            0
        ] * MAX_REORDERING  # the last numbers, the next one at unique modulo its size
        self._cut = (0, -1)  # unique and highest at the start of the current interval

    def add(self, batch: Sequence[tuple[int, int]]) -> None:
        """Count datagrams, each its number and its delay in ns, in the order of arrival."""
        packets, seen, ring = self.packets, self._seen, self._ring
        for number, delay in batch:
            if number >= packets:
                self.out_of_range += 1
                continue
            at, bit = number >> 3, _BITS[number & 7]
            if seen[at] & bit:
                self.duplicates += 1
                continue
            seen[at] |= bit
            place = self.unique % MAX_REORDERING
            if number < ring[place - 1]:
                self._count_reordering(number)
            if number > self.highest:
                self.highest = number
            ring[place] = number
            self.unique += 1
            self._fresh.append(delay)
        self.total += len(batch)
        if len(self._fresh) >= MANY:
            self._sort_in()

    def _count_reordering(self, number: int) -> None:
        """Packets that came just before it and have greater numbers make it j-reordered."""
        place = self.unique % MAX_REORDERING
        for back in range(1, min(self.unique, MAX_REORDERING) + 1):
            if number > self._ring[place - back]:
                return
            self.reordered[back - 1] += 1

    def _sort_in(self) -> int:
        """Put the fresh delays into the interval's histogram; the base."""
        if not self._fresh:
            return self._base or 0
        if self._base is None:
            self._base = min(self._fresh)
        base = self._base
        self._interval_delays.add_all([delay - base for delay in self._fresh])
        self._fresh.clear()
        return base

    def delays(self) -> tuple[Histogram, int]:
        """Of all that arrived, as ns above a base, and the base in ns."""
        base = self._sort_in()
        everything = Histogram()
        everything.merge(self._all_delays)
        everything.merge(self._interval_delays)
        return everything, base

    def unfinished(self) -> bool:
        """Whether anything came since the last interval ended."""
        return self._cut != (self.unique, self.highest)

    def end_interval(self) -> dict[str, Any]:
        """Figures since the last call; the packets of an interval are those it got further by."""
        unique, highest = self._cut
        self._cut = self.unique, self.highest
        packets = self.highest - highest
        received = self.unique - unique
        self._sort_in()
        low, _, high = self._interval_delays.quartiles()
        self._all_delays.merge(self._interval_delays)
        self._interval_delays = Histogram()
        return {
            "packets": packets,
            "received": received,
            "lost": max(packets - received, 0),
            "jitter_us": round((high - low) / 1000, 3),
        }


def loss_percent(sent: int, unique: int) -> float:
    """Packets that did not come, in per cent of those sent."""
    return 100 * (sent - unique) / sent if sent > unique else 0.0


def duplication_percent(arrivals: Arrivals) -> float:
    """Repeated packets in per cent of all that came."""
    return 100 * arrivals.duplicates / arrivals.total if arrivals.total else 0.0


def reordering_percent(arrivals: Arrivals, j: int = 1) -> float | None:
    """j-reordered packets in per cent of those that could be; None if there are none of these."""
    possible = arrivals.unique - j
    return 100 * arrivals.reordered[j - 1] / possible if possible > 0 else None


def delays_us(arrivals: Arrivals) -> dict[str, float] | None:
    """One-way delays of what arrived, in microseconds, by the two clocks; None if nothing did."""
    delays, base = arrivals.delays()
    if not delays.count:
        return None
    values = {
        "min": delays.lowest,
        "mean": delays.mean,
        "max": delays.highest,
        "p25": delays.quantile(0.25),
        "p50": delays.quantile(0.5),
        "p75": delays.quantile(0.75),
        "p95": delays.quantile(0.95),
    }
    return {name: round((value + base) / 1000, 3) for name, value in values.items()}
