"""Timers keep their promise when the clock is set."""

from __future__ import annotations

import weakref

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from bwctl.net.timers import Timers
from bwctl.values import NTPTime, ntp_from_unix, ticks
from tests.support.clocks import FakeClock

T0 = ntp_from_unix(1_800_000_000)


class TimerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Clock()
        self.clock = FakeClock(self.reactor)
        self.timers = Timers(self.reactor, self.clock)
        self.calls: list[str] = []

    def test_wall_timer_follows_the_clock_forward(self) -> None:
        """A slot's timer fires when the clock, set forward, says so; within a heartbeat."""
        self.timers.at(NTPTime(self.clock.now() + ticks(100)), self.calls.append, "slot")
        self.clock.step(99.5)
        with capturedLogs() as events:
            self.reactor.pump([0.1] * 11)
        self.assertEqual(self.calls, ["slot"])
        self.assertEqual([e["event"] for e in events], ["clock.step"])

    def test_wall_timer_follows_the_clock_back(self) -> None:
        """A slot's timer waits longer when the clock is set back."""
        self.timers.at(NTPTime(self.clock.now() + ticks(2)), self.calls.append, "slot")
        self.clock.step(-3600)
        self.reactor.pump([1.0] * 3600)
        self.assertEqual(self.calls, [])
        self.reactor.pump([1.0] * 3)
        self.assertEqual(self.calls, ["slot"])

    def test_timeout_does_not_follow(self) -> None:
        """A session timeout counts real seconds, whatever is done to the clock."""
        for step in (3600, -3600):
            self.timers.after(10, self.calls.append, "timeout")
            self.reactor.pump([1.0] * 5)
            self.clock.step(step)
            self.reactor.pump([1.0] * 4)
            self.assertEqual(self.calls, [])
            self.reactor.pump([1.0] * 2)
            self.assertEqual(self.calls, ["timeout"])
            self.calls.clear()

    def test_nothing_is_left(self) -> None:
        """A timer that fired or was cancelled leaves no delayed call, nor does the heartbeat."""
        one = self.timers.after(1, self.calls.append, "one")
        self.timers.after(2, self.calls.append, "two")
        one.cancel()
        one.cancel()
        self.reactor.pump([1.0] * 3)
        self.assertEqual((self.calls, len(self.timers)), (["two"], 0))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_slewing_is_no_step(self) -> None:
        """A clock that is pulled gently is not reported."""
        self.timers.after(100, self.calls.append, "timeout")
        with capturedLogs() as events:
            for _ in range(50):
                self.clock.step(0.0005)
                self.reactor.advance(1.0)
        self.assertEqual(events, [])

    def test_one_call_for_all(self) -> None:
        """However many timers wait, the reactor has one call for each clock, and the heartbeat."""
        for number in range(100):
            self.timers.after(10 + number, self.calls.append, "after")
            self.timers.at(NTPTime(self.clock.now() + ticks(10 + number)), self.calls.append, "at")
        self.assertEqual((len(self.timers), len(self.reactor.getDelayedCalls())), (200, 3))
        self.assertEqual(len(self.timers.calls()), 200)
        self.reactor.pump([1.0] * 120)
        self.assertEqual(sorted(self.calls), ["after"] * 100 + ["at"] * 100)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_order(self) -> None:
        """Timers fire in the order of their times, and of their making where these are equal."""
        for name, delay in (("c", 3), ("a", 1), ("b1", 2), ("b2", 2)):
            self.timers.after(delay, self.calls.append, name)
        self.reactor.advance(5)
        self.assertEqual(self.calls, ["a", "b1", "b2", "c"])

    def test_put_off(self) -> None:
        """A deadline may be moved, to later and to earlier, as often as one likes."""
        timer = self.timers.after(10, self.calls.append, "deadline")
        for _ in range(5):
            self.reactor.advance(9)
            timer.put_off(10)
        self.assertEqual((self.calls, len(self.timers)), ([], 1))
        timer.put_off(1000)
        timer.put_off(2)
        self.assertEqual(len(self.timers.calls()), 1)
        self.reactor.pump([1.0] * 3)
        self.assertEqual(self.calls, ["deadline"])
        self.reactor.pump([10.0] * 200)
        self.assertEqual((self.calls, len(self.timers)), (["deadline"], 0))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_put_off_and_cancelled(self) -> None:
        """One that was put off can be cancelled."""
        timer = self.timers.after(1, self.calls.append, "never")
        self.timers.after(50, self.calls.append, "other")
        timer.put_off(5)
        timer.put_off(3)
        self.reactor.advance(2)
        timer.cancel()
        self.reactor.pump([1.0] * 60)
        self.assertEqual(self.calls, ["other"])

    def test_cancelled_ones_go(self) -> None:
        """What a cancelled timer held is free at once, its place in the heap within a second."""
        thing = Thing()
        gone = weakref.ref(thing)
        keeper = self.timers.after(1000, self.calls.append, "keeper")
        for _ in range(50):
            self.timers.after(100, thing.call).cancel()
        del thing
        self.assertIsNone(gone())
        self.reactor.advance(1.5)
        self.assertEqual((len(self.timers), len(self.timers.calls())), (1, 1))
        self.assertLess(len(self.timers._spans._heap), 5)
        keeper.cancel()

    def test_a_call_that_fails(self) -> None:
        """A call that raises keeps no other timer from firing."""

        def fail() -> None:
            raise ValueError("x")

        self.timers.after(1, self.calls.append, "before")
        self.timers.after(1, fail)
        self.timers.after(1, self.calls.append, "behind")
        self.assertRaises(ValueError, self.reactor.advance, 1)  # a real reactor logs it
        self.reactor.advance(0)
        self.assertEqual(self.calls, ["before", "behind"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_timers_of_timers(self) -> None:
        """A call may make timers and cancel others that are due with it."""
        later = self.timers.after(2, self.calls.append, "never")
        self.timers.after(2, self.calls.append, "third")

        def first() -> None:
            self.calls.append("first")
            later.cancel()
            self.timers.after(0, self.calls.append, "second")

        self.timers.after(1, first)
        self.reactor.advance(2)
        self.reactor.advance(0)
        self.assertEqual(sorted(self.calls), ["first", "second", "third"])


class Thing:
    """Something that a timer would call."""

    def call(self) -> None:
        """Never called."""
