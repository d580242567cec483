"""Sessions without sockets: feed them, join two ends, bring them to a state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any, Final, TypeVar

from bwctl.control.client import ClientEvent, ClientSession, Identity
from bwctl.control.legality import CONTROL, PEER, State, Table
from bwctl.control.server import ServerEvent, ServerSession
from bwctl.control.session import MAX_RESULT
from bwctl.errors import AcceptType
from bwctl.values import NEVER, SID, ErrorEstimate, NTPTime, Role, TestSpec, ToolID
from bwctl.wire.fields import ALL_MODES, Mode
from bwctl.wire.request import TestRequest

KEY: Final = bytes.fromhex("91b4306547f50105c7c9a23e505cd458")
TOOLS: Final = ToolID.IPERF3 | ToolID.PING
STARTED: Final = NTPTime(0xEEAC6B694F7F6B1A)
NOW: Final = NTPTime(0xEEAC6B6A00000000)
SLOT: Final = NTPTime(0xEEAC6B7000000001)
ERROR: Final = ErrorEstimate(24, 154)
SESSION: Final = SID(bytes(range(1, 17)))
SPEC: Final = TestSpec(
    tool=ToolID.IPERF,
    client=ip_address("192.0.2.1"),
    server=ip_address("192.0.2.2"),
    duration=10,
    verbose=True,
)
REQUEST: Final = TestRequest(
    role=Role.SERVER, time=NOW, latest=NTPTime(0), error=ERROR, spec=SPEC, sid=SESSION
)
CANCEL: Final = TestRequest(
    role=Role.SERVER, time=NTPTime(0), latest=NTPTime(0), error=ERROR, spec=SPEC, sid=SESSION
)

AnySession = TypeVar("AnySession", ServerSession, ClientSession)


def scripted(*values: bytes) -> Callable[[int], bytes]:
    """A source of "random" octets that gives out known ones in order."""
    left = list(values)

    def take(size: int) -> bytes:
        octets = left.pop(0)
        assert len(octets) == size
        return octets

    return take


def pieces(octets: bytes, size: int) -> Iterator[bytes]:
    """Octets cut into pieces of a size; 0 leaves them whole."""
    if not size:
        yield octets
        return
    for start in range(0, len(octets), size):
        yield octets[start : start + size]


def drain(session: ServerSession | ClientSession) -> list[Any]:
    """All events that are there now."""
    return list(iter(session.next_event, None))


def pump(session: ServerSession | ClientSession, octets: bytes, size: int = 0) -> list[Any]:
    """Feed octets in pieces of a size, 0 = at once; the events that come of them."""
    events = []
    for piece in pieces(octets, size):
        session.receive_bytes(piece)
        events += drain(session)
    return events


class Pair:
    """A client and a server whose octets reach the other end in pieces of `size`.

    `announced` and `spoken` are version octets put into the greetings on their way, as a server
    or a client of another version would write them.
    """

    def __init__(
        self,
        mode: Mode = Mode.OPEN,
        *,
        table: Table = CONTROL,
        size: int = 0,
        announced: int | None = None,
        spoken: int | None = None,
        extensions: tuple[int, int] = (0, 0),
        max_result: int = MAX_RESULT,
    ) -> None:
        self.table = table
        self.size = size
        self._announced = announced
        self._spoken = spoken
        for_server, for_client = extensions
        self.server = ServerSession(
            ALL_MODES, table=table, extensions=for_server, max_result=max_result
        )
        self.client = ClientSession(
            Identity(mode, b"testuser", None if mode is Mode.OPEN else KEY),
            table=table,
            extensions=for_client,
            max_result=max_result,
        )

    def client_says(self, octets: bytes) -> list[ServerEvent]:
        """What the server makes of octets from the client."""
        return pump(self.server, octets, self.size)

    def server_says(self, octets: bytes) -> list[ClientEvent]:
        """What the client makes of octets from the server."""
        return pump(self.client, octets, self.size)

    def server_greets(self) -> list[ClientEvent]:
        octets = bytearray(self.server.greet())
        if self._announced is not None:
            octets[12] = self._announced
        return self.server_says(bytes(octets))

    def client_greets(self) -> list[ServerEvent]:
        octets = bytearray(self.client.greet())
        if self._spoken is not None:
            octets[0] = self._spoken
        return self.client_says(bytes(octets))

    def opens(self) -> list[ClientEvent]:
        assert self.server.verify(KEY)
        return self.server_says(self.server.open(TOOLS, STARTED))

    def refuses(self) -> list[ClientEvent]:
        return self.server_says(self.server.refuse(AcceptType.REJECT))

    def asks_time(self) -> list[ServerEvent]:
        return self.client_says(self.client.ask_time())

    def tells_time(self) -> list[ClientEvent]:
        return self.server_says(self.server.time(NOW, ERROR))

    def requests(self, request: TestRequest = REQUEST) -> list[ServerEvent]:
        return self.client_says(self.client.request(request))

    def grants(self, start: NTPTime = SLOT) -> list[ClientEvent]:
        return self.server_says(self.server.grant(start, SESSION, 5001))

    def denies(
        self, accept: AcceptType = AcceptType.REJECT, start: NTPTime = NEVER
    ) -> list[ClientEvent]:
        return self.server_says(self.server.deny(accept, start, SESSION, 5001))

    def starts(self) -> list[ServerEvent]:
        return self.client_says(self.client.start(6001))

    def acknowledges(self) -> list[ClientEvent]:
        return self.server_says(self.server.start(6002))

    def client_stops(self, output: bytes = b"") -> list[ServerEvent]:
        return self.client_says(self.client.stop(AcceptType.ACCEPT, output))

    def server_stops(self, output: bytes = b"") -> list[ClientEvent]:
        return self.server_says(self.server.stop(AcceptType.ACCEPT, output))

    def bring_to(self, state: State) -> Pair:
        """Talk until both ends stand in a state."""
        for step in PATHS[self.table is PEER][state]:
            step(self)
        assert self.server.state is state, self.server.state
        assert self.client.state is state, self.client.state
        return self


Step = Callable[[Pair], object]

_GREETED: tuple[Step, ...] = (Pair.server_greets,)
_AUTHENTICATING = (*_GREETED, Pair.client_greets)
_IDLE = (*_AUTHENTICATING, Pair.opens)
_TIMING = (*_IDLE, Pair.asks_time)
_RESERVED = (*_IDLE, Pair.requests, Pair.grants)
_STARTING = (*_RESERVED, Pair.starts)
_HANDSHAKE = {
    State.OPENED: (),
    State.GREETED: _GREETED,
    State.AUTHENTICATING: _AUTHENTICATING,
    State.IDLE: _IDLE,
    State.IDLE_TIMING: _TIMING,
    State.CLOSED: (*_AUTHENTICATING, Pair.refuses),
}


def _test_states(testing: tuple[Step, ...]) -> dict[State, tuple[Step, ...]]:
    return {
        State.TESTING: testing,
        State.CLIENT_STOPPED: (*testing, Pair.client_stops),
        State.SERVER_STOPPED: (*testing, Pair.server_stops),
    }


# How to reach every state there is: on a control connection, and between peer agents.
PATHS: Final[dict[bool, dict[State, tuple[Step, ...]]]] = {
    False: {
        **_HANDSHAKE,
        State.REQUESTING: (*_IDLE, Pair.requests),
        State.RESERVED: _RESERVED,
        State.RESERVED_TIMING: (*_RESERVED, Pair.asks_time),
        State.STARTING: _STARTING,
        **_test_states((*_STARTING, Pair.acknowledges)),
    },
    True: {**_HANDSHAKE, **_test_states((*_TIMING, Pair.tells_time))},
}
