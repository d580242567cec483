"""The peer connection: two daemons check clocks and trade results. Source: wire.md 6."""

from __future__ import annotations

from typing import ClassVar

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
from bwctl.control.legality import PEER, State
from bwctl.control.server import ClientGreeted, ServerEvent, ServerSession, TimeAsked
from bwctl.control.session import Stopped
from bwctl.control.timing import Reading, clock_complaint
from bwctl.errors import AcceptType, BWCTLError, ProtocolError, RemoteProtocolError
from bwctl.limits.addresses import plain_address
from bwctl.net.clock import IClock, reading
from bwctl.net.once import Once
from bwctl.net.tcp import prepare
from bwctl.net.timers import Timer, Timers
from bwctl.values import NTPTime, ToolID
from bwctl.wire.fields import Mode
from bwctl.wire.messages import Ready, TimeResponse

HANDSHAKE_TIMEOUT_S = 10.0
_FLUSH_S = 5.0
_FOREIGN = "whoever is at the other end's peer port does not speak the protocol"
EXTENSION_READY = 1  # the server end says when its tester listens: doc/design/extensions.rst


class PeerFailure(BWCTLError):
    """The peer connection cannot be used; the text says why."""


def peer_modes(control: Mode) -> Mode:
    """Modes offered or wanted on the peer connection of a control connection (wire.md 6.3)."""
    return {
        Mode.OPEN: Mode.OPEN | Mode.AUTHENTICATED | Mode.ENCRYPTED,
        Mode.AUTHENTICATED: Mode.AUTHENTICATED | Mode.ENCRYPTED,
        Mode.ENCRYPTED: Mode.ENCRYPTED,
    }[control]


