"""Timers keep their promise when the clock is set."""

from __future__ import annotations

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
