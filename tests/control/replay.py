"""Recorded connections of C programs, played against our sessions in either role."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

from bwctl.control.client import ClientSession, Identity
from bwctl.control.legality import CONTROL, PEER, Message, Table
from bwctl.control.server import ServerSession
from bwctl.errors import AcceptType
from bwctl.values import NTPTime
from bwctl.wire.crypto import open_token
from bwctl.wire.fields import ALL_MODES, Mode
from bwctl.wire.handshake import ClientGreeting, ServerGreeting, ServerOK, ServerUptime
from bwctl.wire.messages import StartAck, StartSession, StopSession, TestAccept, TimeResponse
from bwctl.wire.request import TestRequest
from tests.support.sessions import KEY, drain, pieces, scripted
from tests.support.vectors import Connection, connections

# Modes that a peer agent offers or wants, by the mode of its daemon's control connection.
LATTICE = {
    Mode.OPEN: ALL_MODES,
    Mode.AUTHENTICATED: Mode.AUTHENTICATED | Mode.ENCRYPTED,
    Mode.ENCRYPTED: Mode.ENCRYPTED,
}
IN_ANOTHER_BLOCK = {"ServerUptime", "ServerOKPad"}  # written together with ServerOK


@dataclass(frozen=True)
class Recording:
    """A recorded connection, and what its two ends knew."""

    connection: Connection

    @property
    def name(self) -> str:
        return f"{self.connection.scenario} {self.connection.name}"

    @property
    def table(self) -> Table:
        return PEER if self.connection.kind == "peer" else CONTROL

    @cached_property
    def server_greeting(self) -> ServerGreeting:
        return ServerGreeting.decode(self.connection.first("ServerGreeting"))

    @cached_property
    def client_greeting(self) -> ClientGreeting | None:
        octets = self.connection.first("ClientGreeting")
        return ClientGreeting.decode(octets) if octets else None

    @property
    def version(self) -> int:
        """What the client says it speaks."""
        return self.client_greeting.version if self.client_greeting else 6

    @property
    def server_ok(self) -> ServerOK:
        return ServerOK.decode(self.connection.first("ServerOK"))

    @property
    def uptime(self) -> NTPTime:
        (plain,) = self.plain("ServerUptime")
        return ServerUptime.decode(plain).started

    @property
    def user_key(self) -> bytes | None:
        """What the server's key file has for the client's name; the SID between peers."""
        if self.connection.scenario == "unknown_user":
            return None
        return self.connection.token_key or KEY

    @property
    def session_key(self) -> bytes | None:
        """The key inside the token, None if the token cannot be opened."""
        greeting = self.client_greeting
        if greeting is None or greeting.mode is Mode.OPEN or self.user_key is None:
            return None
        return open_token(self.user_key, self.server_greeting.challenge, greeting.token)

    def plain(self, name: str) -> list[bytes]:
        return [plain_of(m) for m in self.connection.messages if m["message"] == name]

    def sent(self, direction: str) -> list[tuple[str, bytes]]:
        """Names and plain octets of the messages of one end, in order."""
        return [
            (m["message"], plain_of(m))
            for m in self.connection.messages
            if m["direction"] == direction and m["message"] not in IN_ANOTHER_BLOCK
        ]


def plain_of(entry: dict[str, Any]) -> bytes:
    return bytes.fromhex(entry["plaintext_hex" if entry["encrypted"] else "hex"])


@cache
def recordings() -> tuple[Recording, ...]:
    """Every recorded connection."""
    return tuple(map(Recording, connections()))


def wanted_by_peer(recording: Recording) -> Mode:
    """What the client daemon's peer agent wanted: it follows from its control connection."""
    for other in recordings():
        connection = other.connection
        same = connection.scenario == recording.connection.scenario
        if same and connection.name == "client-control" and other.client_greeting:
            return LATTICE[other.client_greeting.mode]
    return Mode.OPEN


Answer = tuple[Message, Callable[[], bytes]]


class Player:
    """One of our sessions that says what a recorded end said, each message when it is legal."""

    session: ServerSession | ClientSession

    def __init__(self, recording: Recording, direction: str) -> None:
        self.recording = recording
        self.table = recording.table
        self.events: list[Any] = []
        self.octets = b""  # that we wrote
        self._left = deque(recording.sent(direction))

    def play(self, octets: bytes, size: int = 0) -> Player:
        """Feed octets in pieces, 0 = at once, and answer them."""
        self._speak()
        for piece in pieces(octets, size):
            self.session.receive_bytes(piece)
            self._listen()
        return self

    def skip(self, unwanted: Callable[[Player, str, bytes], bool]) -> Player:
        """Leave out recorded messages by their name and plain octets."""
        self._left = deque(m for m in self._left if not unwanted(self, *m))
        return self

    @property
    def silent(self) -> bool:
        """Whether all that was recorded has been said."""
        return not self._left

    def _listen(self) -> None:
        while events := drain(self.session):
            self.events += events
            self._speak()

    def _speak(self) -> None:
        while self._left:
            message, say = self.answer(*self._left[0])
            if (self.session.state, message) not in self.table:
                return
            self._left.popleft()
            self.octets += say()

    def answer(self, name: str, plain: bytes) -> Answer:
        raise NotImplementedError


