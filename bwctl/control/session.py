"""What both ends of a connection share: the buffer, the block stream, the state."""

from __future__ import annotations

from dataclasses import dataclass

from bwctl.control.legality import Message, State, Table, advance
from bwctl.errors import AcceptType, RemoteProtocolError
from bwctl.wire.crypto import BLOCK, BlockStream, PlainStream
from bwctl.wire.messages import StopSession, encode_stop

MAX_RESULT = 4 * 1024 * 1024  # octets of a peer's results, by default
_SLACK = 256 * 1024  # what one read may bring beyond the message under way


@dataclass(frozen=True, slots=True)
class Stopped:
    """The other end's StopSession, with the output of its tester."""

    accept: AcceptType
    output: bytes


class Session:
    """Octets in, events out; commands in, octets out. Knows no socket and no clock.

    Octets that arrive while an answer of ours is due wait until it has been given.
    """

    def __init__(self, table: Table, *, as_server: bool, max_result: int = MAX_RESULT) -> None:
        self._table = table
        self._as_server = as_server
        self._max_result = max_result
        self._raw = bytearray()  # received, and not yet decrypted
        self._plain = bytearray()  # decrypted blocks
        self._stream: BlockStream = PlainStream()
        self._wanted = 0  # octets of the message under way
        self._stop: StopSession | None = None  # fixed part read, output outstanding
        self.state = State.OPENED

    def receive_bytes(self, octets: bytes) -> None:
        """Take what the transport brought; `next_event` tells what it means.

        Raises:
            RemoteProtocolError: more octets than any legal conversation would bring.
        """
        self._raw += octets
        if len(self._raw) + len(self._plain) > self._wanted + _SLACK:
            raise RemoteProtocolError("octets without end that make no message")

    @property
    def has_octets(self) -> bool:
        """Whether octets wait to be read."""
        return bool(self._raw or self._plain)

    @property
    def _own_stop(self) -> Message:
        return Message.SERVER_STOP if self._as_server else Message.CLIENT_STOP

    @property
    def _their_stop(self) -> Message:
        return Message.CLIENT_STOP if self._as_server else Message.SERVER_STOP

    def _advance(self, message: Message) -> None:
        self.state = advance(self._table, self.state, message, as_server=self._as_server)

    def _check(self, message: Message) -> None:
        """Raise now if a message of which only the type is known cannot be legal."""
        advance(self._table, self.state, message, as_server=self._as_server)

    def _take_raw(self, size: int) -> bytes | None:
        """The next octets of a part that is never encrypted, None until they are there."""
        self._wanted = size
        if len(self._raw) < size:
            return None
        octets = bytes(self._raw[:size])
        del self._raw[:size]
        return octets

    def _peek(self) -> int | None:
        """The first octet of the next message, None until a block is there."""
        if not self._plain:
            self._decrypt()
        return self._plain[0] if self._plain else None

    def _take(self, size: int) -> bytes | None:
        """The next octets of the block stream, None until they are there."""
        self._wanted = size
        if len(self._plain) < size:
            self._decrypt()
        if len(self._plain) < size:
            return None
        octets = bytes(self._plain[:size])
        del self._plain[:size]
        return octets

    def _decrypt(self) -> None:
        whole = len(self._raw) - len(self._raw) % BLOCK
        if whole:
            self._plain += self._stream.decrypt(bytes(self._raw[:whole]))
            del self._raw[:whole]

    def _next_stop(self) -> Stopped | None:
        """The other end's StopSession once its fixed part and all its output are there."""
        if self._stop is None:
            self._check(self._their_stop)
            fixed = self._take(StopSession.SIZE)
            if fixed is None:
                return None
            self._stop = StopSession.decode(fixed)
            if self._stop.length > self._max_result:
                raise RemoteProtocolError(
                    f"results of {self._stop.length} octets, more than {self._max_result}"
                )
        tail = self._take(self._stop.tail_size)
        if tail is None:
            return None
        stop, self._stop = self._stop, None
        self._advance(self._their_stop)
        return Stopped(stop.accept, stop.output(tail))

    @property
    def may_stop(self) -> bool:
        """Whether a test is on that our end has not stopped yet."""
        return (self.state, self._own_stop) in self._table

    def stop(self, accept: AcceptType, output: bytes = b"") -> bytes:
        """Our StopSession; exactly one per test, before or after the other end's."""
        self._advance(self._own_stop)
        return self._stream.encrypt(encode_stop(accept, output))
