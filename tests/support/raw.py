"""A control client of few lines over a blocking socket, for tests that say odd things."""

from __future__ import annotations

import socket
import ssl
from ipaddress import ip_address
from typing import Any, TypeVar

from bwctl.control.client import ClientSession, Identity, Opened, ServerGreeted, TurnedAway
from bwctl.control.legality import CONTROL, PEER, Table
from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.limits.keys import key_from_passphrase
from bwctl.values import NEVER, NO_SID, SID, ErrorEstimate, NTPTime, Role, TestSpec, ToolID, ticks
from bwctl.wire.fields import Mode
from bwctl.wire.messages import Ready, StartAck, TestAccept, TimeResponse
from bwctl.wire.request import TestRequest

PATIENCE_S = 20.0
KEY = key_from_passphrase("golden passphrase")
ERROR = ErrorEstimate.from_ticks(ticks(0.1))

E = TypeVar("E")


class Closed(Exception):
    """The daemon closed the connection instead of answering."""


class Raw:
    """One connection; every method sends a message and returns the answer."""

    def __init__(
        self,
        address: str,
        port: int,
        mode: Mode = Mode.OPEN,
        *,
        user: str = "testuser",
        key: bytes = KEY,
        table: Table = CONTROL,
        extensions: int = 0,
        source: str = "",
        tls: str = "",  # file of the issuers to trust
    ) -> None:
        self.socket = socket.create_connection(
            (address, port), PATIENCE_S, (source, 0) if source else None
        )
        if tls:
            context = ssl.create_default_context(cafile=tls)
            self.socket = context.wrap_socket(self.socket, server_hostname=address)
        identity = Identity(mode, user.encode(), key)
        self.session = ClientSession(identity, table=table, extensions=extensions)
        self.greeting = self.next(ServerGreeted)

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def next(self, kind: type[E], patience_s: float = PATIENCE_S) -> E:
        """The next message; AssertionError if it is of another kind, Closed if there is none."""
        self.socket.settimeout(patience_s)
        while (event := self.session.next_event()) is None:
            try:
                octets = self.socket.recv(65536)
            except ConnectionResetError:
                octets = b""
            if not octets:
                raise Closed
            self.session.receive_bytes(octets)
        assert isinstance(event, kind), event
        return event

    def send(self, octets: bytes) -> None:
        """Anything."""
        self.socket.sendall(octets)

    def is_closed(self, patience_s: float = PATIENCE_S) -> bool:
        """Whether the daemon closes without another word."""
        self.socket.settimeout(patience_s)
        try:
            return self.socket.recv(65536) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def open(self) -> Opened:
        """Finish the handshake."""
        self.send(self.session.greet())
        return self.next(Opened)

    def refused(self) -> AcceptType:
        """Finish the handshake; the daemon must turn us away."""
        self.send(self.session.greet())
        return self.next(TurnedAway).accept

    def time(self) -> TimeResponse:
        """The daemon's clock."""
        self.send(self.session.ask_time())
        return self.next(TimeResponse)

    def ask(self, request: TestRequest) -> TestAccept:
        """Ask for a time slot."""
        self.send(self.session.request(request))
        return self.next(TestAccept)

    def send_request(self, octets: bytes) -> TestAccept:
        """Ask with octets of one's own making."""
        self.session.request(request(1))  # for the state
        self.send(octets)
        return self.next(TestAccept)

    def stop_only(self, accept: AcceptType = AcceptType.ACCEPT) -> None:
        """End the test and do not wait."""
        self.send(self.session.stop(accept))

    def start(self, peer_port: int = 0) -> StartAck:
        """Confirm."""
        self.send(self.session.start(peer_port))
        return self.next(StartAck)

    def stop(self, accept: AcceptType = AcceptType.ACCEPT) -> Stopped:
        """End the test; the daemon's results."""
        if self.session.may_stop:
            self.send(self.session.stop(accept))
        return self.next(Stopped, 60)


def opened(address: str, port: int, mode: Mode = Mode.OPEN) -> Raw:
    """A connection whose handshake is done."""
    raw = Raw(address, port, mode)
    raw.open()
    return raw


def peer(address: str, port: int, sid: bytes, mode: Mode = Mode.ENCRYPTED) -> Raw:
    """A peer agent's connection, its clocks compared."""
    raw = Raw(address, port, mode, user="endpoint", key=sid, table=PEER, extensions=1)
    raw.open()
    raw.time()
    return raw


def request(
    time: int,
    *,
    role: Role = Role.SERVER,
    latest: int = NEVER,
    error: ErrorEstimate = ERROR,
    sid: bytes = NO_SID,
    server: str = "127.0.0.2",
    client: str = "127.0.0.3",
    port: int = 0,
    **spec: Any,
) -> TestRequest:
    """A TestRequest for a 5 s iperf3 test unless said otherwise."""
    fields: dict[str, Any] = {"tool": ToolID.IPERF3, "duration": 5} | spec
    return TestRequest(
        role=role,
        time=NTPTime(time),
        latest=NTPTime(latest),
        error=error,
        spec=TestSpec(client=ip_address(client), server=ip_address(server), **fields),
        tool_port=port,
        sid=SID(sid),
    )


__all__ = ["Closed", "Raw", "Ready", "opened", "peer", "request"]
