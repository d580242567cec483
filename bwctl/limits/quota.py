"""Quotas: what each requester may use up within the last hour and the last day.

The ledger keeps time as Unix seconds, so that it can outlive a daemon; `now` is always an
argument. What a limits class bounds is the use of one requester, wherever it was counted.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network
from types import MappingProxyType
from typing import Final, NamedTuple

from bwctl.limits.addresses import unmapped
from bwctl.limits.classes import LimitClass
from bwctl.limits.denials import Denial
from bwctl.limits.held import Cost as Cost
from bwctl.limits.held import Held
from bwctl.limits.held import Holding as Holding
from bwctl.limits.policy import UDP_DEFAULT_RATE
from bwctl.values import IPAddress, Kind, Report, TestSpec

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S
CELL_S: Final = 60
"""What one requester does within the same minute expires together, at the last one's time."""

MAX_ACCOUNTS: Final = 1 << 16
"""Requesters with an account of their own; those who come then share one."""

OTHERS: Final = "others"
MAX_OCTETS: Final = 1 << 50  # what one test may count for, whatever its output says


@dataclass(frozen=True, slots=True)
class Quota:
    """What a limit counts, and for how long."""

    measure: Callable[[Cost], int]
    window_s: int
    at_end: bool = False  # counted when the test has ended, else when it is confirmed


QUOTAS: Final[Mapping[str, Quota]] = MappingProxyType(
    {
        "tests_per_hour": Quota(lambda cost: cost.tests, HOUR_S),
        "tests_per_day": Quota(lambda cost: cost.tests, DAY_S),
        "seconds_per_day": Quota(lambda cost: cost.seconds, DAY_S),
        "bytes_per_day": Quota(lambda cost: cost.octets, DAY_S, at_end=True),
    }
)


_NAMES: Final = tuple(QUOTAS)
_WINDOWS: Final = tuple({quota.window_s: None for quota in QUOTAS.values()})


def requester(address: IPAddress, user: str | None = None, names: Sequence[str] = ()) -> str:
    """On whose account a test is: the user, else the certificate's first name, else the address.

    Of an IPv6 address the /64 counts, as everybody there has all of it.
    """
    if user is not None:
        return _plain(f"user:{user}")
    if names:
        return _plain(f"cert:{names[0]}")
    address = unmapped(address)
    if address.version == 6:
        return f"net:{IPv6Network((int(address), 64), strict=False)}"
    return f"net:{address}"