@implementer(IHandshakeListener)
class PeerLink(Protocol):
    """Common to both ends. `established` fires with None or the reason of failure.

    Over TLS the key is not the SID itself but one that is bound to the connection.
    """

    log: ClassVar[Logger] = Logger()
    transport: ITCPTransport
    session: ClientSession | ServerSession

    def __init__(self, timers: Timers, clock: IClock, sid: bytes, timeout: float) -> None:
        self._key = sid
        self.established: Once[PeerFailure | None] = Once()
        self.stopped: Once[Stopped | None] = Once()  # None: it went away without a word
        self._clock = clock
        self._timers = timers
        self._timeout = timeout
        self._deadline: Timer | None = None
        self._lost = False

    @property
    def is_there(self) -> bool:
        """Whether it is connected."""
        return bool(self.connected) and not self._lost

    def connectionMade(self) -> None:
        """Arm the handshake's deadline."""
        prepare(self.transport)
        self._deadline = self._timers.after(self._timeout, self._expire)

    def handshakeCompleted(self) -> None:
        """TLS is up; nothing of the other end was read before."""
        from bwctl.net.peertls import bound_key

        self._key = bound_key(self._key, self.transport)
        self.log.info("peer connection with {peer} over TLS", peer=self._where(), event="peer.tls")

    def _where(self) -> str:
        """The other end's address, for the log."""
        host = getattr(self.transport.getPeer(), "host", None)
        return str(plain_address(host)) if host else "somebody"

    def _expire(self) -> None:
        self._fail("the handshake took too long")

    def dataReceived(self, data: bytes) -> None:
        """Octets from the other end; whatever they are, they harm this connection alone."""
        try:
            self.session.receive_bytes(data)
            while (event := self.session.next_event()) is not None:
                self._handle(event)
        except NoCommonMode as error:
            self._fail(str(error))
        except ProtocolError as error:
            self._fail(str(error), _FOREIGN)

    def _handle(self, event: ClientEvent | ServerEvent) -> None:
        """What both ends treat alike."""
        if isinstance(event, Stopped):
            self.stopped.fire(event)

    def _write(self, octets: bytes) -> None:
        if octets:
            self.transport.write(octets)

    def _establish(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self.established.fire(None)

    def _fail(self, reason: str, told: str = "") -> None:
        """Give the connection up.

        Args:
            told: to the control client, where the reason is for the log alone: it may show what
                some service said that the client could not ask itself.
        """
        self.log.info(
            "peer connection with {peer} failed: {reason}",
            peer=self._where(),
            reason=reason,
            event="peer.failed",
        )
        self.established.fire(PeerFailure(told or reason))
        self.stopped.fire(None)
        self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Nothing is left pending."""
        self._lost = True
        if self._deadline is not None:
            self._deadline.cancel()
        self.established.fire(PeerFailure("the connection was closed in the handshake"))
        self.stopped.fire(None)

    def send_stop(self, accept: AcceptType, output: bytes) -> None:
        """Send our results, once."""
        if self.session.may_stop:
            self._write(self.session.stop(accept, output))

    def close(self) -> None:
        """End the connection; what was written has a few seconds to go out."""
        if not self.is_there:
            return
        self.transport.loseConnection()
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._timers.after(_FLUSH_S, self.abort)

    def abort(self) -> None:
        """End the connection now, if there is one."""
        if self.connected and not self._lost:
            self.transport.abortConnection()


class ClientLink(PeerLink):
    """The client daemon's end: it opens the connection and judges the clocks.

    `ready` fires with None when the other end's tester is known to listen; it fires together with
    `established` where the other end cannot tell.
    """

    session: ClientSession

    def __init__(
        self,
        timers: Timers,
        clock: IClock,
        sid: bytes,
        control_mode: Mode,
        *,
        timeout: float = HANDSHAKE_TIMEOUT_S,
        max_result: int,
        tls: bool = False,
    ) -> None:
        super().__init__(timers, clock, sid, timeout)
        self._modes = Mode.ENCRYPTED if tls else peer_modes(control_mode)
        self._max_result = max_result
        self.session = self._make_session()
        self.ready: Once[None] = Once()
        self._before: Reading | None = None

    def _make_session(self) -> ClientSession:
        # The strongest mode: only who knows the SID gets through, where C takes the weakest.
        identity = Identity(self._modes, b"endpoint", self._key)
        return ClientSession(
            identity, table=PEER, extensions=EXTENSION_READY, max_result=self._max_result
        )

    def handshakeCompleted(self) -> None:
        """TLS is up; it was not known before with which key the conversation goes on."""
        super().handshakeCompleted()
        self.session = self._make_session()

    def _handle(self, event: ClientEvent | ServerEvent) -> None:
        if isinstance(event, ServerGreeted):
            self._write(self.session.greet())
        elif isinstance(event, Opened):
            self._before = reading(self._clock)
            self._write(self.session.ask_time())
        elif isinstance(event, TimeResponse):
            self._judge(event)
        elif isinstance(event, Ready):
            self._is_ready()
        elif isinstance(event, TurnedAway):
            self._fail("the other end does not know this session")
        else:
            super()._handle(event)

    def _is_ready(self) -> None:
        if self.ready.fired:  # it is cheap to say, and each costs us some work
            raise RemoteProtocolError("Ready for the second time")
        self.ready.fire(None)

    def _judge(self, remote: TimeResponse) -> None:
        assert self._before is not None, "a TimeResponse before its TimeRequest"
        told = Reading(remote.time, remote.error)
        complaint = clock_complaint(self._before, told, reading(self._clock))
        if complaint is not None:
            self.established.fire(PeerFailure(complaint))
            return
        if not self.session.peer_extensions:
            self.ready.fire(None)
        self._establish()


class ServerLink(PeerLink):
    """The server daemon's end of one connection that came in; it may be a stranger's."""

    session: ServerSession

    def __init__(
        self,
        timers: Timers,
        clock: IClock,
        sid: bytes,
        control_mode: Mode,
        started: NTPTime,
        *,
        timeout: float = HANDSHAKE_TIMEOUT_S,
        max_result: int,
        tls: bool = False,
    ) -> None:
        super().__init__(timers, clock, sid, timeout)
        self._started = started
        self.proven = False  # the other end knows the SID
        self.session = ServerSession(
            Mode.ENCRYPTED if tls else peer_modes(control_mode),
            table=PEER,
            extensions=EXTENSION_READY,
            max_result=max_result,
        )

    def connectionMade(self) -> None:
        """The listening end speaks first."""
        super().connectionMade()
        self._write(self.session.greet())

    def _handle(self, event: ClientEvent | ServerEvent) -> None:
        if isinstance(event, ClientGreeted):
            self._verify(event)
        elif isinstance(event, TimeAsked):
            self._write(self.session.time(self._clock.now(), self._clock.error()))
            self._establish()
        else:
            super()._handle(event)

    def _verify(self, event: ClientGreeted) -> None:
        if not self.session.verify(self._key):
            self._write(self.session.refuse(AcceptType.REJECT))
            self.established.fire(PeerFailure("wrong mode or session id"))
            self.transport.loseConnection()
            return
        self.proven = event.mode is not Mode.OPEN
        self._write(self.session.open(ToolID.NONE, self._started))

    def tell_ready(self) -> None:
        """Our tester listens."""
        if self.session.state is State.TESTING:
            self._write(self.session.ready())
