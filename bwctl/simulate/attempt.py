"""One planned test of the simulated client, from opening the connections to closing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from bwctl.control import timing
from bwctl.control.negotiation import Agreed, Ask, Backoff, Failed, Negotiation, Requests
from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.interfaces import ClientFacts
from bwctl.mesh.plan import Series
from bwctl.mesh.spec import spec_of
from bwctl.simulate.clock import HostClock, VirtualReactor
from bwctl.simulate.connection import SimulatedConnection
from bwctl.simulate.daemon import SimulatedDaemon
from bwctl.simulate.faults import Fault, Misfortune
from bwctl.simulate.record import Outcome, Record
from bwctl.simulate.testend import Doors
from bwctl.values import NTPTime, Role, ticks
from bwctl.wire.messages import StartAck, TestAccept

UNREACHABLE_S: Final = 10.0  # until a client gives up a daemon that does not answer
_JITTER: Final = 0.1  # part of a round trip by which it differs from test to test


@dataclass(frozen=True, slots=True)
class Reached:
    """A daemon, its clock, and how far it is from the client."""

    daemon: SimulatedDaemon
    clock: HostClock
    rtt: float  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What all attempts of one client share."""

    reactor: VirtualReactor
    facts: ClientFacts
    reached: Mapping[str, Reached]
    random: Random
    tail: float  # seconds that testers need to end
    doors: Doors = field(default_factory=Doors)


class Attempt:
    """One test. The sender's host has the tester's client, the receiver's its server.

    Args:
        done: told once what became of it.
    """

    def __init__(
        self,
        client: Client,
        series: Series,
        planned: float,
        misfortune: Misfortune | None,
        done: Callable[[Record], None],
    ) -> None:
        self._client = client
        self._series = series
        self._planned = planned
        self._misfortune = misfortune
        self._done = done
        self._over = False
        self._start: float | None = None
        self._stops: list[Stopped] = []
        self._ends = {
            Role.SERVER: self._connection(series.pair.receiver, sends=False),
            Role.CLIENT: self._connection(series.pair.sender, sends=True),
        }
        self._requests: Requests
        self._negotiation: Negotiation

    def _connection(self, name: str, *, sends: bool) -> SimulatedConnection:
        client, mine = self._client, self._befalls(sends)
        reached = client.reached[name]
        return SimulatedConnection(
            reached.daemon,
            client.facts,
            client.reactor,
            client.doors,
            rtt=reached.rtt * client.random.uniform(1 - _JITTER, 1 + _JITTER),
            tail=None if self._suffers(Fault.HUNG_TESTER) else client.tail,
            stopped=self._stopped,
            late=mine.after if mine and mine.fault is Fault.LATE_START else 0.0,
        )

    def _befalls(self, sends: bool) -> Misfortune | None:
        """What befalls the end that sends, or the other one."""
        one = self._misfortune
        return one if one is not None and one.sender is sends else None

    def _suffers(self, fault: Fault) -> bool:
        return self._misfortune is not None and self._misfortune.fault is fault

    # -- the course of a test --------------------------------------------------------------------

    def begin(self) -> None:
        """Open the connections."""
        reactor = self._client.reactor
        if self._misfortune is not None and self._suffers(Fault.CLIENT_LOST):
            reactor.send(self._misfortune.after, self._end, Outcome.FAILED, "client lost")
        if self._suffers(Fault.UNREACHABLE):
            reactor.send(UNREACHABLE_S, self._end, Outcome.FAILED, "unreachable")
            return
        self._ends[Role.SERVER].open(self._server_open)

    def _server_open(self, refused: str) -> None:
        if self._let_in(refused):
            self._ends[Role.CLIENT].open(self._client_open)

    def _client_open(self, refused: str) -> None:
        if self._let_in(refused):
            self._negotiate()

    def _let_in(self, refused: str) -> bool:
        if refused:
            self._end(Outcome.DENIED, refused)
        return not refused

    def _negotiate(self) -> None:
        test, ends = self._series.test, self._ends
        clock = self._clock(Role.SERVER)
        rtts = [end.rtt for end in ends.values()]
        first = timing.first_time(clock.now(), ticks(sum(rtts)))
        latest = NTPTime(first + ticks(test.latest))
        errors = {
            role: self._clock(role).error().plus(ticks(end.rtt)) for role, end in ends.items()
        }
        addresses = (ends[role].daemon.address for role in (Role.CLIENT, Role.SERVER))
        self._requests = Requests(spec_of(test, *addresses), latest, errors)
        backoff = Backoff(sum(rtts), self._client.random)
        self._negotiation = Negotiation(first, latest, backoff=backoff)
        self._ask(self._negotiation.ask)

    def _ask(self, ask: Ask) -> None:
        if not self._over:
            self._ends[ask.role].request(self._requests.request(ask), self._answered)

    def _answered(self, answer: TestAccept) -> None:
        step = self._negotiation.answer(answer)
        if isinstance(step, Agreed):
            self._start = self._clock(Role.SERVER).virtual(step.start)
            self._ends[Role.SERVER].start(0, self._server_started)
        elif isinstance(step, Failed):
            self._refused(step)
        elif step.pause:
            self._client.reactor.send(step.pause, self._ask, step)
        else:
            self._ask(step)

    def _refused(self, failed: Failed) -> None:
        """Give back what is held, then close; the client role's first, as a real client does."""
        for role in (Role.CLIENT, Role.SERVER):
            if role in self._negotiation.held:
                cancellation = self._requests.cancellation(role, self._negotiation.sid)
                self._ends[role].request(cancellation, lambda answer: None)
        if failed.accept is not AcceptType.REJECT:
            self._end(Outcome.FAILED, failed.reason)
        elif failed.start:
            self._end(Outcome.BUSY, failed.reason)
        else:  # without what differs from test to test
            self._end(Outcome.DENIED, self._ends[failed.role].refusal.split(" (")[0])

    def _server_started(self, ack: StartAck) -> None:
        if self._has_started(ack):
            self._ends[Role.CLIENT].start(ack.peer_port, self._client_started)

    def _client_started(self, ack: StartAck) -> None:
        self._has_started(ack)

    def _has_started(self, ack: StartAck) -> bool:
        if ack.accept is not AcceptType.ACCEPT:
            self._end(Outcome.FAILED, "could not start")
        return ack.accept is AcceptType.ACCEPT

    def _stopped(self, stop: Stopped) -> None:
        self._stops.append(stop)
        if len(self._stops) < len(self._ends):
            return
        bad = [one for one in self._stops if one.accept is not AcceptType.ACCEPT]
        if bad:
            self._end(Outcome.FAILED, bad[0].output.decode())
        else:
            self._end(Outcome.DONE, "")

    def _end(self, outcome: Outcome, reason: str) -> None:
        """It is over; harmless when done already."""
        if self._over:
            return
        self._over = True
        ends, self._ends = self._ends, {}
        for end in ends.values():
            end.close()
        record = Record(
            series=self._series,
            planned=self._planned,
            outcome=outcome,
            start=self._start,
            reason=reason,
            injected=self._misfortune is not None and outcome is not Outcome.DONE,
        )
        self._done(record)

    def _clock(self, role: Role) -> HostClock:
        pair = self._series.pair
        return self._client.reached[pair.receiver if role is Role.SERVER else pair.sender].clock
