"""The transport's side of a control connection: turns, back-pressure, one deadline, closing.

It holds no rule of the protocol; `ControlProtocol` answers what it hands on.
"""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from bwctl.control.server import ServerEvent, ServerSession
from bwctl.errors import ProtocolError
from bwctl.net.eventlog import EventLog
from bwctl.net.host import Host
from bwctl.net.tcp import prepare
from bwctl.net.timers import Timer
from bwctl.values import IPAddress

_EVENTS_PER_TURN = 16  # of one client; then others have their turn
_FLUSH_S = 1.0  # for what was written before a close
_LAST_FLUSH_S = 4.0  # the same when the daemon stops: it may be the results of a test


@implementer(IPushProducer)
class Carrier(Protocol):
    """Carries octets between a client and its session."""

    log: ClassVar[EventLog] = EventLog()
    transport: Any  # TCP, TLS over it, or a local socket
    _session: ServerSession  # from `connectionMade` on

    def __init__(self, host: Host, peer: IPAddress) -> None:
        self._host = host
        self._peer = peer
        self._deadline: Timer | None = None
        self._turn: IDelayedCall | None = None
        self._unread = False  # our transport's buffer is full
        self._closing = False  # what was written goes out, no more is read

    def _answer(self, event: ServerEvent) -> None:
        """Do what a message asks for; of the protocol above."""

    def connectionMade(self) -> None:
        """Messages are small and answered one by one.

        A client may rightly be silent for as long as its time slot is away; of one whose host is
        gone, only TCP can tell.
        """
        prepare(self.transport)
        self.transport.registerProducer(self, True)

    def _drop_pending(self) -> None:
        """The connection is lost: nothing may stay behind."""
        self._disarm()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def dataReceived(self, data: bytes) -> None:
        """Octets of the client; whatever they are, they harm this connection alone."""
        try:
            self._session.receive_bytes(data)
        except ProtocolError as error:
            self._violation(error)
        else:
            self._resume()

    def _resume(self) -> None:
        """Answer what has come, unless our answers are not read; then go on in another turn."""
        try:
            for _ in range(_EVENTS_PER_TURN):
                waits = self._unread or self._closing or not self._session.has_octets
                event = None if waits else self._session.next_event()
                if event is None:
                    return
                self._answer(event)
        except ProtocolError as error:
            self._violation(error)
            return
        self.transport.pauseProducing()
        if self._turn is None:
            self._turn = self._host.reactor.callLater(0, self._next_turn)

    def _next_turn(self) -> None:
        self._turn = None
        if not self._unread:
            self.transport.resumeProducing()
        self._resume()

    def pauseProducing(self) -> None:
        """The client does not read what we write: take no more of its octets."""
        self._unread = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """It reads again."""
        self._unread = False
        self.transport.resumeProducing()
        self._resume()

    def stopProducing(self) -> None:
        """The connection is lost; `connectionLost` follows."""

    def _violation(self, error: ProtocolError) -> None:
        self.log.warn(
            "{peer} broke the protocol: {reason}",
            peer=self._peer,
            reason=str(error),
            event="control.violation",
        )
        self.transport.abortConnection()

    def abort(self) -> None:
        """End this connection, and with it what it holds."""
        self.transport.abortConnection()

    def finish(self) -> None:
        """End this connection, but let go out what was written, for a few seconds at most."""
        if not self._closing:
            self._close("the daemon stops", "control.closed", _LAST_FLUSH_S)

    def _arm(self, seconds: float) -> None:
        if self._closing:
            return
        if self._deadline is None:
            self._deadline = self._host.timers.after(seconds, self._expire)
        else:
            self._deadline.put_off(seconds)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        self._close(f"silent in state {self._session.state.name}", "control.timeout")

    def _close(self, reason: str, event: str, flush_s: float = _FLUSH_S) -> None:
        self.log.info("closing {peer}: {reason}", peer=self._peer, reason=reason, event=event)
        self._disarm()
        self._closing = True
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        # A client that does not read would keep the connection for ever.
        self._deadline = self._host.timers.after(flush_s, self.transport.abortConnection)
