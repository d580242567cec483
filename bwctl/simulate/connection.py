"""A control connection on virtual time: the client's end, the way, and the daemon's end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.interfaces import ClientFacts
from bwctl.limits.policy import open_mode_denials
from bwctl.net.broker import Refusal
from bwctl.net.claim import Claim
from bwctl.simulate.clock import VirtualReactor
from bwctl.simulate.daemon import SimulatedDaemon
from bwctl.simulate.testend import Doors, TestEnd
from bwctl.values import NEVER, NO_SID, Role
from bwctl.wire.messages import StartAck, TestAccept
from bwctl.wire.request import TestRequest

T = TypeVar("T")


class SimulatedConnection:
    """What a client does with a daemon, without the octets.

    The daemon's end does with each message what a real control connection does, with a real `Claim`
    (tests/simulate/test_connection.py compares them). Every message takes half a round trip; an
    answer comes as a call of `then`, and not at all once the client has closed.

    Args:
        rtt: seconds for a message and its answer.
        tail: as of TestEnd.
        stopped: told the daemon's StopSession.
        late: seconds by which StartSession is late.
    """

    def __init__(
        self,
        daemon: SimulatedDaemon,
        client: ClientFacts,
        reactor: VirtualReactor,
        doors: Doors,
        *,
        rtt: float,
        tail: float | None,
        stopped: Callable[[Stopped], None],
        late: float = 0.0,
    ) -> None:
        self.daemon = daemon
        self.rtt = rtt
        self.refusal = ""  # the daemon's reason, which the wire does not carry
        self._client = client
        self._claim = Claim(
            daemon.host, daemon.broker, client, local=False, rtt=rtt, random=daemon.random.randbytes
        )
        self._reactor = reactor
        self._doors = doors
        self._way = rtt / 2
        self._tail = tail
        self._stopped = stopped
        self._late = late
        self._closed = False
        # the daemon's end
        self._entered = False  # counted as a connection
        self._over = False  # the daemon has noticed that the client is gone
        self._end: TestEnd | None = None
        self._door = 0

    # -- the client's end ------------------------------------------------------------------------

    def open(self, then: Callable[[str], None]) -> None:
        """Connect and shake hands, two round trips; why the daemon turned us away, "": it did not.

        The daemon's clock may be read at once after: it is not the reading that is simulated.
        """
        self._send(self._enter, then, self.rtt)

    def request(self, request: TestRequest, then: Callable[[TestAccept], None]) -> None:
        """Ask for a time slot, move it, or give it back."""
        self._send(lambda: self._ask_broker(request), then)

    def start(self, peer_port: int, then: Callable[[StartAck], None]) -> None:
        """Confirm the reservation."""
        self._send(lambda: self._start_test(peer_port), then, self._late)

    def close(self) -> None:
        """The client closes the connection, or is lost; harmless when done already."""
        if not self._closed:
            self._closed = True
            self._reactor.send(self._way, self._gone)

    def _send(self, act: Callable[[], T], then: Callable[[T], None], delay: float = 0.0) -> None:
        self._reactor.send(self._way + delay, self._arrive, act, then)

    def _deliver(self, then: Callable[[T], None], answer: T) -> None:
        if not self._closed:
            then(answer)

    # -- the daemon's end ------------------------------------------------------------------------

    def _arrive(self, act: Callable[[], T], then: Callable[[T], None]) -> None:
        if not self._over:
            self._reactor.send(self._way, self._deliver, then, act())

    def _enter(self) -> str:
        """Let the client in, or say why not."""
        daemon, client = self.daemon, self._client
        self._entered = True
        too_many = daemon.connections.enter(self, client.address, daemon.host)
        daemon.use.connections = max(daemon.use.connections, len(daemon.connections.open))
        if too_many:
            return too_many
        limit_class = daemon.host.classify(client)
        denials = open_mode_denials(limit_class) if client.user is None else []
        if denials:
            return str(denials[0])
        return daemon.connections.enter_class(self, limit_class)

    def _ask_broker(self, request: TestRequest) -> TestAccept:
        claim = self._claim
        if not request.time:
            port = claim.booking.port if claim.booking is not None else 0
            claim.release()
            return TestAccept(AcceptType.REJECT, NEVER, request.sid, port)
        answer = claim.ask(request, update=claim.booking is not None)
        if isinstance(answer, Refusal):
            self.refusal = answer.reason
            return TestAccept(answer.accept, answer.start, NO_SID)
        port = answer.port if request.role is Role.SERVER else 0
        return TestAccept(AcceptType.ACCEPT, answer.reservation.start, answer.sid, port)

    def _start_test(self, peer_port: int) -> StartAck:
        booking = self._claim.standing
        if booking is None:
            self._claim.release()
            return StartAck(AcceptType.FAILURE)
        end = self._end = TestEnd(self.daemon, booking, self._finished, self._tail)
        self.daemon.broker.confirm(booking)
        end.begin()
        if booking.reservation.role is Role.SERVER:
            self._door = self._doors.open(end)
            return StartAck(AcceptType.ACCEPT, self._door)
        other = self._doors.close(peer_port)
        if other is not None:
            end.meet(other)
        return StartAck(AcceptType.ACCEPT)

    def _finished(self, stopped: Stopped) -> None:
        self._doors.close(self._door)
        self._end = self._claim.booking = None
        self._reactor.send(self._way, self._deliver, self._stopped, stopped)

    def _gone(self) -> None:
        """The client is gone: whatever it held is free again."""
        self._over = True
        if self._entered:
            self.daemon.connections.leave(self, self._client.address)
        if self._end is not None:
            self._end.finish(AcceptType.REJECT)
        self._claim.release()