def _plain(text: str) -> str:
    """Text that can be stored: octets of a key file that are no UTF-8 are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def cost_of(spec: TestSpec) -> Cost:
    """What a request asks for. Only UDP sends at a rate that is known before."""
    octets = 0
    if spec.kind is Kind.THROUGHPUT and spec.udp:
        rate = (spec.bandwidth or UDP_DEFAULT_RATE) * max(1, spec.parallel)
        octets = min(MAX_OCTETS, rate * spec.seconds // 8)
    return Cost(1, spec.seconds, octets)


def octets_of(report: Report) -> int:
    """Octets that a test has moved, as its tester tells it; 0 if it does not."""
    told = (report.summary.get(key) for key in ("bytes", "sent_bytes"))
    return min(MAX_OCTETS, max((int(one) for one in told if one), default=0))


class Row(NamedTuple):
    """One entry of an account, as it is stored."""

    account: str
    at: float
    cost: Cost

    @property
    def cell(self) -> int:
        """The minute in which it falls."""
        return _cell(self.at)


def _cell(at: float) -> int:
    return int(at // CELL_S)


class _Account:
    """What one requester has used up within a day; at most one entry for each minute."""

    __slots__ = ("_entries", "_total", "late")

    def __init__(self, late: bool = False) -> None:
        self._entries: deque[tuple[float, Cost]] = deque()
        self._total = Cost()
        self.late = late  # opened while others shared an account: it may have been one of them

    def __bool__(self) -> bool:
        return bool(self._entries)

    @property
    def latest(self) -> float:
        """When something was counted last; 0 where nothing is."""
        return self._entries[-1][0] if self._entries else 0.0

    def merge(self, entries: list[tuple[float, Cost]]) -> None:
        """Count what may be older than the latest entry."""
        known = sorted([*self._entries, *entries])
        self._entries.clear()
        self._total = Cost()
        for at, cost in known:
            self.add(at, cost)

    def add(self, at: float, cost: Cost) -> None:
        """Count; not before the latest entry."""
        self._total = self._total.plus(cost)
        if self._entries and _cell(self._entries[-1][0]) == _cell(at):
            cost = cost.plus(self._entries.pop()[1])
        self._entries.append((at, cost))

    def advance(self, now: float) -> None:
        """Forget what is older than a day. After a clock was set back nothing is in the future."""
        if self._entries and self._entries[-1][0] > now:
            self._bring_back(now)
        while self._entries and now - self._entries[0][0] >= DAY_S:
            self._total = self._total.minus(self._entries.popleft()[1])

    def _bring_back(self, now: float) -> None:
        future = Cost()
        while self._entries and self._entries[-1][0] > now:
            future = future.plus(self._entries.pop()[1])
        self._total = self._total.minus(future)
        self.add(now, future)

    def used(self, window_s: float, now: float) -> Cost:
        """The sum of a window that ends now."""
        self.advance(now)
        if window_s >= DAY_S:
            return self._total
        total = Cost()
        for at, cost in reversed(self._entries):
            if now - at >= window_s:
                break
            total = total.plus(cost)
        return total


class Ledger:
    """What all requesters have used up, and what they hold.

    Args:
        max_accounts: bound of memory. Requesters beyond it share one account: they get less than
            they might, never more.
    """

    def __init__(self, max_accounts: int = MAX_ACCOUNTS) -> None:
        self._max_accounts = max_accounts
        self._accounts: OrderedDict[str, _Account] = OrderedDict()  # the latest used last
        self._holdings: dict[str, Held] = {}

    def __len__(self) -> int:
        return len(self._accounts)

    # -- what is held ----------------------------------------------------------------------------

    def hold(self, who: str, cost: Cost) -> Holding:
        """A reservation was booked."""
        holding = Holding(who, cost)
        held = self._holdings.get(who)
        if held is None:
            held = self._holdings[who] = Held()
        held.add(holding)
        return holding

    def confirm(self, holding: Holding, now: float) -> Row:
        """It was confirmed: tests and seconds count; the row says what to store."""
        self._holdings[holding.who].confirm(holding, now, _WINDOWS)
        return self.spend(holding.who, holding.cost._replace(octets=0), now)

    def let_go(self, holding: Holding) -> None:
        """It is over, in whatever way; harmless when done already."""
        held = self._holdings.get(holding.who)
        if held is not None and holding in held.holdings:
            held.remove(holding)
            if not held.holdings:
                del self._holdings[holding.who]

    @property
    def holdings(self) -> list[Holding]:
        """All that is held, by whomever."""
        return [holding for held in self._holdings.values() for holding in held.holdings]

    def held(self, who: str, quota: Quota, now: float) -> int:
        """What the reservations of a requester take of a quota and is not counted as used."""
        held = self._holdings.get(who)
        if held is None:
            return 0
        return quota.measure(held.total if quota.at_end else held.taken(quota.window_s, now))

    # -- what is used up -------------------------------------------------------------------------

    def spend(self, who: str, cost: Cost, now: float) -> Row:
        """Count something as used; the row says on which account."""
        self.prune(now)
        name, account = self._open(who)
        self._accounts.move_to_end(name)
        account.advance(now)
        account.add(now, cost)
        return Row(name, now, cost)

    def _open(self, who: str) -> tuple[str, _Account]:
        """The account on which somebody's use is counted."""
        name = who if who in self._accounts or len(self) < self._max_accounts else OTHERS
        account = self._accounts.get(name)
        if account is None:
            account = self._accounts[name] = _Account(late=OTHERS in self._accounts)
        return name, account

    def used(self, who: str, quota: Quota, now: float) -> int:
        """What a requester has used up of a quota."""
        account, others = self._accounts.get(who), self._accounts.get(OTHERS)
        accounts = [account] if account is not None else []
        if others is not None and (account is None or account.late):
            accounts.append(others)
        return sum(quota.measure(one.used(quota.window_s, now)) for one in accounts)

    def restore(self, rows: Iterable[Row], now: float) -> None:
        """Add what was stored, in any order, to what has been counted meanwhile."""
        stored: dict[str, list[Row]] = {}
        for row in rows:
            stored.setdefault(row.account, []).append(row)
        for who, of_account in stored.items():
            _, account = self._open(who)
            account.merge([(min(row.at, now), row.cost) for row in of_account])
        latest = sorted(self._accounts, key=lambda who: self._accounts[who].latest)
        for who in latest:
            self._accounts.move_to_end(who)
        self.prune(now)

    def prune(self, now: float) -> None:
        """Close the accounts on which nothing has happened for a day; looks at no others."""
        while self._accounts:
            name, account = next(iter(self._accounts.items()))
            account.advance(now)
            if account:
                break
            del self._accounts[name]


def has_quotas(limit_class: LimitClass) -> bool:
    """Whether any quota bounds a class."""
    return bool(limit_class.given(_NAMES))


def quota_denials(
    limit_class: LimitClass, ledger: Ledger, who: str, cost: Cost, now: float
) -> list[Denial]:
    """Every quota of the class and up to the root that forbids a requester one more test.

    A test of which nobody knows how much it will move asks for an octet.
    """
    found: list[Denial] = []
    for limit, quota in QUOTAS.items():
        bounds = limit_class.binding(limit)
        if not bounds:
            continue
        used, held = ledger.used(who, quota, now), ledger.held(who, quota, now)
        asked = max(1, quota.measure(cost))
        numbers = f"{asked}, used: {used}, held: {held}"
        found += [
            Denial(bound.name, limit, str(getattr(bound, limit)), numbers)
            for bound in bounds
            if used + held + asked > getattr(bound, limit)
        ]
    return found
