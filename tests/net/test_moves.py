"""An update moves the reservation that is held; what else it says of the test does not count."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from bwctl.net.application import Application
from bwctl.net.broker import Booking, BrokerService
from bwctl.values import Kind, NTPTime, ToolID, ticks
from tests.support.clocks import FakeClock
from tests.support.inmemory import application, make_host


class MoveTests(SynchronousTestCase):
    def setUp(self) -> None:
        reactor = Clock()
        self.host = make_host(reactor, FakeClock(reactor))
        self.host.versions |= {"ping": "1", "thrulay": "1"}
        self.broker = BrokerService(self.host)
        self.at = NTPTime(self.host.clock.now() + ticks(60))

    def application(self, number: int, **words: Any) -> Application:
        return application(self.host, number, self.at, **words)

    def booked(self, number: int) -> Booking:
        booking = self.broker.reserve(self.application(number))
        assert isinstance(booking, Booking), booking
        return booking

    def test_another_tester(self) -> None:
        """An exclusive test stays one, whatever an update names."""
        first, second = self.booked(1), self.booked(2)
        length = second.reservation.length
        moved = self.broker.move(second, self.application(2, tool=ToolID.PING, duration=1))
        self.assertIs(moved, second)
        held = second.reservation
        self.assertEqual((held.kind, held.tool), (Kind.THROUGHPUT, ToolID.THRULAY))
        self.assertEqual((held.length, second.tester.name), (length, "thrulay"))
        self.assertGreaterEqual(held.start, first.reservation.end)