class ServerPlayer(Player):
    """Our server in the place of a recorded one, with its challenge and IV."""

    session: ServerSession

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording, "s2c")
        greeting = recording.server_greeting
        secrets = [greeting.challenge]
        if recording.user_key is None:
            secrets.append(bytes(16))  # in place of the key that is not there
        if recording.connection.first("ServerOK"):
            secrets.append(recording.server_ok.iv)
        self.session = ServerSession(
            greeting.modes, table=recording.table, random=scripted(*secrets)
        )

    def answer(self, name: str, plain: bytes) -> Answer:
        session = self.session
        if name == "ServerGreeting":
            return Message.SERVER_GREETING, session.greet
        if name == "ServerOK":
            return Message.SERVER_OK, self._open_or_refuse
        if name == "TimeResponse":
            response = TimeResponse.decode(plain)
            return Message.TIME_RESPONSE, lambda: session.time(response.time, response.error)
        if name == "TestAccept":
            return self._accept(TestAccept.decode(plain))
        if name == "StartAck":
            ack = StartAck.decode(plain)
            return Message.START_ACK, lambda: session.start(ack.peer_port)
        assert name == "StopSession", name
        stop = StopSession.decode(plain[:32])
        output = stop.output(plain[32:])
        return Message.SERVER_STOP, lambda: session.stop(stop.accept, output)

    def _accept(self, answer: TestAccept) -> Answer:
        session, a = self.session, answer
        if a.accept is AcceptType.ACCEPT:
            return Message.TEST_ACCEPT, lambda: session.grant(a.start, a.sid, a.port)
        return Message.TEST_REFUSAL, lambda: session.deny(a.accept, a.start, a.sid, a.port)

    def _open_or_refuse(self) -> bytes:
        if not self.session.verify(self.recording.user_key):
            return self.session.refuse(AcceptType.REJECT)
        return self.session.open(self.recording.server_ok.tools, self.recording.uptime)


class ClientPlayer(Player):
    """Our client in the place of a recorded one, with its session key and IV."""

    session: ClientSession

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording, "c2s")
        greeting = recording.client_greeting
        peer = recording.connection.kind == "peer"
        wanted = greeting.mode if greeting else Mode.OPEN
        secrets = [recording.session_key or bytes(16), greeting.iv if greeting else bytes(16)]
        self.session = ClientSession(
            Identity(
                modes=wanted_by_peer(recording) if peer else wanted,
                user=greeting.user if greeting else b"",
                key=None if wanted is Mode.OPEN and not peer else recording.user_key or KEY,
                weakest_first=peer,
            ),
            table=recording.table,
            random=scripted(*secrets),
        )

    def answer(self, name: str, plain: bytes) -> Answer:
        session = self.session
        if name == "ClientGreeting":
            return Message.CLIENT_GREETING, session.greet
        if name == "TimeRequest":
            return Message.TIME_REQUEST, session.ask_time
        if name == "TestRequest":
            request = TestRequest.decode(plain, self.recording.version)
            return Message.TEST_REQUEST, lambda: session.request(request)
        if name == "StartSession":
            start = StartSession.decode(plain)
            return Message.START_SESSION, lambda: session.start(start.peer_port)
        assert name == "StopSession", name
        stop = StopSession.decode(plain[:32])
        output = stop.output(plain[32:])
        return Message.CLIENT_STOP, lambda: session.stop(stop.accept, output)


def with_version(octets: bytes, place: int, version: int) -> bytes:
    """A stream with another version octet in its greeting."""
    return octets[:place] + bytes([version]) + octets[place + 1 :]


def with_zero_end(recording: Recording) -> Recording:
    """A version 0 recording whose TestRequests end in the zero block that C forgets."""
    messages = []
    for entry in recording.connection.messages:
        if entry["message"] == "TestRequest":
            entry = {**entry, "hex": entry["hex"][:-32] + "00" * 16}
        messages.append(entry)
    return Recording(replace(recording.connection, messages=messages))
