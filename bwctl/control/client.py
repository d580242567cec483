"""The opening end: a control client, and the client daemon's peer agent."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from bwctl.control.legality import CONTROL, Message, State, Table
from bwctl.control.session import MAX_RESULT, Session, Stopped
from bwctl.errors import AcceptType, BWCTLError, RemoteProtocolError
from bwctl.values import NTPTime, ToolID
from bwctl.wire.crypto import KEY_SIZE, AESStream, make_token
from bwctl.wire.fields import PROTOCOL_VERSION, Mode
from bwctl.wire.handshake import (
    ClientGreeting,
    ServerGreeting,
    ServerOK,
    ServerUptime,
    peer_identity,
)
from bwctl.wire.messages import (
    READY,
    Ready,
    StartAck,
    StartSession,
    TestAccept,
    TimeRequest,
    TimeResponse,
)
from bwctl.wire.request import TestRequest


class NoCommonMode(BWCTLError):
    """The server offers no mode that we want and can use."""

    def __init__(self, offered: Mode, usable: Mode) -> None:
        super().__init__(f"offered {_names(offered)}, usable here {_names(usable)}")
        self.offered = offered
        self.usable = usable


def _names(modes: Mode) -> str:
    names = [mode.name.lower() for mode in Mode if mode & modes and mode.name]
    return ", ".join(names) or "nothing"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a client says it is, and which modes it wants."""

    modes: Mode = Mode.OPEN
    user: bytes = b""  # at most 16 octets
    key: bytes | None = field(default=None, repr=False)
    weakest_first: bool = False  # what C peer agents do (wire.md 6.3)

    @property
    def usable(self) -> Mode:
        """The wanted modes, without those that need a key where there is none."""
        return self.modes if self.key is not None else self.modes & Mode.OPEN

    def choose(self, offered: Mode) -> Mode:
        """The one mode to use.

        Raises:
            NoCommonMode: there is none.
        """
        common = [mode for mode in Mode if mode & offered & self.usable]
        if not common:
            raise NoCommonMode(offered, self.usable)
        return min(common) if self.weakest_first else max(common)


@dataclass(frozen=True, slots=True)
class ServerGreeted:
    """The server offers modes; answer with `greet`. No modes: it has no service for us."""

    modes: Mode
    version: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The server took us."""

    tools: ToolID
    started: NTPTime


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The server refused us; it closes the connection."""

    accept: AcceptType


ClientEvent = (
    ServerGreeted | Opened | TurnedAway | TimeResponse | TestAccept | StartAck | Ready | Stopped
)


