"""Which ports a reservation takes, and in what state they come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from bwctl.broker.ports import PortPool
from bwctl.interfaces import ITester
from bwctl.net.broker import BrokerService
from bwctl.testers.iperf3 import Iperf3
from bwctl.values import IPAddress, Kind, Listening, TestSpec, ToolID, ticks
from tests.support.clocks import FakeClock
from tests.support.inmemory import book, make_host


@implementer(ITester)
@dataclass(frozen=True)
class Datagrams(Iperf3):
    """A tester of another package that uses UDP whatever the test."""

    name: str = "thrulay"
    tool_id: ToolID = ToolID.THRULAY

    def listens(self, spec: TestSpec, port: int) -> tuple[Listening, ...]:
        """UDP."""
        return (Listening("udp", port),)


class TesterPortTests(SynchronousTestCase):
    def setUp(self) -> None:
        reactor = Clock()
        self.clock = FakeClock(reactor)
        self.host = make_host(reactor, self.clock)
        self.broker = BrokerService(self.host)
        self.asked: list[bool] = []

        def take(pool: PortPool, count: int, address: IPAddress, *, datagrams: bool) -> int | None:
            self.asked.append(datagrams)
            return pool.take(count)

        self.host.take_ports = take

    def book(self, number: int) -> Any:
        return book(self.host, self.broker, number, self.clock.now() + ticks(20 * number))

    def test_protocols(self) -> None:
        """A TCP test needs no look at UDP, unless its tester says that it listens there."""
        self.assertIs(self.book(1).spec.kind, Kind.THROUGHPUT)
        self.host.testers = {"thrulay": Datagrams()}
        self.book(2)
        self.assertEqual(self.asked, [False, True])

    def test_after_a_cancel(self) -> None:
        """The port of a reservation that was given back is the next."""
        first = self.book(1)
        self.broker.release(first)
        self.assertEqual(self.book(2).port, first.port)

    def test_after_a_test(self) -> None:
        """The port of a test waits for its turn."""
        first = self.book(1)
        self.broker.confirm(first)
        self.broker.release(first)
        self.assertNotEqual(self.book(2).port, first.port)
        self.assertEqual(self.host.test_ports.used, 1)
