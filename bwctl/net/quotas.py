"""The ledger of quotas at work: on the daemon's clock, and handed on to whoever keeps it."""

from __future__ import annotations

from collections.abc import Callable

from bwctl.limits.classes import LimitClass
from bwctl.limits.denials import Denial
from bwctl.limits.quota import Cost, Holding, Ledger, Row, has_quotas, quota_denials
from bwctl.net.clock import IClock
from bwctl.values import unix_from_ntp


class Quotas:
    """What requesters have used up and hold. Answers at once, from memory."""

    def __init__(self, clock: IClock, ledger: Ledger | None = None) -> None:
        self.ledger = ledger if ledger is not None else Ledger()
        self.keep: Callable[[Row], object] = lambda row: None  # told of all that is used up
        self._clock = clock

    def now(self) -> float:
        """Unix seconds, as the ledger counts."""
        return unix_from_ntp(self._clock.now())

    def denials(self, limit_class: LimitClass, who: str, cost: Cost) -> list[Denial]:
        """Every quota that forbids a requester a test."""
        if not has_quotas(limit_class):
            return []
        return quota_denials(limit_class, self.ledger, who, cost, self.now())

    def hold(self, who: str, cost: Cost) -> Holding:
        """A reservation was booked; it counts as long as it is held."""
        return self.ledger.hold(who, cost)

    def confirm(self, holding: Holding) -> None:
        """It was confirmed: its test and its seconds are used up."""
        self.keep(self.ledger.confirm(holding, self.now()))

    def moved(self, who: str, octets: int) -> None:
        """A test of a requester has moved so much."""
        self.keep(self.ledger.spend(who, Cost(octets=octets), self.now()))
