"""A simulated control connection answers as a real one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.client import ClientSession, Identity, Opened
from bwctl.errors import AcceptType
from bwctl.interfaces import ClientFacts
from bwctl.limits.parser import parse_limits
from bwctl.net.factory import ControlFactory
from bwctl.simulate.clock import HostClock, VirtualReactor
from bwctl.simulate.connection import SimulatedConnection
from bwctl.simulate.daemon import DaemonSettings, SimulatedDaemon
from bwctl.simulate.testend import Doors
from bwctl.testers.registry import BUILT_IN
from bwctl.values import (
    NEVER,
    NO_SID,
    SID,
    ErrorEstimate,
    NTPTime,
    Role,
    TestSpec,
    ToolID,
    ntp_from_unix,
    ticks,
)
from bwctl.wire.messages import TestAccept
from bwctl.wire.request import TestRequest
from tests.wire.strategies import quiet

CLIENT, DAEMON, OTHER = "192.0.2.1", "198.18.0.1", "198.18.0.2"
BEGINNING = ntp_from_unix(1_900_000_000.0)
LIMITS, _ = parse_limits(
    "limit root with duration=40, tests_per_hour=9, pending=2, event_horizon=120\n"
    "assign default root\n",
    "limits",
)


@dataclass(frozen=True, slots=True)
class Step:
    """A request, some seconds after the one before; times are seconds from then."""

    gap: int
    role: Role
    at: int  # 0: take back what is held
    latest: int
    duration: int

    def request(self, now: NTPTime, sid: SID) -> TestRequest:
        spec = TestSpec(
            tool=ToolID.IPERF3,
            client=ip_address(DAEMON if self.role is Role.CLIENT else OTHER),
            server=ip_address(DAEMON if self.role is Role.SERVER else OTHER),
            duration=self.duration,
        )
        return TestRequest(
            role=self.role,
            time=NTPTime(now + ticks(self.at)) if self.at else NEVER,
            latest=NTPTime(now + ticks(self.at + self.latest)),
            error=ErrorEstimate.from_ticks(ticks(0.01), synchronised=True),
            spec=spec,
            tool_port=5000 if self.role is Role.CLIENT else 0,
            sid=sid,
        )


steps = st.builds(
    Step,
    st.integers(1, 40),
    st.sampled_from([Role.SERVER, Role.SERVER, Role.CLIENT]),
    st.sampled_from([0, 1, 5, 20, 60, 150]),
    st.sampled_from([0, 30, 300]),
    st.sampled_from([5, 30, 50]),
)


class RealClient:
    """A client of the daemon's real control connection, octets and all."""

    def __init__(self, daemon: SimulatedDaemon) -> None:
        daemon.host.probed.fire(None)
        factory = ControlFactory(daemon.host)
        self._transport: Any = StringTransport(
            IPv4Address("TCP", DAEMON, 4823), IPv4Address("TCP", CLIENT, 40_000)
        )
        self._session = ClientSession(Identity())
        self._protocol = factory.buildProtocol(IPv4Address("TCP", CLIENT, 40_000))
        self._protocol.makeConnection(self._transport)
        self._next()
        assert isinstance(self._tell(self._session.greet()), Opened)

    def request(self, request: TestRequest) -> TestAccept:
        answer = self._tell(self._session.request(request))
        assert isinstance(answer, TestAccept), answer
        return answer

    def close(self) -> None:
        self._protocol.connectionLost()

    def _tell(self, octets: bytes) -> object:
        self._protocol.dataReceived(octets)
        return self._next()

    def _next(self) -> object:
        self._session.receive_bytes(self._transport.value())
        self._transport.clear()
        return self._session.next_event()


def sid_for(role: Role, answers: Sequence[TestAccept]) -> SID:
    """What a client writes: the session that it holds; else the other daemon's, if it has one."""
    if answers and answers[-1].accept is AcceptType.ACCEPT:
        return answers[-1].sid
    return NO_SID if role is Role.SERVER else SID(b"s" * 16)


def told(answer: TestAccept) -> tuple[object, ...]:
    """What does not depend on chance: session ids and ports do."""
    return answer.accept, answer.start, bool(answer.port)


class ConnectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = VirtualReactor()
        self.clock = HostClock(self.reactor, BEGINNING, error=0.02)

    def daemon(self) -> SimulatedDaemon:
        return SimulatedDaemon(
            "a",
            ip_address(DAEMON),
            self.reactor,
            self.clock,
            {tester.name: tester for tester in BUILT_IN},
            DaemonSettings(limits=LIMITS),
            Random(1),
        )

    def connect(self, daemon: SimulatedDaemon) -> SimulatedConnection:
        who = ClientFacts(address=ip_address(CLIENT))
        return SimulatedConnection(
            daemon, who, self.reactor, Doors(), rtt=0.0, tail=0.1, stopped=lambda stop: None
        )

    def answers(self, steps: Sequence[Step]) -> tuple[list[TestAccept], list[TestAccept]]:
        """Of a real and of a simulated connection, each of a daemon of its own."""
        self.setUp()  # for each example anew
        daemons = self.daemon(), self.daemon()
        real, simulated = RealClient(daemons[0]), self.connect(daemons[1])
        simulated.open(lambda refused: self.assertEqual(refused, ""))
        found: tuple[list[TestAccept], list[TestAccept]] = ([], [])

        def ask(step: Step) -> None:
            now = self.clock.now()
            requests = [step.request(now, sid_for(step.role, one)) for one in found]
            found[0].append(real.request(requests[0]))
            simulated.request(requests[1], found[1].append)

        at = 0.0
        for step in steps:
            at += step.gap + 0.0137  # never at the very moment at which a reservation expires
            self.reactor.send(at, ask, step)
        self.reactor.send(at + 0.5, real.close)
        self.reactor.send(at + 0.5, simulated.close)
        self.reactor.run()
        for daemon in daemons:
            held = [left for left in daemon.leftovers if "connections" not in left]
            self.assertEqual(held, [])
        return found

    @quiet
    @given(st.lists(steps, min_size=1, max_size=12))
    def test_as_a_real_connection(self, steps: list[Step]) -> None:
        """The same requests get the same answers: first ones, updates, cancellations, refusals."""
        real, simulated = self.answers(steps)
        self.assertEqual(list(map(told, real)), list(map(told, simulated)))
