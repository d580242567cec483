"""What the reservations of one requester take from quotas, summed up as they come and go.

Every request asks for these sums, and one requester may hold thousands of reservations.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple


class Cost(NamedTuple):
    """What a test takes from quotas."""

    tests: int = 0
    seconds: int = 0
    octets: int = 0

    def plus(self, other: Cost) -> Cost:
        """The sum."""
        return Cost(
            self.tests + other.tests, self.seconds + other.seconds, self.octets + other.octets
        )

    def minus(self, other: Cost) -> Cost:
        """The difference."""
        return Cost(
            self.tests - other.tests, self.seconds - other.seconds, self.octets - other.octets
        )


@dataclass(slots=True, eq=False)
class Holding:
    """What one reservation takes, from the booking to its release."""

    who: str
    cost: Cost
    confirmed: float | None = None  # when it was counted as used


class _Aged:
    """Confirmed holdings, and the sum of those whose use has left a window while they are held."""

    __slots__ = ("_fresh", "_sum", "_window_s")

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._fresh: OrderedDict[Holding, float] = OrderedDict()  # within the window, oldest first
        self._sum = Cost()

    def add(self, holding: Holding, now: float) -> None:
        self._fresh[holding] = now

    def remove(self, holding: Holding) -> None:
        if self._fresh.pop(holding, None) is None:
            self._sum = self._sum.minus(holding.cost)

    def total(self, now: float) -> Cost:
        """Each holding leaves the window once, so looking is cheap however many there are."""
        while self._fresh:
            holding, confirmed = next(iter(self._fresh.items()))
            if now - confirmed < self._window_s:
                break
            del self._fresh[holding]
            self._sum = self._sum.plus(holding.cost)
        return self._sum


class Held:
    """The reservations of one requester."""

    __slots__ = ("_aged", "_confirmed", "holdings", "total")

    def __init__(self) -> None:
        self.holdings: set[Holding] = set()
        self.total = Cost()  # of all
        self._confirmed = Cost()  # of those that were confirmed
        self._aged: dict[float, _Aged] = {}  # by window

    def add(self, holding: Holding) -> None:
        """A reservation was booked."""
        self.holdings.add(holding)
        self.total = self.total.plus(holding.cost)

    def confirm(self, holding: Holding, now: float, windows: tuple[float, ...]) -> None:
        """It was confirmed; for the length of each window it is counted as used."""
        holding.confirmed = now
        self._confirmed = self._confirmed.plus(holding.cost)
        for window_s in windows:
            self._aged.setdefault(window_s, _Aged(window_s)).add(holding, now)

    def remove(self, holding: Holding) -> None:
        """It is over."""
        self.holdings.remove(holding)
        self.total = self.total.minus(holding.cost)
        if holding.confirmed is None:
            return
        self._confirmed = self._confirmed.minus(holding.cost)
        for aged in self._aged.values():
            aged.remove(holding)

    def taken(self, window_s: float, now: float) -> Cost:
        """What is held and not counted as used within a window that ends now."""
        tentative = self.total.minus(self._confirmed)
        aged = self._aged.get(window_s)
        return tentative if aged is None else tentative.plus(aged.total(now))
