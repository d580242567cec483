"""ServerGreeting, ClientGreeting, ServerOK. Source: wire.md 2.1 to 2.3."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from bwctl.errors import AcceptType, RemoteProtocolError
from bwctl.values import NTPTime, ToolID
from bwctl.wire.crypto import KEY_SIZE, TOKEN_SIZE
from bwctl.wire.fields import (
    ALL_MODES,
    EXTENSION_MARK,
    PROTOCOL_VERSION,
    Mode,
    check_zero,
    decode_accept,
)

_SERVER_GREETING = struct.Struct("!12sI16s")
_CLIENT_GREETING = struct.Struct("!I16s32s16s")
_SERVER_OK = struct.Struct("!I11xB16s")
_UPTIME = struct.Struct("!Q8s")

_TLS_HANDSHAKE = b"\x16\x03"  # RFC 8446 5.1: the type of a record, and its version
_ENDPOINT = b"endpoint"
_TEXT = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\r\n")


@dataclass(frozen=True, slots=True)
class ServerGreeting:
    """First words of the listening end. `extensions` rides in octets that C peers ignore."""

    SIZE: ClassVar[int] = _SERVER_GREETING.size  # 32
    modes: Mode
    challenge: bytes  # 16 octets
    version: int = PROTOCOL_VERSION
    extensions: int = 0  # bits of doc/design/extensions.rst, at most 64

    def encode(self) -> bytes:
        """The octets."""
        unused = b""
        if self.extensions:
            unused = EXTENSION_MARK + self.extensions.to_bytes(8, "big")
        return _SERVER_GREETING.pack(unused, self.version << 24 | self.modes, self.challenge)

    @classmethod
    def decode(cls, octets: bytes) -> ServerGreeting:
        """From exactly SIZE octets; unknown mode bits are dropped.

        Raises:
            RemoteProtocolError: it is text, so whoever said it is no BWCTL daemon.
        """
        unused, word, challenge = _SERVER_GREETING.unpack(octets)
        if all(octet in _TEXT for octet in octets):
            raise RemoteProtocolError(f"not a BWCTL daemon, it says {octets!r}")
        extensions = 0
        if unused.startswith(EXTENSION_MARK):
            extensions = int.from_bytes(unused[len(EXTENSION_MARK) :], "big")
        return cls(Mode(word & ALL_MODES), challenge, word >> 24, extensions)


@dataclass(frozen=True, slots=True)
class ClientGreeting:
    """The opening end's choice of mode and its proof. In open mode all else is zero."""

    SIZE: ClassVar[int] = _CLIENT_GREETING.size  # 68
    mode: Mode
    version: int = PROTOCOL_VERSION
    identity: bytes = b""  # at most 16 octets
    token: bytes = bytes(TOKEN_SIZE)
    iv: bytes = bytes(KEY_SIZE)

    def encode(self) -> bytes:
        """The octets."""
        return _CLIENT_GREETING.pack(
            self.version << 24 | self.mode, self.identity, self.token, self.iv
        )

    @classmethod
    def decode(cls, octets: bytes) -> ClientGreeting:
        """From exactly SIZE octets.

        Raises:
            RemoteProtocolError: the mode is not exactly one of the three; TLS is told by name.
        """
        word, identity, token, iv = _CLIENT_GREETING.unpack(octets)
        mode = word & 0xFFFFFF
        if mode not in (Mode.OPEN, Mode.AUTHENTICATED, Mode.ENCRYPTED):
            if octets.startswith(_TLS_HANDSHAKE):
                raise RemoteProtocolError("TLS, on a port where it is not spoken (see tls_port)")
            raise RemoteProtocolError(f"mode {mode:#x} in a ClientGreeting")
        return cls(Mode(mode), word >> 24, identity.rstrip(b"\0"), token, iv)

    @property
    def user(self) -> bytes:
        """The identity up to its first NUL."""
        return self.identity.split(b"\0", 1)[0]

    @property
    def extensions(self) -> int:
        """Extensions that a peer agent of ours confirms behind its fixed name, else 0."""
        head = _ENDPOINT + b"\0" + EXTENSION_MARK
        if not self.identity.startswith(head):
            return 0
        return int.from_bytes(self.identity[len(head) :].ljust(3, b"\0"), "big")


def peer_identity(extensions: int) -> bytes:
    """The identity that a peer agent sends, with the extensions it confirms (24 bits)."""
    if not extensions:
        return _ENDPOINT
    return _ENDPOINT + b"\0" + EXTENSION_MARK + extensions.to_bytes(3, "big")


@dataclass(frozen=True, slots=True)
class ServerOK:
    """Answer to the ClientGreeting, without the 16 octets that follow it."""

    SIZE: ClassVar[int] = _SERVER_OK.size  # 32
    accept: AcceptType
    tools: ToolID = ToolID.NONE
    iv: bytes = bytes(KEY_SIZE)

    def encode(self) -> bytes:
        """The octets, never encrypted."""
        return _SERVER_OK.pack(self.tools, self.accept, self.iv)

    @classmethod
    def decode(cls, octets: bytes) -> ServerOK:
        """From exactly SIZE octets."""
        tools, accept, iv = _SERVER_OK.unpack(octets)
        return cls(decode_accept(accept), ToolID(tools), iv)


@dataclass(frozen=True, slots=True)
class ServerUptime:
    """First encrypted block of the server: when the daemon was started."""

    SIZE: ClassVar[int] = _UPTIME.size  # 16
    started: NTPTime

    def encode(self) -> bytes:
        """The block, in the clear."""
        return _UPTIME.pack(self.started, bytes(8))

    @classmethod
    def decode(cls, octets: bytes) -> ServerUptime:
        """From exactly SIZE octets."""
        started, zero = _UPTIME.unpack(octets)
        check_zero(zero, "the uptime block")
        return cls(NTPTime(started))