class ClientSession(Session):
    """The control protocol as the opening end speaks it. Source: wire.md 4.2, 6.2."""

    def __init__(
        self,
        identity: Identity,
        *,
        table: Table = CONTROL,
        extensions: int = 0,
        max_result: int = MAX_RESULT,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(table, as_server=False, max_result=max_result)
        self._identity = identity
        self._random = random
        self._extensions = extensions
        self._greeting: ServerGreeting | None = None
        self._session_key: bytes | None = None
        self._iv = bytes(KEY_SIZE)
        self._ok: ServerOK | None = None
        self.mode = Mode.NONE
        self.peer_extensions = 0  # what both ends know

    @property
    def version(self) -> int:
        """The version spoken: the server's, at most ours (wire.md 7.2)."""
        return min(self._greeting.version, PROTOCOL_VERSION) if self._greeting else 0

    @property
    def holds_reservation(self) -> bool:
        """Whether there is something to give back."""
        return self.state is State.RESERVED

    def next_event(self) -> ClientEvent | None:
        """What has arrived, one message at a time; None until there is a whole one.

        Raises:
            RemoteProtocolError: the server broke the protocol; close the connection.
        """
        reader = _READERS.get(self.state)
        return reader(self) if reader else None

    def _next_greeting(self) -> ServerGreeted | None:
        octets = self._take_raw(ServerGreeting.SIZE)
        if octets is None:
            return None
        self._greeting = greeting = ServerGreeting.decode(octets)
        self._advance(Message.SERVER_GREETING)
        self.peer_extensions = greeting.extensions & self._extensions
        return ServerGreeted(greeting.modes, greeting.version)

    def greet(self) -> bytes:
        """The ClientGreeting, in the mode that we and the server like best.

        Raises:
            NoCommonMode: there is no such mode; close the connection.
        """
        self._check(Message.CLIENT_GREETING)
        assert self._greeting is not None  # since the message is legal
        self.mode = self._identity.choose(self._greeting.modes)
        self._advance(Message.CLIENT_GREETING)
        if self.mode is Mode.OPEN or self._identity.key is None:
            return ClientGreeting(self.mode, self.version, self._name()).encode()
        self._session_key, self._iv = self._random(KEY_SIZE), self._random(KEY_SIZE)
        token = make_token(self._identity.key, self._greeting.challenge, self._session_key)
        greeting = ClientGreeting(self.mode, self.version, self._name(), token, self._iv)
        return greeting.encode()

    def _name(self) -> bytes:
        if self.peer_extensions:
            return peer_identity(self.peer_extensions)
        return b"" if self.mode is Mode.OPEN else self._identity.user

    def _next_ok(self) -> Opened | TurnedAway | None:
        if self._ok is None:
            octets = self._take_raw(ServerOK.SIZE)
            if octets is None:
                return None
            self._ok = ServerOK.decode(octets)
            if self._ok.accept is not AcceptType.ACCEPT:
                self._advance(Message.SERVER_REFUSAL)
                return TurnedAway(self._ok.accept)
            if self._session_key is not None:
                self._stream = AESStream(self._session_key, out_iv=self._iv, in_iv=self._ok.iv)
        block = self._take(ServerUptime.SIZE)
        if block is None:
            return None
        uptime = ServerUptime.decode(block)
        self._advance(Message.SERVER_OK)
        # A version 0 server knows iperf alone and says nothing about it.
        tools = self._ok.tools if self.version else ToolID.IPERF
        return Opened(tools, uptime.started)

    def ask_time(self) -> bytes:
        """A TimeRequest; a TimeResponse follows."""
        self._advance(Message.TIME_REQUEST)
        return self._stream.encrypt(TimeRequest().encode())

    def _next_time(self) -> TimeResponse | None:
        octets = self._take(TimeResponse.SIZE)
        if octets is None:
            return None
        response = TimeResponse.decode(octets)
        self._advance(Message.TIME_RESPONSE)
        return response

    def request(self, request: TestRequest) -> bytes:
        """A TestRequest: first, update, or cancel; a TestAccept follows."""
        self._advance(Message.TEST_REQUEST)
        return self._stream.encrypt(request.encode(self.version))

    def _next_accept(self) -> TestAccept | None:
        octets = self._take(TestAccept.SIZE)
        if octets is None:
            return None
        answer = TestAccept.decode(octets)
        granted = answer.accept is AcceptType.ACCEPT
        if granted and not answer.start:
            raise RemoteProtocolError("a reservation at time 0")
        self._advance(Message.TEST_ACCEPT if granted else Message.TEST_REFUSAL)
        return answer

    def start(self, peer_port: int, protected: bool = False) -> bytes:
        """A StartSession; `peer_port` goes to the client daemon. A StartAck follows.

        Args:
            protected: the peer connection is to be one of TLS; only to daemons of ours.
        """
        self._advance(Message.START_SESSION)
        return self._stream.encrypt(StartSession(peer_port, protected).encode())

    def _next_ack(self) -> StartAck | None:
        octets = self._take(StartAck.SIZE)
        if octets is None:
            return None
        ack = StartAck.decode(octets)
        granted = ack.accept is AcceptType.ACCEPT
        self._advance(Message.START_ACK if granted else Message.START_REFUSAL)
        return ack

    def _next_in_test(self) -> Ready | Stopped | None:
        if self._stop is None and self._peek() == READY and self.peer_extensions:
            octets = self._take(Ready.SIZE)
            if octets is None:
                return None
            self._advance(Message.READY)
            return Ready.decode(octets)
        if self._stop is None and self._peek() is None:
            return None
        return self._next_stop()


_READERS: dict[State, Callable[[ClientSession], ClientEvent | None]] = {
    State.OPENED: ClientSession._next_greeting,
    State.AUTHENTICATING: ClientSession._next_ok,
    State.IDLE_TIMING: ClientSession._next_time,
    State.RESERVED_TIMING: ClientSession._next_time,
    State.REQUESTING: ClientSession._next_accept,
    State.STARTING: ClientSession._next_ack,
    State.TESTING: ClientSession._next_in_test,
    State.CLIENT_STOPPED: ClientSession._next_in_test,
}
