"""The timetable against the linear oracle, over random conversations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.broker.obstacles import Guard
from bwctl.broker.reservation import Demand, Reservation
from bwctl.broker.timetable import Timetable
from bwctl.values import Role, ToolID
from tests.broker import QUIET
from tests.broker.oracle import Oracle
from tests.broker.wishes import wish

TOOLS = [ToolID.IPERF3, ToolID.NUTTCP, ToolID.PING, ToolID.TRACEROUTE]


def mostly(usual: st.SearchStrategy[int], *rare: int) -> st.SearchStrategy[int]:
    """Small numbers, so that requests collide, and at times a very large one."""
    return st.integers(0, 19).flatmap(lambda die: usual if die else st.sampled_from(rare))


START = mostly(st.integers(0, 60), (1 << 64) - 60, (1 << 64) - 10, 1 << 64)
LENGTH = mostly(st.integers(1, 12), 100, ((1 << 32) - 1) << 32)
FUZZ = mostly(st.integers(0, 6), 40, 1 << 66)
PATIENCE = st.one_of(st.none(), st.integers(-5, 60))


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    earliest, patience = draw(START), draw(PATIENCE)
    return wish(
        draw(st.integers(0, 2)),
        earliest=earliest,
        length=draw(LENGTH),
        fuzz=draw(FUZZ),
        tool=draw(st.sampled_from(TOOLS)),
        role=draw(st.sampled_from(Role)),
        latest=None if patience is None else earliest + patience,
        rtt=draw(st.integers(0, 3)),
    )


@dataclass(frozen=True)
class Place:
    """A request; picks the reservation it replaces, and the one whose other end it is to be."""

    demand: Demand
    update: int | None
    other_end: int | None


@dataclass(frozen=True)
class Release:
    pick: int


@dataclass(frozen=True)
class Clock:
    step: int  # may go back


PICKS = st.integers(0, 999)
MAYBE = st.one_of(st.none(), st.none(), PICKS)
PLACES = st.builds(Place, demands(), MAYBE, MAYBE)
CLOCKS = st.builds(Clock, st.integers(-9, 9))
STEPS = st.lists(
    st.one_of(PLACES, PLACES, PLACES, PLACES, st.builds(Release, PICKS), CLOCKS),
    min_size=15,
    max_size=50,
)


@dataclass(frozen=True)
class Rules:
    guard: Guard
    trace_during_throughput: bool
    shared_tests: int
    setup_margin: int
    max_reservations: int


RULES = st.builds(
    Rules,
    st.sampled_from(Guard),
    st.booleans(),
    st.integers(1, 3),
    st.integers(0, 2),
    st.sampled_from([5, 100]),
)


def picked(oracle: Oracle, pick: int | None) -> Reservation | None:
    return oracle.held[pick % len(oracle.held)] if oracle.held and pick is not None else None


def other_end(first: Reservation, demand: Demand) -> Demand:
    """A demand made to concern the same test as a reservation, at the other end."""
    return replace(
        demand, sid=first.sid, tool=first.tool, length=first.length, role=first.role.other
    )


def crowded_step(random: Random, number: int) -> Place | Release | Clock:
    """Mostly requests of strangers with much patience, at times an update, a twin or an end."""
    die = random.randrange(20)
    if die < 2:
        return Release(random.randrange(999))
    if die < 3:
        return Clock(random.randint(-5, 9))
    demand = wish(
        number,
        earliest=random.randint(0, 400),
        length=random.randint(1, 12),
        fuzz=random.choice((0, 1, 2, 2, 2, 6, 25)),
        tool=random.choice(TOOLS),
        latest=random.choice((None, None, 100, 300)),
    )
    return Place(
        demand,
        random.randrange(999) if die < 6 else None,
        random.randrange(999) if die in (5, 6, 7) else None,
    )


class TimetablePropertyTests(SynchronousTestCase):
    def compare(self, timetable: Timetable, oracle: Oracle) -> None:
        held = sorted(oracle.held, key=lambda each: each.start)  # the same objects
        self.assertEqual(timetable.reservations(), held)
        self.assertEqual(len(timetable), len(held))
        self.assertEqual(timetable.next_start, held[0].start if held else None)
        self.assertEqual(oracle.violations(), [])

    def place(self, timetable: Timetable, oracle: Oracle, step: Place, now: int) -> None:
        mine, first = picked(oracle, step.update), picked(oracle, step.other_end)
        demand = other_end(first, step.demand) if first is not None else step.demand
        expected = oracle.answer(demand, now, mine)
        answer = timetable.place(demand, now, replacing=mine)
        if isinstance(answer, Reservation):
            self.assertEqual(answer.start, expected)
            oracle.hold(answer, demand)
        else:
            self.assertEqual(answer, expected)

    def converse(self, rules: Rules, steps: list[Place | Release | Clock]) -> int:
        """Compare step by step, then release all; the largest number of reservations held."""
        timetable, oracle = Timetable(**vars(rules)), Oracle(**vars(rules))
        now = most = 0
        for step in steps:
            if isinstance(step, Place):
                self.place(timetable, oracle, step, now)
            elif isinstance(step, Clock):
                now = max(0, now + step.step)
            elif (gone := picked(oracle, step.pick)) is not None:
                oracle.drop(gone)
                self.assertTrue(timetable.release(gone))
            self.compare(timetable, oracle)
            most = max(most, len(timetable))
        for gone in list(oracle.held):
            self.assertTrue(timetable.release(gone))
            oracle.drop(gone)
            self.compare(timetable, oracle)
        self.assertEmpty(timetable)
        return most

    @QUIET
    @given(RULES, STEPS)
    def test_like_the_oracle(self, rules: Rules, steps: list[Place | Release | Clock]) -> None:
        """Each answer is the oracle's, every rule holds, and nothing foreign is ever touched."""
        self.converse(rules, steps)

    def test_crowded(self) -> None:
        """So it is with many reservations in little time, under all rules."""
        for seed, (guard, option) in enumerate(product(Guard, (False, True))):
            random = Random(seed)
            steps = [crowded_step(random, number) for number in range(120)]
            most = self.converse(Rules(guard, option, 3, 1, 50), steps)
            self.assertGreater(most, 25)

    def assertEmpty(self, timetable: Timetable) -> None:
        """Nothing is left behind in any of the structures."""
        self.assertEqual(timetable._by_sid, {})
        self.assertEqual(timetable._twins, {})
        self.assertEqual(timetable._load._edges, [])
        for obstacles in timetable._avoided.values():
            left = len(obstacles.wide), len(obstacles._narrow), obstacles._widest
            self.assertEqual(left, (0, 0, 0))
