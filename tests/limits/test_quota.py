"""Tests of quotas: the ledger against a naive one, and each bound at a class and above."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.limits.quota import (
    CELL_S,
    DAY_S,
    HOUR_S,
    MAX_OCTETS,
    OTHERS,
    QUOTAS,
    Cost,
    Ledger,
    Row,
    cost_of,
    octets_of,
    quota_denials,
    requester,
)
from bwctl.values import Report, ToolID
from tests.limits import QUIET
from tests.limits.test_policy import last_of, spec

T0 = 1_800_000_000.0
HOURLY, DAILY = QUOTAS["tests_per_hour"], QUOTAS["tests_per_day"]
SECONDS, OCTETS = QUOTAS["seconds_per_day"], QUOTAS["bytes_per_day"]

COSTS = st.builds(Cost, st.integers(0, 2), st.integers(0, 100), st.integers(0, 10**9))
STEPS = st.floats(0, 90) | st.floats(0, 2 * HOUR_S) | st.sampled_from([0.0, 60.0, 3600.0, 86400.0])
EVENTS = st.lists(st.tuples(STEPS, st.sampled_from("abc"), COSTS), max_size=60)


FEW = settings(QUIET, max_examples=80)


class Oracle:
    """Remembers everything and adds it up each time."""

    def __init__(self) -> None:
        self.events: list[tuple[float, str, Cost]] = []

    def used(self, who: str, quota_name: str, now: float, extra: float = 0.0) -> int:
        """The plain window, or a longer one."""
        quota = QUOTAS[quota_name]
        return sum(
            quota.measure(cost)
            for at, one, cost in self.events
            if one == who and now - at < quota.window_s + extra
        )

    def used_by_cells(self, who: str, quota_name: str, now: float) -> int:
        """What is of one minute counts as long as the last of it."""
        quota = QUOTAS[quota_name]
        last: dict[int, float] = {}
        for at, one, _ in self.events:
            if one == who:
                last[int(at // CELL_S)] = at
        return sum(
            quota.measure(cost)
            for at, one, cost in self.events
            if one == who and now - last[int(at // CELL_S)] < quota.window_s
        )


class LedgerTests(SynchronousTestCase):
    @FEW
    @given(EVENTS, STEPS)
    def test_against_an_oracle(self, events: list[tuple[float, str, Cost]], after: float) -> None:
        """Never less than the plain window, and no more than a minute longer."""
        ledger, oracle, now = Ledger(), Oracle(), T0
        for step, who, cost in events:
            now += step
            ledger.spend(who, cost, now)
            oracle.events.append((now, who, cost))
        now += after
        for who in "abcd":
            for name, quota in QUOTAS.items():
                used = ledger.used(who, quota, now)
                self.assertEqual(used, oracle.used_by_cells(who, name, now))
                self.assertGreaterEqual(used, oracle.used(who, name, now))
                self.assertLessEqual(used, oracle.used(who, name, now, CELL_S))

    @FEW
    @given(EVENTS, EVENTS, st.integers(0, 60))
    def test_restored(
        self, before: list[tuple[float, str, Cost]], after: list[tuple[float, str, Cost]], cut: int
    ) -> None:
        """Stored rows, read late and in any order, bring back what was counted before."""
        whole, again, rows, now = Ledger(), Ledger(), list[Row](), T0
        for step, who, cost in before:
            now += step
            rows.append(whole.spend(who, cost, now))
        for step, who, cost in after:
            now += step
            again.spend(who, cost, now)
            whole.spend(who, cost, now)
        again.restore([*rows[cut:], *rows[:cut]], now)
        for who in "abc":
            for quota in QUOTAS.values():
                used = again.used(who, quota, now + 1)
                self.assertEqual(used, whole.used(who, quota, now + 1))

    def test_windows(self) -> None:
        """An hour is 3600 seconds and a day 86400, to the moment."""
        ledger = Ledger()
        ledger.spend("a", Cost(1, 20, 300), T0)
        table = [
            (0.0, (1, 1, 20, 300)),
            (HOUR_S - 0.01, (1, 1, 20, 300)),
            (HOUR_S, (0, 1, 20, 300)),
            (DAY_S - 0.01, (0, 1, 20, 300)),
            (DAY_S, (0, 0, 0, 0)),
        ]
        for later, expected in table:
            used = tuple(ledger.used("a", quota, T0 + later) for quota in QUOTAS.values())
            self.assertEqual(used, expected, later)

    def test_hourly_tests_fit_an_hourly_quota(self) -> None:
        """A test in each hour, always at the same second, is one test per hour."""
        ledger = Ledger()
        for hour in range(50):
            self.assertEqual(ledger.used("a", HOURLY, T0 + hour * HOUR_S), 0)
            ledger.spend("a", Cost(1), T0 + hour * HOUR_S)
        self.assertEqual(ledger.used("a", DAILY, T0 + 49 * HOUR_S + 1), 24)

    def test_clock_set_back(self) -> None:
        """What was counted in what is now the future counts for one more window, then no more."""
        ledger = Ledger()
        for minute in range(10):
            ledger.spend("a", Cost(1, 2, 3), T0 + minute * 60)
        back = T0 - 1e6
        self.assertEqual(ledger.used("a", DAILY, back), 10)
        ledger.spend("a", Cost(1), back + 1)
        self.assertEqual(ledger.used("a", HOURLY, back + HOUR_S - 1), 11)
        self.assertEqual(ledger.used("a", DAILY, back + DAY_S + 1), 0)

    def test_memory(self) -> None:
        """An account has an entry for each minute at most; those without any are closed."""
        ledger = Ledger()
        for second in range(0, 4 * HOUR_S, 2):
            ledger.spend("a", Cost(1), T0 + second)
        self.assertEqual(len(ledger._accounts["a"]._entries), 240)
        self.assertEqual(ledger.used("a", DAILY, T0 + 4 * HOUR_S), 7200)
        ledger.spend("b", Cost(1), T0 + 2 * DAY_S)
        self.assertEqual(len(ledger), 1)
        ledger.prune(T0 + 3 * DAY_S)
        self.assertEqual(len(ledger), 0)

    def test_too_many_requesters(self) -> None:
        """Those beyond the bound share an account; nobody gets more than he had alone."""
        ledger = Ledger(max_accounts=2)
        for who in ("a", "b", "c", "d"):
            ledger.spend(who, Cost(1), T0)
        self.assertEqual(len(ledger), 3)
        used = {who: ledger.used(who, DAILY, T0 + 1) for who in ("a", "b", "c", "d", "new")}
        self.assertEqual(used, {"a": 1, "b": 1, "c": 2, "d": 2, "new": 2})
        ledger.spend("a", Cost(1), T0 + DAY_S)  # b and the others are over now
        ledger.spend("e", Cost(1), T0 + DAY_S)
        self.assertEqual(ledger.used("e", DAILY, T0 + DAY_S), 1)
        self.assertNotIn(OTHERS, ledger._accounts)

    def test_late_account(self) -> None:
        """Who may have been one of those who share an account has their use on his own."""
        ledger = Ledger(max_accounts=2)
        ledger.spend("a", Cost(1), T0)
        ledger.spend("b", Cost(1), T0 + 7200)
        ledger.spend("c", Cost(1), T0 + 7200)
        later = T0 + DAY_S  # a is over
        ledger.spend("c", Cost(1), later)
        self.assertEqual(ledger.used("c", DAILY, later), 2)


class HoldingTests(SynchronousTestCase):
    def test_course(self) -> None:
        """Held from the booking, used from the confirmation; octets are held to the end."""
        ledger = Ledger()
        holding = ledger.hold("a", Cost(1, 30, 500))
        numbers = lambda now: [  # noqa: E731
            (ledger.used("a", quota, now), ledger.held("a", quota, now))
            for quota in QUOTAS.values()
        ]
        self.assertEqual(numbers(T0), [(0, 1), (0, 1), (0, 30), (0, 500)])
        ledger.confirm(holding, T0)
        self.assertEqual(numbers(T0), [(1, 0), (1, 0), (30, 0), (0, 500)])
        ledger.let_go(holding)
        ledger.let_go(holding)
        ledger.spend("a", Cost(octets=450), T0 + 30)
        self.assertEqual(numbers(T0 + 30), [(1, 0), (1, 0), (30, 0), (450, 0)])

    def test_cancelled(self) -> None:
        """What was never confirmed leaves nothing."""
        ledger = Ledger()
        holdings = [ledger.hold("a", Cost(1, 30)) for _ in range(3)]
        self.assertEqual(ledger.held("a", DAILY, T0), 3)
        for holding in holdings:
            ledger.let_go(holding)
        self.assertEqual((ledger.held("a", DAILY, T0), len(ledger._holdings)), (0, 0))

    def test_confirmed_long_ago(self) -> None:
        """A test that was confirmed hours before its start counts as long as it is held."""
        ledger = Ledger()
        holding = ledger.hold("a", Cost(1, 30))
        ledger.confirm(holding, T0)
        for later, expected in ((HOUR_S - 1, (1, 0)), (HOUR_S, (0, 1)), (2 * DAY_S, (0, 1))):
            now = T0 + later
            found = ledger.used("a", HOURLY, now), ledger.held("a", HOURLY, now)
            self.assertEqual(found, expected)

    def test_costs(self) -> None:
        """A request costs a test, its seconds with the omitted ones, and UDP its octets."""
        table = [
            (spec(duration=10, omit=2), Cost(1, 12)),
            (spec(bandwidth=10**6), Cost(1, 5)),
            (spec(udp=True, bandwidth=8 * 10**6), Cost(1, 5, 5 * 10**6)),
            (spec(udp=True, bandwidth=8 * 10**6, parallel=3), Cost(1, 5, 15 * 10**6)),
            (spec(udp=True), Cost(1, 5, 625_000)),
            (spec(udp=True, bandwidth=2**63, duration=2**31), Cost(1, 2**31, MAX_OCTETS)),
            (spec(ToolID.PING, udp=True), Cost(1, 5)),
        ]
        for asked, cost in table:
            self.assertEqual(cost_of(asked), cost)

    def test_octets_of_reports(self) -> None:
        """The larger of what was sent and what arrived; nothing where nothing is told."""
        for summary, octets in [
            ({}, 0),
            ({"bytes": 5}, 5),
            ({"bytes": 5, "sent_bytes": 7}, 7),
            ({"bytes": None, "sent_bytes": 7}, 7),
            ({"bytes": 1 << 90}, MAX_OCTETS),
        ]:
            self.assertEqual(octets_of(Report(tool="x", summary=summary)), octets)


class BoundTests(SynchronousTestCase):
    """At, below and above each quota, at a class and at an ancestor."""

    # limit, a test's cost, used before: allowed, denied
    TABLE = (
        ("tests_per_hour=3", Cost(1, 5), Cost(2), Cost(3)),
        ("tests_per_day=3", Cost(1, 5), Cost(2), Cost(3)),
        ("seconds_per_day=100", Cost(1, 20), Cost(0, 80), Cost(0, 81)),
        ("bytes_per_day=1k", Cost(1, 5), Cost(0, 0, 999), Cost(0, 0, 1000)),
        ("bytes_per_day=1k", Cost(1, 5, 400), Cost(0, 0, 600), Cost(0, 0, 601)),
        ("bytes_per_day=1k", Cost(1, 5, 1000), Cost(), Cost(0, 0, 1)),
    )

    def found(self, ledger: Ledger, asked: Cost, *classes: str) -> list[tuple[str, str]]:
        denials = quota_denials(last_of(*classes), ledger, "a", asked, T0)
        return [(one.limit_class, one.limit) for one in denials]

    def test_used_and_held(self) -> None:
        """What is used up counts like what is held; of others nothing does."""
        for limit, asked, allowed, denied in self.TABLE:
            name = limit.partition("=")[0]
            for used, held in ((True, False), (False, True)):
                for before, expected in ((allowed, 0), (denied, 1)):
                    ledger = Ledger()
                    ledger.spend("b", Cost(99, 999, 9999), T0)
                    ledger.hold("b", Cost(99, 999, 9999))
                    if used:
                        ledger.spend("a", before, T0)
                    if held:
                        ledger.hold("a", before)
                    for classes, names in (
                        ([limit], ["c0"]),
                        ([limit, ""], ["c1", "c0"]),
                        ([limit, f"{name}=0"], ["c0"]),
                    ):
                        expectation = [(one, name) for one in names] * expected
                        self.assertEqual(self.found(ledger, asked, *classes), expectation, limit)

    def test_all_that_fail(self) -> None:
        """All quotas that fail are told, with class and numbers."""
        ledger = Ledger()
        ledger.spend("a", Cost(4, 90, 7), T0)
        ledger.hold("a", Cost(1, 20))
        tree = last_of("tests_per_day=9, seconds_per_day=100, tests_per_hour=5", "tests_per_hour=2")
        self.assertEqual(
            [str(one) for one in quota_denials(tree, ledger, "a", Cost(1, 5), T0)],
            [
                "tests_per_hour=2 of class c1 (asked: 1, used: 4, held: 1)",
                "tests_per_hour=5 of class c0 (asked: 1, used: 4, held: 1)",
                "seconds_per_day=100 of class c1 (asked: 5, used: 90, held: 20)",
                "seconds_per_day=100 of class c0 (asked: 5, used: 90, held: 20)",
            ],
        )


class RequesterTests(SynchronousTestCase):
    def test_names(self) -> None:
        """The user, else the certificate, else the address, of IPv6 the /64."""
        four, mapped = ip_address("192.0.2.7"), ip_address("::ffff:192.0.2.7")
        six, near = ip_address("2001:db8:0:1::5"), ip_address("2001:db8:0:1:ffff::9")
        self.assertEqual(requester(four, "joe", ["DNS:x"]), "user:joe")
        self.assertEqual(requester(four, None, ["DNS:x", "DNS:y"]), "cert:DNS:x")
        self.assertEqual(requester(four), "net:192.0.2.7")
        self.assertEqual(requester(mapped), "net:192.0.2.7")
        self.assertEqual(requester(six), "net:2001:db8:0:1::/64")
        self.assertEqual(requester(near), requester(six))
        self.assertNotEqual(requester(ip_address("2001:db8:0:2::5")), requester(six))

    def test_odd_names(self) -> None:
        """Names that are no text can be stored all the same."""
        requester(ip_address("::1"), b"\xff\xfe".decode(errors="surrogateescape")).encode()
