"""What a requester holds, against adding it all up each time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.limits.quota import DAY_S, HOUR_S, QUOTAS, Cost, Holding, Ledger
from tests.limits import QUIET

T0 = 1_800_000_000.0
COSTS = st.builds(Cost, st.integers(0, 2), st.integers(0, 100), st.integers(0, 10**9))
STEPS = st.floats(0, 90) | st.floats(0, 2 * HOUR_S) | st.sampled_from([0.0, HOUR_S, DAY_S])
WHO = st.sampled_from("ab")
DEEDS = st.lists(
    st.tuples(STEPS, WHO, st.sampled_from(["hold", "confirm", "let go"]), COSTS), max_size=60
)


class Oracle:
    """Every holding of a ledger, looked at anew."""

    def __init__(self) -> None:
        self.holdings: list[Holding] = []

    def held(self, who: str, name: str, now: float) -> int:
        quota = QUOTAS[name]
        return sum(
            quota.measure(one.cost)
            for one in self.holdings
            if one.who == who
            and (quota.at_end or one.confirmed is None or now - one.confirmed >= quota.window_s)
        )

    def first(self, who: str, confirmed: bool | None = None) -> Holding | None:
        fit = (
            one
            for one in self.holdings
            if one.who == who and confirmed in (None, one.confirmed is not None)
        )
        return next(fit, None)


class HeldTests(SynchronousTestCase):
    @QUIET
    @given(DEEDS)
    def test_sums(self, deeds: list[tuple[float, str, str, Cost]]) -> None:
        """The sums that are kept are those of what is held, whatever came and went when."""
        ledger, oracle, now = Ledger(), Oracle(), T0
        for step, who, deed, cost in deeds:
            now += step
            if deed == "hold":
                oracle.holdings.append(ledger.hold(who, cost))
            elif deed == "confirm" and (one := oracle.first(who, confirmed=False)):
                ledger.confirm(one, now)
            elif deed == "let go" and (one := oracle.first(who)):
                oracle.holdings.remove(one)
                ledger.let_go(one)
                ledger.let_go(one)
            for name, quota in QUOTAS.items():
                for asked in "ab":
                    self.assertEqual(ledger.held(asked, quota, now), oracle.held(asked, name, now))
            self.assertEqual({*ledger.holdings}, {*oracle.holdings})
        for one in oracle.holdings:
            ledger.let_go(one)
        self.assertEqual((ledger.holdings, ledger._holdings), ([], {}))
