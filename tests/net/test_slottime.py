"""A test keeps its real time when the clock is set, and so does its place in the timetable."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from bwctl.net.broker import Booking, BrokerService
from bwctl.net.slottime import SlotTime
from bwctl.net.timers import Timers
from bwctl.values import NTPTime, seconds, ticks
from tests.support.clocks import FakeClock
from tests.support.inmemory import book, make_host

HOUR = 3600


class SlotTimeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Clock()
        self.clock = FakeClock(self.reactor)
        self.timers = Timers(self.reactor, self.clock)
        self.time = SlotTime(self.timers)
        self.calls: list[str] = []

    def after(self, delay: float) -> NTPTime:
        return NTPTime(self.time.now() + ticks(delay))

    def test_before_the_ends_have_met(self) -> None:
        """The host's clock counts, however it is set."""
        self.time.at(self.after(10), self.calls.append, "start")
        self.clock.step(-5)
        self.reactor.pump([1.0] * 12)
        self.assertEqual(self.calls, [])
        self.reactor.pump([1.0] * 4)
        self.assertEqual(self.calls, ["start"])

    def test_afterwards(self) -> None:
        """Nothing that is done to the clock moves the test, planned before or after."""
        for step in (HOUR, -HOUR):
            time, calls = SlotTime(self.timers), list[str]()
            began = time.now()
            time.at(NTPTime(began + ticks(10)), calls.append, "start")
            time.pin()
            self.clock.step(step)
            time.at(NTPTime(began + ticks(12)), calls.append, "end")
            self.reactor.pump([1.0] * 9)
            self.assertEqual(calls, [])
            self.reactor.pump([0.5] * 2)
            self.assertEqual(calls, ["start"])
            self.reactor.pump([1.0] * 2)
            self.assertEqual(calls, ["start", "end"])
            self.assertAlmostEqual(seconds(time.now() - began), 12, 5)

    def test_cancel(self) -> None:
        """Nothing is left pending, and what has been is not called again."""
        self.time.at(self.after(1), self.calls.append, "one")
        self.time.at(self.after(9), self.calls.append, "two")
        self.reactor.pump([0.5] * 4)
        self.time.pin()
        self.time.cancel()
        self.assertEqual(len(self.timers), 0)
        self.reactor.pump([1.0] * 20)
        self.assertEqual(self.calls, ["one"])


class ConfirmedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Clock()
        self.clock = FakeClock(self.reactor)
        self.host = make_host(self.reactor, self.clock)
        self.broker = BrokerService(self.host)

    def book(self, number: int, duration: int = 20) -> Booking:
        """The next free time."""
        return book(self.host, self.broker, number, self.clock.now(), duration)

    def lead(self, booking: Booking) -> float:
        return seconds(booking.reservation.start - self.clock.now())

    def test_what_runs_is_not_overlapped(self) -> None:
        """After a step of the clock no test is booked into one that still runs."""
        for step in (HOUR, -HOUR):
            running = self.book(1)
            self.broker.confirm(running)
            self.reactor.pump([0.5] * 10)
            left = self.lead(running) + 20
            self.clock.step(step)
            self.assertGreaterEqual(self.lead(self.book(2, 1)), left)
            self.broker.release(running)
            self.reactor.pump([1.0] * 60)  # the other one was not confirmed
            self.assertEqual(len(self.host.broker.timetable), 0)
            soon = self.book(3, 1)
            self.assertLess(self.lead(soon), 5)
            self.broker.release(soon)

    def test_no_step(self) -> None:
        """Without a step the timetable alone tells, which knows better."""
        running = self.book(1)
        self.broker.confirm(running)
        self.reactor.pump([0.5] * 10)
        self.assertEqual(self.broker.confirmed.displaced_until, 0)
        self.broker.release(running)
