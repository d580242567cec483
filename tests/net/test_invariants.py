"""Every leak has a name: the rules alone, and a daemon's state that was broken on purpose."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from bwctl.daemon.selfcheck import INTERVAL_S, SelfCheck
from bwctl.interfaces import ClientFacts
from bwctl.net.admission import Admitted
from bwctl.net.broker import Booking
from bwctl.net.connections import _place_of
from bwctl.net.control import ControlProtocol
from bwctl.net.factory import ControlFactory
from bwctl.net.invariants import AgentState, Snapshot, leftovers, violations
from bwctl.net.once import Once
from bwctl.net.snapshot import snapshot
from bwctl.values import NTPTime, ticks
from bwctl.wire.fields import Mode
from tests.support.clocks import FakeClock
from tests.support.inmemory import PEER, book, make_host

WELL = AgentState(
    sid="01", connected=True, ending=False, finished=False, released=False, over=False
)


class InvariantTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = Clock()
        self.clock = FakeClock(self.reactor)
        self.host = make_host(self.reactor, self.clock)
        self.factory = ControlFactory(self.host)
        self.connection = self.connect()

    def connect(self) -> ControlProtocol:
        connection = self.factory.buildProtocol(None)
        transport: Any = StringTransport()
        connection.makeConnection(transport)
        facts = ClientFacts(address=connection.peer, user=None, certificate_names=())
        connection._admitted = Admitted(facts, Mode.OPEN, None)
        return connection

    def book(self, number: int = 1) -> Booking:
        """A reservation that the connection holds."""
        at = self.clock.now() + ticks(20 * number)
        booking = book(self.host, self.factory.broker, number, at)
        self.connection._claim.booking = booking
        return booking

    def found(self) -> list[str]:
        return violations(snapshot(self.factory))

    def assert_found(self, *sentences: str) -> None:
        """Exactly these, in any order."""
        self.assertEqual(sorted(self.found()), sorted(sentences))

    def test_all_is_well(self) -> None:
        """A reservation that is booked, moved in time, expired: nothing to complain of."""
        self.assert_found()
        booking = self.book()
        self.assert_found()
        self.assertEqual(len(snapshot(self.factory).taken["test_port"]), 1)
        self.reactor.pump([0.5] * 50)
        self.assertTrue(booking.released)
        self.assert_found()

    def test_lost_reservation(self) -> None:
        """A reservation that its connection has forgotten, with all that hangs on it."""
        booking = self.book()
        self.connection._claim.booking = None
        self.assert_found(
            f"reservation of SID {'01' * 16} belongs to no connection",
            f"port {booking.port} of test_port is taken by nobody",
            "quotas of net:127.0.0.3 count a reservation that is not there",
        )

    def test_two_owners(self) -> None:
        """A reservation that two connections hold."""
        other = self.connect()
        other._claim.booking = self.book()
        port = other._claim.booking.port
        self.assert_found(
            f"reservation of SID {'01' * 16} belongs to 2 connections",
            f"port {port} of test_port is taken by 2 reservations",
        )

    def test_not_in_the_timetable(self) -> None:
        """A reservation of which timetable, ports and accounts know nothing."""
        booking = self.book()
        self.host.broker.timetable.release(booking.reservation)
        self.host.test_ports.release(booking.port)
        self.assert_found(
            f"reservation of SID {'01' * 16} is held but not in the timetable",
            f"port {booking.port} of test_port is in use and not taken",
            "the reservations of class local are counted wrongly",
        )

    def test_no_timer(self) -> None:
        """A reservation that nobody would take back, and one that was forgotten at its time."""
        booking = self.book()
        assert booking.timer is not None
        booking.timer.cancel()
        booking.timer = None
        sid = "01" * 16
        untimed = f"has neither a test nor a timer (the connection of {self.connection.peer})"
        self.assert_found(f"reservation of SID {sid} {untimed}")
        self.clock.step(40)
        self.assert_found(f"reservation of SID {sid} {untimed}")  # a timer would not know either
        self.host.timers.look()
        self.reactor.advance(40)
        self.assert_found(
            f"reservation of SID {sid} {untimed}",
            f"reservation of SID {sid} was not taken back at its start",
        )

    def test_connections(self) -> None:
        """Connections that are counted wrongly, or are no more."""
        self.factory.connections._by_peer[_place_of(ip_address(PEER))] += 1
        self.factory.connections._by_class["root"] += 1
        self.connection.gone.fire(None)
        self.assert_found(
            "the connections of 127.0.0.3 are counted wrongly",
            "the connections of root are counted wrongly",
            f"the connection of {self.connection.peer} is lost and still counted",
        )

    def test_timers(self) -> None:
        """Timers of what is gone, and more than anybody waits for."""
        booking = self.book()
        forgotten = self.connect()
        self.factory.connections.open.discard(forgotten)
        self.factory.connections._by_peer[_place_of(forgotten.peer)] -= 1
        self.assert_found("a timer of a ControlProtocol that is gone")
        forgotten._disarm()
        timer, booking.timer = booking.timer, None
        self.factory.broker.release(booking)
        self.assert_found("a timer of a BrokerService that is gone")
        assert timer is not None
        timer.cancel()
        waiting: Once[None] = Once()
        self.host.timers.after(9, waiting.fire, None)
        self.assert_found("more timers than owners: nobody waits for what they tell")
        waiting.wait()
        self.assert_found()

    def test_agents_and_processes(self) -> None:
        """What only the rules can be shown: peer agents and testers that nobody has."""
        for state, sentence in (
            (WELL, ""),
            (replace(WELL, over=True), "is over and still there"),
            (replace(WELL, finished=True), "has finished and keeps its reservation"),
            (replace(WELL, finished=True, released=True), ""),
            (
                replace(WELL, finished=True, released=True, door=6001),
                "has finished and listens on port 6001",
            ),
            (replace(WELL, connected=False), "works for no connection"),
            (replace(WELL, connected=False, ending=True), ""),
        ):
            taken = Snapshot(now=NTPTime(0), agents=[state])
            wanted = [f"peer agent of SID 01 {sentence}"] if sentence else []
            self.assertEqual(violations(taken), wanted)
        taken = Snapshot(now=NTPTime(0), testers={7: True, 8: False}, strays=[9])
        self.assertEqual(
            violations(taken),
            ["guard process 8 has no peer agent", "guard process 9 is remembered by nobody"],
        )

    def test_what_is_left(self) -> None:
        """A daemon that has stopped has nothing; a peer agent may still wait for results."""
        self.assertEqual(leftovers(Snapshot(now=NTPTime(0))), [])
        booking = self.book()
        taken = snapshot(self.factory)
        self.assertEqual(
            leftovers(taken),
            [
                f"reservation of SID {'01' * 16} is left",
                f"port {booking.port} of test_port is left",
                f"the connection of {self.connection.peer} is left",
            ],
        )
        taken = Snapshot(now=NTPTime(0), testers={7: True}, agents=[WELL])
        self.assertEqual(
            leftovers(taken), ["guard process 7 is left", "peer agent of SID 01 is left"]
        )

    def test_the_daemon_looks(self) -> None:
        """Once a minute; each thing is logged and counted once."""
        check = SelfCheck(self.factory, self.reactor)
        check.begin()
        self.book(10)  # its time is not yet
        self.connection._claim.booking = None
        with capturedLogs() as events:
            self.reactor.advance(INTERVAL_S - 1)
            self.assertEqual(check.count, 0)
            self.reactor.pump([1.0] * (int(INTERVAL_S) + 2))
        told = [event["violation"] for event in events if event["event"] == "daemon.violation"]
        self.assertEqual(sorted(told), sorted(self.found()))
        self.assertEqual(check.count, 3)
        check.end()
        self.reactor.advance(INTERVAL_S)
        self.assertEqual(check.count, 3)
