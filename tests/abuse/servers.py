"""Hostile daemons for our client: they behave up to one message, which is damaged."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from bwctl.control import server as asked
from bwctl.control.server import ServerSession
from bwctl.control.session import Stopped
from bwctl.errors import AcceptType, ProtocolError
from bwctl.values import SID, NTPTime, ToolID
from bwctl.wire.crypto import BLOCK
from bwctl.wire.fields import ALL_MODES
from bwctl.wire.messages import encode_stop
from tests.abuse.scenes import ERROR, now
from tests.support.damage import mutated
from tests.support.raw import KEY

OUTPUT = b"bwctl: hostile\n#json {}\n"
STEPS = ("greeting", "ok", "time", "accept", "start", "stop")
LINGER_S = 0.05  # after the damaged message


class HostileServer(Protocol):
    """One control connection. `say` makes octets of the sound message of a step."""

    transport: Any

    def __init__(self, reactor: Any, say: Callable[[str, bytes], bytes]) -> None:
        self._reactor = reactor
        self._say = say
        self._session = ServerSession(ALL_MODES)
        self._end: Any = None

    def connectionMade(self) -> None:
        self._tell("greeting", self._session.greet())

    def _tell(self, step: str, sound: bytes) -> None:
        octets = self._say(step, sound)
        self.transport.write(octets)
        if octets != sound and self._end is None:
            patience = LINGER_S + len(octets) / 1e6  # closing early would throw away what is unread
            self._end = self._reactor.callLater(patience, self.transport.loseConnection)

    def dataReceived(self, data: bytes) -> None:
        try:
            self._session.receive_bytes(data)
            while (event := self._session.next_event()) is not None:
                self._answer(event)
        except ProtocolError:  # the client is lost too by now
            self.transport.abortConnection()

    def _answer(self, event: asked.ServerEvent) -> None:
        session = self._session
        if isinstance(event, asked.ClientGreeted):
            session.verify(KEY)
            self._tell("ok", session.open(ToolID.THRULAY, NTPTime(1 << 60)))
        elif isinstance(event, asked.TimeAsked):
            self._tell("time", session.time(now(), ERROR))
        elif isinstance(event, asked.TestAsked):
            sid = SID(bytes(range(16)))
            self._tell("accept", session.grant(event.request.time, sid, 5001))
        elif isinstance(event, asked.StartAsked):
            self._tell("start", session.start(6001))
            self._tell("stop", session.stop(AcceptType.FAILURE, OUTPUT))
        elif not isinstance(event, Stopped):
            self.transport.write(session.deny(AcceptType.REJECT))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._end is not None and self._end.active():
            self._end.cancel()


class HostileFactory(Factory):
    """Damages one step of each connection, or answers with what `instead` has for it."""

    noisy = False

    def __init__(self, reactor: Any, dice: random.Random) -> None:
        self._reactor = reactor
        self._dice = dice
        self.step = ""
        self.instead = b""  # a sound message of another step
        self.damage = mutated
        self.port = 0

    def buildProtocol(self, addr: Any) -> HostileServer:
        server = HostileServer(self._reactor, self._octets)
        server.factory = self
        return server

    def _octets(self, step: str, sound: bytes) -> bytes:
        if step != self.step:
            return sound
        return self.damage(self.instead or sound, self._dice)


# Sound messages, in open mode, for use where they do not belong.
def foreign() -> dict[str, bytes]:
    """One of each kind."""
    return {
        "greeting": ServerSession(ALL_MODES).greet(),
        "results": encode_stop(AcceptType.ACCEPT, OUTPUT),
        "no results": encode_stop(AcceptType.FAILURE),
        "zeros": bytes(4 * BLOCK),
    }
