"""Fields that several messages share: addresses, error estimates, the zero block."""

from __future__ import annotations

import struct
from enum import IntFlag
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from bwctl.errors import AcceptType, RemoteProtocolError
from bwctl.values import ErrorEstimate, IPAddress

PROTOCOL_VERSION = 6  # of BWCTL 1.6.7; never announce more (wire.md 7.2)
_SYNCHRONISED = 0x80
EXTENSION_MARK = b"BWTX"  # what follows is ours alone: doc/design/extensions.rst


class Mode(IntFlag):
    """Modes of a connection: bits of an offer, or the one chosen. Source: wire.md 2.1."""

    NONE = 0
    OPEN = 1
    AUTHENTICATED = 2
    ENCRYPTED = 4


ALL_MODES = Mode.OPEN | Mode.AUTHENTICATED | Mode.ENCRYPTED


def check_zero(octets: bytes, what: str) -> None:
    """The integrity check (wire.md 2.11).

    Raises:
        RemoteProtocolError: not all octets are zero.
    """
    if octets.strip(b"\0"):
        raise RemoteProtocolError(f"integrity check of {what} failed: {octets[:16].hex()}")


def decode_accept(value: int) -> AcceptType:
    """An accept octet; anything but 0, 1, 2 and 4 is a protocol error."""
    try:
        return AcceptType(value)
    except ValueError:
        raise RemoteProtocolError(f"unknown accept value {value}") from None


def encode_error(error: ErrorEstimate) -> bytes:
    """The two octets of an error estimate. Source: wire.md 3.2."""
    return bytes([(_SYNCHRONISED if error.synchronised else 0) | error.scale, error.multiplier])


@lru_cache(maxsize=256)
def decode_error(octets: bytes) -> ErrorEstimate:
    """An error estimate from two octets; a multiplier of 0 is a protocol error."""
    flags, multiplier = octets
    if not multiplier:
        raise RemoteProtocolError("an error estimate with multiplier 0")
    return ErrorEstimate(flags & 0x3F, multiplier, bool(flags & _SYNCHRONISED))


def encode_address(address: IPAddress) -> bytes:
    """An address in 16 octets, IPv4 in the first four."""
    return address.packed.ljust(16, b"\0")


def decode_address(octets: bytes, version: int) -> IPAddress:
    """An address of family 4 or 6 from 16 octets."""
    return IPv4Address(octets[:4]) if version == 4 else IPv6Address(octets)


def encode_bandwidth(bandwidth: int) -> tuple[int, int]:
    """Mantissa (32 bits) and exponent of a rate in bit/s; low bits are lost (wire.md 2.6a)."""
    exponent = max(0, bandwidth.bit_length() - 32)
    return bandwidth >> exponent, exponent


def character(octet: int) -> str:
    """A one-character option, "" for 0."""
    return chr(octet) if octet else ""


def octet_of(text: str) -> int:
    """The octet of a one-character option."""
    return struct.unpack("!B", text.encode("latin-1"))[0] if text else 0
