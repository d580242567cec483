"""Hostile ends of a conversation with a daemon, brought to a state, and what they can say there."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from bwctl.control.legality import PEER
from bwctl.control.server import ClientGreeted, ServerSession, TimeAsked
from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.values import NEVER, SID, ErrorEstimate, NTPTime, Role, ToolID, ntp_from_unix, ticks
from bwctl.wire.crypto import BLOCK
from bwctl.wire.fields import ALL_MODES, Mode
from bwctl.wire.handshake import ClientGreeting, ServerGreeting, ServerOK, ServerUptime
from bwctl.wire.messages import (
    Ready,
    StartSession,
    StopSession,
    TimeRequest,
    TimeResponse,
    encode_stop,
)
from tests.support.daemons import Daemon
from tests.support.damage import mutated
from tests.support.raw import PATIENCE_S, Closed, Raw, request

PEER_SID = SID(bytes(range(100, 116)))
ERROR = ErrorEstimate(24, 154)
NOWHERE = 9  # a port where nobody listens

Ends = dict[str, str]  # addresses of the tester's server and client


class Scene:
    """A connection to the daemon in some state, and the connections that brought it there."""

    def __init__(self, session: Any, connection: socket.socket, *others: socket.socket) -> None:
        self.session = session
        self.connection = connection
        self._others = others

    def say(self, octets: bytes) -> None:
        """Any octets, encrypted if the connection is; a daemon that has closed hears nothing."""
        try:
            self.connection.sendall(self._encrypted(octets))
        except (ConnectionResetError, BrokenPipeError):
            return

    def _encrypted(self, octets: bytes) -> bytes:
        padded = octets + bytes(-len(octets) % BLOCK)
        return bytes(self.session._stream.encrypt(padded)[: len(octets)])

    def leave(self, how: int) -> bool:
        """End it: 0 half-close, 1 reset, 2 close. Whether the daemon was seen to close too."""
        closed = how != 0 or self._hang_up()
        if how == 1:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        for one in (self.connection, *self._others):
            one.close()
        return closed

    def _hang_up(self) -> bool:
        self.connection.settimeout(PATIENCE_S)
        try:
            self.connection.shutdown(socket.SHUT_WR)
            while self.connection.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True


Stage = Callable[[Daemon, Ends], Scene]


def _connected(daemon: Daemon, mode: Mode = Mode.OPEN) -> Raw:
    return Raw(daemon.address, daemon.ports.control, mode)


def _opened(daemon: Daemon, mode: Mode = Mode.OPEN) -> Raw:
    client = _connected(daemon, mode)
    client.open()
    return client


def _reserved(daemon: Daemon, ends: Ends, role: Role) -> tuple[Raw, SID]:
    client = _opened(daemon)
    at = client.time().time + ticks(30)
    wanted = request(at, role=role, sid=PEER_SID, tool=ToolID.THRULAY, **ends)
    answer = client.ask(wanted)
    assert answer.accept is AcceptType.ACCEPT, answer
    return client, answer.sid


# -- a control client --------------------------------------------------------------------------


def greeted(daemon: Daemon, ends: Ends) -> Scene:
    """Before the ClientGreeting."""
    client = _connected(daemon)
    return Scene(client.session, client.socket)


def idle(mode: Mode) -> Stage:
    """After the handshake."""

    def stage(daemon: Daemon, ends: Ends) -> Scene:
        client = _opened(daemon, mode)
        return Scene(client.session, client.socket)

    return stage


def reserved(role: Role) -> Stage:
    """With a time slot."""

    def stage(daemon: Daemon, ends: Ends) -> Scene:
        client, _ = _reserved(daemon, ends, role)
        return Scene(client.session, client.socket)

    return stage


def testing(daemon: Daemon, ends: Ends) -> Scene:
    """The server daemon waits for its peer."""
    client, _ = _reserved(daemon, ends, Role.SERVER)
    client.start()
    return Scene(client.session, client.socket)


def over(daemon: Daemon, ends: Ends) -> Scene:
    """The daemon is done, its client is not: nobody was at the peer port."""
    client, _ = _reserved(daemon, ends | {"client": daemon.address}, Role.CLIENT)
    client.start(NOWHERE)
    client.next(Stopped)
    return Scene(client.session, client.socket)


CONTROL_STAGES: dict[str, Stage] = {
    "GREETED": greeted,
    "IDLE open": idle(Mode.OPEN),
    "IDLE authenticated": idle(Mode.AUTHENTICATED),
    "IDLE encrypted": idle(Mode.ENCRYPTED),
    "RESERVED server": reserved(Role.SERVER),
    "RESERVED client": reserved(Role.CLIENT),
    "TESTING": testing,
    "SERVER_STOPPED": over,
}


# -- a peer that calls -------------------------------------------------------------------------


def _calling(steps: int) -> Stage:
    """Through a number of steps of the peer handshake, in open mode or with the SID."""

    def stage(daemon: Daemon, ends: Ends) -> Scene:
        client, sid = _reserved(daemon, ends, Role.SERVER)
        port = client.start().peer_port
        knows = steps % 2 == 0
        mode = Mode.ENCRYPTED if knows else Mode.OPEN
        raw = Raw(daemon.address, port, mode, user="endpoint", key=sid, table=PEER, extensions=1)
        for step in (raw.open, raw.time, raw.stop_only)[: steps // 2]:
            step()
        return Scene(raw.session, raw.socket, client.socket)

    return stage


CALLER_STAGES: dict[str, Stage] = {
    "GREETED": _calling(0),
    "IDLE open": _calling(3),
    "IDLE encrypted": _calling(2),
    "TESTING open": _calling(5),
    "TESTING encrypted": _calling(4),
    "CLIENT_STOPPED": _calling(6),
}


# -- a peer that is called ---------------------------------------------------------------------


def _called(steps: int, *, encrypted: bool = False) -> Stage:
    """Our end listens, and answers a number of the daemon's messages as it should."""

    def stage(daemon: Daemon, ends: Ends) -> Scene:
        server = ends["server"]
        with socket.create_server((server, 0)) as listener:
            roles = {"server": server, "client": daemon.address}
            client, sid = _reserved(daemon, roles, Role.CLIENT)
            client.start(listener.getsockname()[1])
            listener.settimeout(PATIENCE_S)
            connection, _ = listener.accept()
        modes = Mode.ENCRYPTED if encrypted else ALL_MODES
        session = ServerSession(modes, table=PEER, extensions=1)
        for _ in range(steps):
            _answer(session, connection, sid)
        return Scene(session, connection, client.socket)

    return stage


