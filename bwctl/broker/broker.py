"""The resource broker: the timetable, and on whose account each reservation is held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Final

from bwctl.broker.reservation import Demand, Full, Reservation, TooBusy
from bwctl.broker.timetable import Timetable


class ResourceBroker:
    """Books and releases time slots, and counts them by account.

    An account is whatever a limit counts on: say, the name of a limits class, with each
    reservation on the account of its class and of every ancestor (`pending`, daemon.md 2.4).
    Counts belong to the reservation and go with it on every path.

    Args:
        timetable: to look at; it is changed through the broker only.
    """

    def __init__(self, timetable: Timetable) -> None:
        self.timetable: Final = timetable
        self._accounts: dict[Reservation, tuple[Hashable, ...]] = {}
        self._counts: Counter[Hashable] = Counter()

    def place(
        self,
        demand: Demand,
        now: int,
        *,
        replacing: Reservation | None = None,
        accounts: tuple[Hashable, ...] = (),
    ) -> Reservation | TooBusy | Full:
        """Book a time slot on some accounts, each named once; else as `Timetable.place`."""
        answer = self.timetable.place(demand, now, replacing=replacing)
        if replacing is not None:
            self._close(replacing)
        if isinstance(answer, Reservation):
            self._accounts[answer] = accounts
            for account in accounts:
                self._counts[account] += 1
        return answer

    def release(self, reservation: Reservation) -> bool:
        """Free a time slot and its accounts; tell whether it was held."""
        self._close(reservation)
        return self.timetable.release(reservation)

    def count(self, account: Hashable, *, besides: Reservation | None = None) -> int:
        """How many reservations an account holds, without the one that is about to be replaced."""
        mine = besides is not None and account in self._accounts.get(besides, ())
        return self._counts[account] - mine

    def miscounts(self) -> list[Hashable]:
        """Accounts whose count is not that of their reservations; none, unless this is broken."""
        real = Counter(
            account
            for reservation, some in self._accounts.items()
            for account in some
            if reservation in self.timetable
        )
        counts = self._counts
        return [account for account in real | counts if real[account] != counts[account]]

    def _close(self, reservation: Reservation) -> None:
        for account in self._accounts.pop(reservation, ()):
            self._counts[account] -= 1
            if not self._counts[account]:
                del self._counts[account]
