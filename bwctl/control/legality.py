"""Which message is legal when: one table per protocol, shared by both ends. Source: wire.md 4, 6.2.

A message that is not in the table is a protocol error; whose fault it is follows from who sent it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from bwctl.errors import LocalProtocolError, RemoteProtocolError


class State(Enum):
    """Where a connection stands; both ends go through the same states."""

    __hash__ = object.__hash__  # by identity: Enum's own is a function in Python

    OPENED = auto()  # TCP only
    GREETED = auto()  # ServerGreeting sent
    AUTHENTICATING = auto()  # ClientGreeting sent
    IDLE = auto()
    IDLE_TIMING = auto()  # TimeRequest sent
    REQUESTING = auto()  # TestRequest sent
    RESERVED = auto()
    RESERVED_TIMING = auto()
    STARTING = auto()  # StartSession sent
    TESTING = auto()
    CLIENT_STOPPED = auto()  # the client's StopSession sent, not the server's
    SERVER_STOPPED = auto()  # the other way round
    CLOSED = auto()


class Message(Enum):
    """Messages as the table sees them; answers that lead elsewhere count as different ones."""

    __hash__ = object.__hash__  # as that of State

    SERVER_GREETING = "ServerGreeting"
    CLIENT_GREETING = "ClientGreeting"
    SERVER_OK = "ServerOK"
    SERVER_REFUSAL = "ServerOK with a refusal"
    TIME_REQUEST = "TimeRequest"
    TIME_RESPONSE = "TimeResponse"
    TEST_REQUEST = "TestRequest"
    TEST_ACCEPT = "TestAccept"
    TEST_REFUSAL = "TestAccept with a refusal"
    START_SESSION = "StartSession"
    START_ACK = "StartAck"
    START_REFUSAL = "StartAck with a refusal"
    READY = "Ready"
    CLIENT_STOP = "StopSession from the client"
    SERVER_STOP = "StopSession from the server"

    @property
    def from_client(self) -> bool:
        """Whether the end that opened the connection sends this message."""
        return self in _FROM_CLIENT


_FROM_CLIENT = frozenset(
    {
        Message.CLIENT_GREETING,
        Message.TIME_REQUEST,
        Message.TEST_REQUEST,
        Message.START_SESSION,
        Message.CLIENT_STOP,
    }
)

Table = dict[tuple[State, Message], State]

_HANDSHAKE: Final[Table] = {
    (State.OPENED, Message.SERVER_GREETING): State.GREETED,
    (State.GREETED, Message.CLIENT_GREETING): State.AUTHENTICATING,
    (State.AUTHENTICATING, Message.SERVER_OK): State.IDLE,
    (State.AUTHENTICATING, Message.SERVER_REFUSAL): State.CLOSED,
    (State.IDLE, Message.TIME_REQUEST): State.IDLE_TIMING,
}

_STOPPING: Final[Table] = {
    (State.TESTING, Message.CLIENT_STOP): State.CLIENT_STOPPED,
    (State.TESTING, Message.SERVER_STOP): State.SERVER_STOPPED,
}

CONTROL: Final[Table] = {
    **_HANDSHAKE,
    (State.IDLE_TIMING, Message.TIME_RESPONSE): State.IDLE,
    (State.IDLE, Message.TEST_REQUEST): State.REQUESTING,
    (State.REQUESTING, Message.TEST_ACCEPT): State.RESERVED,
    (State.REQUESTING, Message.TEST_REFUSAL): State.IDLE,
    (State.RESERVED, Message.TIME_REQUEST): State.RESERVED_TIMING,
    (State.RESERVED_TIMING, Message.TIME_RESPONSE): State.RESERVED,
    (State.RESERVED, Message.TEST_REQUEST): State.REQUESTING,  # update or cancel
    (State.RESERVED, Message.START_SESSION): State.STARTING,
    (State.STARTING, Message.START_ACK): State.TESTING,
    (State.STARTING, Message.START_REFUSAL): State.IDLE,
    **_STOPPING,
    (State.CLIENT_STOPPED, Message.SERVER_STOP): State.IDLE,
    (State.SERVER_STOPPED, Message.CLIENT_STOP): State.IDLE,
}

PEER: Final[Table] = {
    **_HANDSHAKE,
    (State.IDLE_TIMING, Message.TIME_RESPONSE): State.TESTING,
    (State.TESTING, Message.READY): State.TESTING,
    (State.CLIENT_STOPPED, Message.READY): State.CLIENT_STOPPED,  # they may cross
    **_STOPPING,
    (State.CLIENT_STOPPED, Message.SERVER_STOP): State.CLOSED,
    (State.SERVER_STOPPED, Message.CLIENT_STOP): State.CLOSED,
}


def advance(table: Table, state: State, message: Message, *, as_server: bool) -> State:
    """The state after a message.

    Args:
        as_server: our end is the server's; tells who sent the message.

    Raises:
        RemoteProtocolError, LocalProtocolError: the message is not legal in this state.
    """
    try:
        return table[state, message]
    except KeyError:
        remote = message.from_client == as_server
        blame = RemoteProtocolError if remote else LocalProtocolError
        raise blame(f"{message.value} is not legal in state {state.name}") from None