def _answer(session: ServerSession, connection: socket.socket, sid: SID) -> None:
    if session.state.name == "OPENED":
        connection.sendall(session.greet())
        return
    connection.settimeout(PATIENCE_S)
    while (event := session.next_event()) is None:
        octets = connection.recv(65536)
        if not octets:
            raise Closed
        session.receive_bytes(octets)
    if isinstance(event, ClientGreeted):
        assert session.verify(sid)
        connection.sendall(session.open(ToolID.NONE, NTPTime(1 << 63)))
    elif isinstance(event, TimeAsked):
        connection.sendall(session.time(now(), ERROR))


def now() -> NTPTime:
    """The time of this host."""
    return ntp_from_unix(time.time())


CALLED_STAGES: dict[str, Stage] = {
    "OPENED": _called(0),
    "AUTHENTICATING": _called(1),
    "IDLE_TIMING": _called(2),
    "TESTING": _called(3),
    "TESTING encrypted": _called(3, encrypted=True),
}


# -- what they say -----------------------------------------------------------------------------


def from_clients(ends: Ends) -> dict[str, bytes]:
    """Every message of a client, of a control connection or a peer's; each is sound."""
    soon = now() + ticks(60)
    server = request(soon, tool=ToolID.THRULAY, **ends)
    client = request(soon, tool=ToolID.THRULAY, role=Role.CLIENT, sid=PEER_SID, port=9, **ends)
    return {
        "ClientGreeting": ClientGreeting(Mode.OPEN).encode(),
        "ClientGreeting with a token": ClientGreeting(
            Mode.ENCRYPTED, 6, b"testuser", bytes(range(32)), bytes(16)
        ).encode(),
        "TimeRequest": TimeRequest().encode(),
        "TestRequest server": server.encode(),
        "TestRequest client": client.encode(),
        "cancel": request(NEVER, sid=PEER_SID, tool=ToolID.THRULAY, **ends).encode(),
        "StartSession": StartSession(NOWHERE).encode(),
        "StopSession": StopSession(AcceptType.ACCEPT).encode(),
        "StopSession with results": encode_stop(AcceptType.FAILURE, b"results " * 40),
        "garbage": bytes(range(256)),
    }


def from_servers() -> dict[str, bytes]:
    """Every message of a listening peer agent."""
    return {
        "ServerGreeting": ServerGreeting(ALL_MODES, bytes(range(16)), extensions=1).encode(),
        "ServerOK": ServerOK(AcceptType.ACCEPT).encode() + ServerUptime(NTPTime(1)).encode(),
        "refusal": ServerOK(AcceptType.REJECT).encode() + bytes(16),
        "TimeResponse": TimeResponse(now(), ERROR).encode(),
        "Ready": Ready().encode(),
        "StopSession": StopSession(AcceptType.ACCEPT).encode(),
        "StopSession with results": encode_stop(AcceptType.FAILURE, b"results " * 40),
        "garbage": bytes(range(256)),
    }


def attack(scene: Scene, message: bytes, dice: random.Random) -> bool:
    """Say a message with something wrong in it, and leave; whether the daemon closed too."""
    scene.say(mutated(message, dice))
    if dice.random() < 0.2:
        scene.say(mutated(message, dice))
    return scene.leave(dice.choice((0, 0, 0, 1, 2)))
