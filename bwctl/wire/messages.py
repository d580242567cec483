"""The small messages of an open connection. Source: wire.md 2.4, 2.5, 2.7 to 2.10."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Final

from bwctl.errors import AcceptType, RemoteProtocolError
from bwctl.values import NO_SID, SID, ErrorEstimate, NTPTime
from bwctl.wire.crypto import BLOCK, ZERO_BLOCK
from bwctl.wire.fields import EXTENSION_MARK, check_zero, decode_accept, decode_error, encode_error

_TIME_REQUEST = struct.Struct("!B15x16s")
_TIME_RESPONSE = struct.Struct("!Q2s6x16s")
_TEST_ACCEPT = struct.Struct("!BxH16sQ4s")
_START_SESSION = struct.Struct("!BxH4sI4x16s")
_START_ACK = struct.Struct("!BxH12x16s")
_STOP_SESSION = struct.Struct("!BB6xI4x16s")

TEST_REQUEST, START_SESSION, STOP_SESSION, TIME_REQUEST = (
    1,
    2,
    3,
    4,
)  # first octet, client to server
PROTECTED = 2  # in the mask of a StartSession
READY = 5  # ours, between two peer agents that both know it: doc/design/extensions.rst


def _check_type(kind: int, expected: int, what: str) -> None:
    if kind != expected:
        raise RemoteProtocolError(f"message type {kind} is not a {what}")


@dataclass(frozen=True, slots=True)
class TimeRequest:
    """ "What time is it?" """

    SIZE: ClassVar[int] = _TIME_REQUEST.size  # 32

    def encode(self) -> bytes:
        """The octets."""
        return _TIME_REQUEST.pack(TIME_REQUEST, ZERO_BLOCK)

    @classmethod
    def decode(cls, octets: bytes) -> TimeRequest:
        """From exactly SIZE octets."""
        kind, zero = _TIME_REQUEST.unpack(octets)
        _check_type(kind, TIME_REQUEST, "TimeRequest")
        check_zero(zero, "TimeRequest")
        return cls()


@dataclass(frozen=True, slots=True)
class TimeResponse:
    """The server's clock and how far it may be off."""

    SIZE: ClassVar[int] = _TIME_RESPONSE.size  # 32
    time: NTPTime
    error: ErrorEstimate

    def encode(self) -> bytes:
        """The octets."""
        return _TIME_RESPONSE.pack(self.time, encode_error(self.error), ZERO_BLOCK)

    @classmethod
    def decode(cls, octets: bytes) -> TimeResponse:
        """From exactly SIZE octets."""
        time, error, zero = _TIME_RESPONSE.unpack(octets)
        check_zero(zero, "TimeResponse")
        return cls(NTPTime(time), decode_error(error))


@dataclass(slots=True)
class TestAccept:
    """Answer to a TestRequest: a tentative reservation, or why there is none."""

    __test__: ClassVar[bool] = False
    SIZE: ClassVar[int] = _TEST_ACCEPT.size  # 32
    accept: Final[AcceptType]
    start: Final[NTPTime] = NTPTime(0)  # the reservation's, or the first time too late; 0 = denied
    sid: Final[SID] = NO_SID
    port: Final[int] = 0  # tester's port, from the server daemon

    def encode(self) -> bytes:
        """The octets."""
        return _TEST_ACCEPT.pack(self.accept, self.port, self.sid, self.start, bytes(4))

    @classmethod
    def decode(cls, octets: bytes) -> TestAccept:
        """From exactly SIZE octets."""
        accept, port, sid, start, zero = _TEST_ACCEPT.unpack(octets)
        check_zero(zero, "TestAccept")
        return cls(decode_accept(accept), NTPTime(start), SID(sid), port)


@dataclass(frozen=True, slots=True)
class StartSession:
    """Confirm a reservation."""

    SIZE: ClassVar[int] = _START_SESSION.size  # 32
    peer_port: int = 0  # where the server daemon's peer agent listens; only to the client daemon
    protected: bool = False  # the peer connection is to be one of TLS: doc/design/extensions.rst

    def encode(self) -> bytes:
        """The octets."""
        mark = (EXTENSION_MARK, PROTECTED) if self.protected else (bytes(4), 0)
        return _START_SESSION.pack(START_SESSION, self.peer_port, *mark, ZERO_BLOCK)

    @classmethod
    def decode(cls, octets: bytes) -> StartSession:
        """From exactly SIZE octets."""
        kind, port, mark, mask, zero = _START_SESSION.unpack(octets)
        _check_type(kind, START_SESSION, "StartSession")
        check_zero(zero, "StartSession")
        return cls(port, mark == EXTENSION_MARK and bool(mask & PROTECTED))


@dataclass(frozen=True, slots=True)
class StartAck:
    """Answer to StartSession."""

    SIZE: ClassVar[int] = _START_ACK.size  # 32
    accept: AcceptType
    peer_port: int = 0  # only from the server daemon

    def encode(self) -> bytes:
        """The octets."""
        return _START_ACK.pack(self.accept, self.peer_port, ZERO_BLOCK)

    @classmethod
    def decode(cls, octets: bytes) -> StartAck:
        """From exactly SIZE octets."""
        accept, port, zero = _START_ACK.unpack(octets)
        check_zero(zero, "StartAck")
        return cls(decode_accept(accept), port)


@dataclass(frozen=True, slots=True)
class StopSession:
    """End of a test, with the tester's output from a daemon.

    `decode` takes the fixed part only; `length` octets of output, zero padding to a whole block
    and one zero block follow if `length` is not 0.
    """

    SIZE: ClassVar[int] = _STOP_SESSION.size  # 32
    accept: AcceptType
    length: int = 0  # octets of output

    def encode(self) -> bytes:
        """The fixed part."""
        return _STOP_SESSION.pack(STOP_SESSION, self.accept, self.length, ZERO_BLOCK)

    @classmethod
    def decode(cls, octets: bytes) -> StopSession:
        """From exactly SIZE octets."""
        kind, accept, length, zero = _STOP_SESSION.unpack(octets)
        _check_type(kind, STOP_SESSION, "StopSession")
        check_zero(zero, "StopSession")
        return cls(decode_accept(accept), length)

    @property
    def tail_size(self) -> int:
        """Octets that follow the fixed part."""
        return -(-self.length // BLOCK) * BLOCK + BLOCK if self.length else 0

    def output(self, tail: bytes) -> bytes:
        """The output in exactly `tail_size` octets."""
        check_zero(tail[-BLOCK:], "StopSession data")
        return tail[: self.length]


def encode_stop(accept: AcceptType, output: bytes = b"") -> bytes:
    """A whole StopSession with its output."""
    fixed = StopSession(accept, len(output))
    return fixed.encode() + output.ljust(fixed.tail_size, b"\0")


@dataclass(frozen=True, slots=True)
class Ready:
    """The server end's tester listens. Ours; see doc/design/extensions.rst."""

    SIZE: ClassVar[int] = _START_ACK.size  # 32

    def encode(self) -> bytes:
        """The octets."""
        return _START_ACK.pack(READY, 0, ZERO_BLOCK)

    @classmethod
    def decode(cls, octets: bytes) -> Ready:
        """From exactly SIZE octets."""
        kind, _, zero = _START_ACK.unpack(octets)
        _check_type(kind, READY, "Ready")
        check_zero(zero, "Ready")
        return cls()
