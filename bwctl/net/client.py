"""A control client's connection to one daemon. Source: wire.md 4.2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from bwctl.control.client import (
    ClientEvent,
    ClientSession,
    Identity,
    NoCommonMode,
    Opened,
    ServerGreeted,
    TurnedAway,
)
from bwctl.control.legality import State
from bwctl.control.session import MAX_RESULT, Stopped
from bwctl.errors import AcceptType, BWCTLError, ProtocolError
from bwctl.net.clock import IClock
from bwctl.net.failures import SessionFailure
from bwctl.net.once import Once
from bwctl.net.tcp import prepare
from bwctl.net.timers import Timers
from bwctl.wire.messages import StartAck, TestAccept, TimeResponse
from bwctl.wire.request import TestRequest

if TYPE_CHECKING:
    from bwctl.net.tls import ClientTLS

ANSWER_TIMEOUT_S = 15.0  # a daemon may be looking for its testers when we come
RESULTS_TIMEOUT_S = 60.0  # as in C

E = TypeVar("E", bound=ClientEvent)


@implementer(IHandshakeListener)
class ControlClient(Protocol):
    """Asks one daemon, one question at a time; every answer has a time limit."""

    log: ClassVar[Logger] = Logger()
    transport: ITCPTransport

    def __init__(
        self,
        name: str,
        identity: Identity,
        clock: IClock,
        timers: Timers,
        *,
        answer_timeout: float = ANSWER_TIMEOUT_S,
        max_result: int = MAX_RESULT,
        tls: ClientTLS | None = None,
    ) -> None:
        self.name = name  # of the daemon, for messages
        self.tls = tls
        self.session = ClientSession(identity, max_result=max_result)
        self.stopped: Once[Stopped] = Once()
        self.lost: Once[SessionFailure] = Once()
        self.opened: Opened | None = None
        self.rtt = 0.0
        self._clock = clock
        self._timers = timers
        self._answer_timeout = answer_timeout
        self._greeted_at = 0.0
        self._secure = False  # the TLS handshake is done
        self._awaited: Deferred[Any] | None = None
        self._broken: SessionFailure | None = None

    # -- transport -------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """Messages are small and answered one by one."""
        prepare(self.transport)

    def handshakeCompleted(self) -> None:
        """TLS is up."""
        self._secure = True

    def dataReceived(self, data: bytes) -> None:
        """Octets of the daemon."""
        try:
            self.session.receive_bytes(data)
            while (event := self.session.next_event()) is not None:
                self._handle(event)
        except NoCommonMode as error:
            self._fail(SessionFailure("authentication", f"{self.name}: {error}", _mode_hint(error)))
        except ProtocolError as error:
            self._fail(SessionFailure("protocol", f"{self.name} broke the protocol: {error}"))

    def _handle(self, event: ClientEvent) -> None:
        if isinstance(event, ServerGreeted):
            self._greet(event)
        elif isinstance(event, Stopped):
            self.stopped.fire(event)
        else:
            self._answer(event)

    def _greet(self, event: ServerGreeted) -> None:
        if not event.modes:
            text = f"{self.name} offers no service to this address"
            self._fail(SessionFailure("denied", text, "its limits or its load forbid it"))
            return
        self._greeted_at = self._clock.mono()
        self.transport.write(self.session.greet())

    def _answer(self, event: ClientEvent) -> None:
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            awaited.callback(event)

    def _fail(self, failure: SessionFailure) -> None:
        self._broken = self._broken or failure
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell whoever waits."""
        failure = self._broken or self._tls_failure(reason) or _loss(self.name, reason)
        self._broken = failure
        awaited, self._awaited = self._awaited, None
        self.lost.fire(failure)
        if awaited is not None:
            awaited.errback(failure)

    def _tls_failure(self, reason: Failure) -> SessionFailure | None:
        """What TLS had against the connection; it comes before the daemon's first word or never."""
        if self.tls is None or self.opened is not None:
            return None
        text = self.tls.explain(reason.value) if reason.value is not None else None
        if text is None and not self._secure:
            text = "it does not speak TLS on this port, or broke off"
        if not text:
            return None
        return SessionFailure("authentication", f"{self.name}: {text}", self.tls.advice)

    async def _ask(self, octets: bytes, kind: type[E]) -> E:
        """Send, and wait for the answer."""
        if self._broken is not None:
            raise self._broken
        if octets:
            self.transport.write(octets)
        answer: Deferred[Any] = Deferred()
        self._awaited = answer
        timer = self._timers.after(self._answer_timeout, self._expire)
        try:
            event = await answer
        finally:
            timer.cancel()
        if not isinstance(event, kind):
            raise SessionFailure("protocol", f"{self.name} gave an unexpected answer")
        return event

    def _expire(self) -> None:
        text = f"{self.name} did not answer within {self._answer_timeout:g} s"
        silent = self.session.state is State.OPENED and self.tls is None
        hint = "if that is a TLS port, write bwctls://HOST:PORT" if silent else ""
        self._fail(SessionFailure("timeout", text, hint))

    # -- conversation ----------------------------------------------------------------------------

    async def open(self) -> Opened:
        """Wait for the end of the handshake.

        Raises:
            SessionFailure: it failed; the connection is closed.
        """
        event: Opened | TurnedAway = await self._ask(b"", (Opened, TurnedAway))  # type: ignore[arg-type]
        self.rtt = self._clock.mono() - self._greeted_at
        if isinstance(event, TurnedAway):
            raise _turned_away(self.name, event.accept)
        self.opened = event
        return event

    async def time(self) -> TimeResponse:
        """The daemon's clock."""
        return await self._ask(self.session.ask_time(), TimeResponse)

    async def request(self, request: TestRequest) -> TestAccept:
        """Ask for a time slot, move it, or give it back."""
        return await self._ask(self.session.request(request), TestAccept)

    async def start(self, peer_port: int, protected: bool = False) -> StartAck:
        """Confirm the reservation; protected: the peer connection is to be one of TLS."""
        self.stopped = Once()
        return await self._ask(self.session.start(peer_port, protected), StartAck)

    async def stop(self, accept: AcceptType = AcceptType.ACCEPT) -> Stopped:
        """Say that we are done and wait for the daemon's results.

        Raises:
            SessionFailure: they do not come.
        """
        if self.session.may_stop and self._broken is None:
            self.transport.write(self.session.stop(accept))
        timer = self._timers.after(RESULTS_TIMEOUT_S, self._no_results)
        try:
            return await self.results()
        finally:
            timer.cancel()

    async def results(self) -> Stopped:
        """Wait for the daemon's results, however long the test takes."""
        both: Once[Stopped | SessionFailure] = Once()
        self.stopped.wait().addCallback(both.fire)
        self.lost.wait().addCallback(both.fire)
        result = await both.wait()
        if isinstance(result, BWCTLError):
            raise result
        return result

    def _no_results(self) -> None:
        text = f"{self.name} sent no results within {RESULTS_TIMEOUT_S:g} s"
        self._fail(SessionFailure("timeout", text))

    @property
    def version(self) -> int:
        """Of the control protocol, as both ends speak it."""
        return self.session.version

    @property
    def holds_reservation(self) -> bool:
        """Whether there is something to give back."""
        return self.session.holds_reservation

    @property
    def usable(self) -> bool:
        """Whether another test can follow on this connection."""
        return self._broken is None and self.session.state is State.IDLE

    def close(self) -> None:
        """End the connection; the daemon frees whatever we hold."""
        if self._broken is None:
            self._broken = SessionFailure("lost", f"the connection to {self.name} was closed")
            if self.connected:
                self.transport.loseConnection()


def _loss(name: str, reason: Failure) -> SessionFailure:
    if reason.check(ConnectionDone):
        return SessionFailure("lost", f"{name} closed the connection", "its log tells why")
    hint = "its daemon or its host died, or the network between failed"
    return SessionFailure("lost", f"the connection to {name} broke", hint)


def _mode_hint(error: NoCommonMode) -> str:
    if error.offered and not error.offered & 1:
        return "the daemon wants a user and a key: give `-A A AESKEY USER KEYFILE`"
    return "other authentication words after -A, or the host of -c or -s, choose other modes"


def _turned_away(name: str, accept: AcceptType) -> SessionFailure:
    if accept is AcceptType.REJECT:
        text = f"{name} turned us away: unknown user, wrong key, or not allowed"
        return SessionFailure("authentication", text, "check the user and the key file")
    return SessionFailure("protocol", f"{name} failed in the handshake (accept {int(accept)})")
