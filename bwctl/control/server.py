"""The listening end: a daemon's control connections, and the server daemon's peer agent."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bwctl.control.legality import CONTROL, Message, State, Table
from bwctl.control.session import MAX_RESULT, Session, Stopped
from bwctl.errors import AcceptType, LocalProtocolError, RemoteProtocolError
from bwctl.values import NEVER, NO_SID, SID, ErrorEstimate, NTPTime, ToolID
from bwctl.wire.crypto import KEY_SIZE, ZERO_BLOCK, AESStream, open_token
from bwctl.wire.fields import PROTOCOL_VERSION, Mode
from bwctl.wire.handshake import ClientGreeting, ServerGreeting, ServerOK, ServerUptime
from bwctl.wire.messages import (
    START_SESSION,
    STOP_SESSION,
    TEST_REQUEST,
    TIME_REQUEST,
    Ready,
    StartAck,
    StartSession,
    TestAccept,
    TimeRequest,
    TimeResponse,
)
from bwctl.wire.request import TestRequest, UnsupportedRequest


@dataclass(frozen=True, slots=True)
class ClientGreeted:
    """A client chose a mode and named itself; answer with `verify`, then `open` or `refuse`."""

    mode: Mode
    user: str  # "" in open mode
    version: int


@dataclass(frozen=True, slots=True)
class TimeAsked:
    """Answer with `time`."""


@dataclass(slots=True)
class TestAsked:
    """A time slot is wanted, or (`update`) the held one is to move; `grant` or `deny`."""

    __test__ = False
    request: Final[TestRequest]
    update: Final[bool]


@dataclass(slots=True)
class CancelAsked:
    """The reservation, if there is one, is given back; answer with `deny`."""

    sid: Final[SID]


@dataclass(frozen=True, slots=True)
class UnsupportedAsked:
    """A request that nobody could carry out; answer with `deny`. What is held goes with it."""

    reason: str


@dataclass(frozen=True, slots=True)
class StartAsked:
    """The reservation is confirmed; answer with `start` or `refuse_start`."""

    peer_port: int
    protected: bool = False  # the peer connection is to be one of TLS


ServerEvent = (
    ClientGreeted | TimeAsked | TestAsked | CancelAsked | UnsupportedAsked | StartAsked | Stopped
)

_NOBODYS_KEY = os.urandom(KEY_SIZE)  # drawn once: to draw one takes time that a known user has not
_MESSAGES = {
    TEST_REQUEST: Message.TEST_REQUEST,
    START_SESSION: Message.START_SESSION,
    STOP_SESSION: Message.CLIENT_STOP,
    TIME_REQUEST: Message.TIME_REQUEST,
}


class ServerSession(Session):
    """The control protocol as the listening end speaks it. Source: wire.md 4.1, 6.2."""

    def __init__(
        self,
        modes: Mode,
        *,
        table: Table = CONTROL,
        extensions: int = 0,
        max_result: int = MAX_RESULT,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(table, as_server=True, max_result=max_result)
        self._modes = modes
        self._random = random
        self._challenge = random(KEY_SIZE)
        self._extensions = extensions
        self._greeting: ClientGreeting | None = None
        self._session_key: bytes | None = None
        self._sid: SID | None = None
        self.peer_extensions = 0  # what the other end confirmed
        self.version = 0  # that the client speaks, once it has greeted (wire.md 7.2)

    def greet(self) -> bytes:
        """The ServerGreeting. With no modes it says that there is no service: close after it."""
        self._advance(Message.SERVER_GREETING)
        greeting = ServerGreeting(self._modes, self._challenge, extensions=self._extensions)
        return greeting.encode()

    def next_event(self) -> ServerEvent | None:
        """What has arrived, one message at a time; None until there is a whole one.

        None also while the last event has not been answered.

        Raises:
            RemoteProtocolError: the other end broke the protocol; close the connection.
        """
        if self.state is State.GREETED:
            return self._next_greeting()
        if self.state not in _LISTENING:
            return None
        if self._stop is not None:
            return self._next_stop()
        kind = self._peek()
        if kind is None:
            return None
        if kind not in _MESSAGES:
            raise RemoteProtocolError(f"message type {kind}")
        self._check(_MESSAGES[kind])
        return _READERS[kind](self)

    def _next_greeting(self) -> ClientGreeted | None:
        octets = self._take_raw(ClientGreeting.SIZE)
        if octets is None:
            return None
        self._greeting = greeting = ClientGreeting.decode(octets)
        self._advance(Message.CLIENT_GREETING)
        self.version = min(greeting.version, PROTOCOL_VERSION)
        self.peer_extensions = greeting.extensions & self._extensions
        user = (
            "" if greeting.mode is Mode.OPEN else greeting.user.decode("utf-8", "surrogateescape")
        )
        return ClientGreeted(greeting.mode, user, self.version)

    def verify(self, key: bytes | None) -> bool:
        """Whether the mode was offered and the token made with the key; None: user unknown.

        An unknown user costs the same time as a wrong key (wire.md 8.2).
        """
        greeting = self._greeting
        assert greeting is not None, "verify() before ClientGreeted"
        offered = bool(greeting.mode & self._modes)
        if greeting.mode is Mode.OPEN:
            return offered
        secret = _NOBODYS_KEY if key is None else key
        self._session_key = open_token(secret, self._challenge, greeting.token)
        return offered and key is not None and self._session_key is not None

    def open(self, tools: ToolID, started: NTPTime) -> bytes:
        """ServerOK and uptime block: the client may ask now. Only after `verify` said yes."""
        self._check(Message.SERVER_OK)
        assert self._greeting is not None  # since the message is legal
        if self._session_key is None and self._greeting.mode is not Mode.OPEN:
            raise LocalProtocolError("open() before verify() said yes")
        self._advance(Message.SERVER_OK)
        iv = ZERO_BLOCK
        if self._session_key is not None:
            iv = self._random(KEY_SIZE)
            self._stream = AESStream(self._session_key, out_iv=iv, in_iv=self._greeting.iv)
        uptime = self._stream.encrypt(ServerUptime(started).encode())
        return ServerOK(AcceptType.ACCEPT, tools, iv).encode() + uptime

    def refuse(self, accept: AcceptType) -> bytes:
        """ServerOK that turns the client away; close after it."""
        self._advance(Message.SERVER_REFUSAL)
        return ServerOK(accept).encode() + ZERO_BLOCK

    def _next_time(self) -> TimeAsked | None:
        octets = self._take(TimeRequest.SIZE)
        if octets is None:
            return None
        TimeRequest.decode(octets)
        self._advance(Message.TIME_REQUEST)
        return TimeAsked()

    def time(self, now: NTPTime, error: ErrorEstimate) -> bytes:
        """The TimeResponse."""
        self._advance(Message.TIME_RESPONSE)
        return self._stream.encrypt(TimeResponse(now, error).encode())

    def _next_request(self) -> TestAsked | CancelAsked | UnsupportedAsked | None:
        octets = self._take(TestRequest.size(self.version))
        if octets is None:
            return None
        held = self.state is State.RESERVED
        if held and TestRequest.sid_of(octets) != self._sid:
            raise RemoteProtocolError("an update for another session")
        try:
            request = TestRequest.decode(octets, self.version)
        except UnsupportedRequest as error:
            self._advance(Message.TEST_REQUEST)
            return UnsupportedAsked(str(error))
        self._advance(Message.TEST_REQUEST)
        # A time of 0 cancels; where nothing is held, it is a cancel of what is gone already.
        return TestAsked(request, held) if request.time else CancelAsked(request.sid)

    def grant(self, start: NTPTime, sid: SID, port: int) -> bytes:
        """TestAccept with a reservation; `port` is the tester's, 0 from the client daemon."""
        self._advance(Message.TEST_ACCEPT)
        self._sid = sid
        accept = TestAccept(AcceptType.ACCEPT, start, sid, port)
        return self._stream.encrypt(accept.encode())

    def deny(
        self, accept: AcceptType, start: NTPTime = NEVER, sid: SID = NO_SID, port: int = 0
    ) -> bytes:
        """TestAccept without a reservation; a `start` other than 0 says "busy until then"."""
        self._advance(Message.TEST_REFUSAL)
        self._sid = None
        return self._stream.encrypt(TestAccept(accept, start, sid, port).encode())

    def _next_start(self) -> StartAsked | None:
        octets = self._take(StartSession.SIZE)
        if octets is None:
            return None
        start = StartSession.decode(octets)
        self._advance(Message.START_SESSION)
        return StartAsked(start.peer_port, start.protected)

    def start(self, peer_port: int) -> bytes:
        """StartAck: the test is on; `peer_port` is 0 from the client daemon."""
        self._advance(Message.START_ACK)
        return self._stream.encrypt(StartAck(AcceptType.ACCEPT, peer_port).encode())

    def refuse_start(self, accept: AcceptType) -> bytes:
        """StartAck that says no: too late, or no peer agent could be made."""
        self._advance(Message.START_REFUSAL)
        self._sid = None
        return self._stream.encrypt(StartAck(accept).encode())

    def ready(self) -> bytes:
        """Tell the peer agent at the other end that our tester listens; b"" if it cannot know."""
        if not self.peer_extensions:
            return b""
        self._advance(Message.READY)
        return self._stream.encrypt(Ready().encode())


_LISTENING = frozenset({State.IDLE, State.RESERVED, State.TESTING, State.SERVER_STOPPED})
_READERS: dict[int, Callable[[ServerSession], ServerEvent | None]] = {
    TEST_REQUEST: ServerSession._next_request,
    START_SESSION: ServerSession._next_start,
    STOP_SESSION: ServerSession._next_stop,
    TIME_REQUEST: ServerSession._next_time,
}
