"""Delays in bounded memory, and the moments at which figures are taken. Pure.

Source: thrulay.md sections 5.3 and 5.4.
"""

from __future__ import annotations

from collections.abc import Sequence

NEVER = 1 << 63  # ns
_BITS = 7  # 128 bins per power of two: a bin is at most 0.8 % wide
_LARGEST = (1 << 50) - 1  # ns, 13 days: bounds the number of bins


def bin_of(value: int) -> int:
    """The bin of a value in ns; values within +-255 have bins of their own.

    Negative values, which clocks that disagree make of one-way delays, have the mirrored bins.
    """
    if value < 0:
        return -bin_of(-value)
    shift = value.bit_length() - _BITS - 1
    return (shift << _BITS) + (value >> shift) if shift > 0 else value


def value_of(number: int) -> int:
    """The middle of a bin, ns."""
    if number < 0:
        return -value_of(-number)
    shift = max((number >> _BITS) - 1, 0)
    return ((number - (shift << _BITS)) << shift) + ((1 << shift) >> 1)


class Histogram:
    """Counts of durations in ns: exact minimum, mean and maximum, quantiles within 0.4 %."""

    __slots__ = ("_bins", "_highest", "_lowest", "count", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0
        self._highest = -_LARGEST
        self._lowest = _LARGEST
        self._bins: dict[int, int] = {}

    def add(self, value: int, count: int = 1) -> None:
        """Count a duration, some times over; out of range counts as the end of the range."""
        if not -_LARGEST <= value <= _LARGEST:
            value = _LARGEST if value > 0 else -_LARGEST
        number = bin_of(value)
        self._bins[number] = self._bins.get(number, 0) + count
        self.count += count
        self.total += value * count
        if value > self._highest:
            self._highest = value
        if value < self._lowest:
            self._lowest = value

    def add_all(self, values: Sequence[int]) -> None:
        """Count durations, each once; for many this is faster than one by one."""
        if not values:
            return
        low, high = min(values), max(values)
        if low < -_LARGEST or high > _LARGEST:
            for value in values:
                self.add(value)
            return
        bins = self._bins
        for number in map(bin_of, values):
            bins[number] = bins.get(number, 0) + 1
        self.count += len(values)
        self.total += sum(values)
        self._highest = max(self._highest, high)
        self._lowest = min(self._lowest, low)

    def merge(self, other: Histogram) -> None:
        """Add all that another one has counted."""
        for number, count in other._bins.items():
            self._bins[number] = self._bins.get(number, 0) + count
        self.count += other.count
        self.total += other.total
        self._highest = max(self._highest, other._highest)
        self._lowest = min(self._lowest, other._lowest)

    @property
    def lowest(self) -> int:
        """ns; 0 if nothing was counted."""
        return self._lowest if self.count else 0

    @property
    def highest(self) -> int:
        """ns; 0 if nothing was counted."""
        return self._highest if self.count else 0

    @property
    def mean(self) -> float:
        """ns; 0 if nothing was counted."""
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> int:
        """The value, in ns, at index ceil(share * n) of the sorted values, the last at most."""
        rank = min(-int(-share * self.count // 1), self.count - 1)
        for number in sorted(self._bins):
            rank -= self._bins[number]
            if rank < 0:
                return min(max(value_of(number), self.lowest), self.highest)
        return 0

    def quartiles(self) -> tuple[int, int, int]:
        """The values, in ns, at one, two and three quarters."""
        return self.quantile(0.25), self.quantile(0.5), self.quantile(0.75)


class Marks:
    """When figures are taken: at the end of the omitted start, then at the end of each interval.

    All times are monotonic ns.
    """

    def __init__(self, now: int, omit: int, interval: int) -> None:
        self.zero = now  # where the measured part begins
        self.omitting = omit > 0
        self._interval = interval
        self.next = now + omit if omit else self._after(now)

    def take(self, now: int) -> None:
        """Go on to the next mark; the first one may be the end of the omitted start."""
        if self.omitting:
            self.zero = now
            self.omitting = False
        self.next = self._after(now)

    def _after(self, now: int) -> int:
        if not self._interval:
            return NEVER
        return self.zero + ((now - self.zero) // self._interval + 1) * self._interval
