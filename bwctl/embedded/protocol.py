"""Control octets of thrulay/2: greeting, proposal, response. Pure.

The peer is not trusted: what is not exactly as expected raises ProtocolError.
Source: thrulay.md sections 2 and 11.
"""

from __future__ import annotations

from typing import NamedTuple

GREETING = b"thrulay/2+"
REFUSAL = b"thrulay/2-"
UDP_REFUSAL = b"u:-"  # exactly these three octets
VERSION = b"thrulay/2"

HEADER = 16  # octets of a block that are echoed
MIN_BLOCK = HEADER
MAX_BLOCK = 1 << 20
MIN_WINDOW = 1500
MAX_WINDOW = (1 << 31) - 1
DEFAULT_WINDOW = 4 << 20  # of C; what a client proposes when nobody chose a window

MAX_PROPOSAL = 128  # octets, with the closing "+"
MAX_RESPONSE = 64
MAX_REASON = 1023
_MAX_DIGITS = 20
_MAX_NUMBER = (1 << 32) - 1


class ProtocolError(Exception):
    """The peer sent something that is not legal."""


class Refused(Exception):
    """The server refused us; the text is its reason, printable."""


class TCPProposal(NamedTuple):
    """What a client wants of a TCP test."""

    window: int  # octets, 0 .. MAX_WINDOW
    block: int  # octets, as asked: not yet within MIN_BLOCK .. MAX_BLOCK

    def encode(self) -> bytes:
        """The octets of the proposal."""
        return b"%s:t:%d:%d+" % (VERSION, self.window, self.block)


class UDPProposal(NamedTuple):
    """What a client wants of a UDP test. Not judged yet: see datagrams.py."""

    client_port: int
    packet_size: int  # octets, with IP and UDP headers
    rate: int  # packets per 1000 s
    packets: int

    def encode(self) -> bytes:
        """The octets of the proposal."""
        return b"%s:u:%d:%d:%d:%d+" % (VERSION, *self)


class Response(NamedTuple):
    """What the server made of a TCP proposal."""

    window: int  # octets, what its socket has
    block: int  # octets, to be used by the client

    def encode(self) -> bytes:
        """The octets of the response."""
        return b"%d:%d+" % self


class Collector:
    """Octets up to the closing "+", in whatever pieces they come."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._octets = b""

    def feed(self, octets: bytes) -> bytes | None:
        """Take more octets; all up to and with the "+" once it is there.

        Raises:
            ProtocolError: too long, or something behind the "+".
        """
        self._octets += octets[: self._limit + 1]
        end = self._octets.find(b"+")
        if len(self._octets) > self._limit:
            raise ProtocolError(f"no more than {self._limit} octets expected")
        if end < 0:
            return None
        if end + 1 != len(self._octets):
            raise ProtocolError(f"octets behind the '+': {quoted(self._octets)}")
        return self._octets


def parse_proposal(text: bytes) -> TCPProposal | UDPProposal:
    """The proposal in octets that end with "+".

    Raises:
        ProtocolError: another version, type or number of fields; not digits; out of range.
    """
    if not text.endswith(b"+"):
        raise ProtocolError("proposal without '+'")
    version, _, fields = text[:-1].partition(b":")
    kind, _, numbers = fields.partition(b":")
    if version != VERSION:
        raise ProtocolError(f"not thrulay/2: {quoted(text)}")
    if kind == b"t":
        window, block = split_numbers(numbers, 2)
        check_range(window, 0, MAX_WINDOW)
        return TCPProposal(window, block)
    if kind == b"u":
        return UDPProposal(*split_numbers(numbers, 4))
    raise ProtocolError(f"unknown type of test: {quoted(text)}")


def parse_response(text: bytes) -> Response:
    """The TCP response in octets that end with "+".

    Raises:
        ProtocolError: not two numbers, or out of range.
    """
    if not text.endswith(b"+"):
        raise ProtocolError("response without '+'")
    window, block = split_numbers(text[:-1], 2)
    check_range(window, MIN_WINDOW, MAX_WINDOW)
    check_range(block, MIN_BLOCK, MAX_BLOCK)
    return Response(window, block)


def check_greeting(octets: bytes) -> bool:
    """Whether a server's first ten octets welcome us; False: a reason may follow.

    Raises:
        ProtocolError: it is not a thrulay/2 server.
    """
    if octets == GREETING:
        return True
    if octets.startswith(VERSION) and len(octets) == len(GREETING):
        return False
    raise ProtocolError(f"not a thrulay server: {quoted(octets)}")


def refusal(reason: str) -> bytes:
    """The greeting that refuses a client."""
    return REFUSAL + reason.encode() + b"\n"


def granted_block(asked: int) -> int:
    """The block size for a proposal: as asked, forced into what the protocol allows."""
    return min(max(asked, MIN_BLOCK), MAX_BLOCK)


def printable(octets: bytes, limit: int = MAX_REASON) -> str:
    """A peer's text for people: cut, control characters replaced."""
    text = octets[:limit].decode("utf-8", "replace").strip()
    return "".join(character if character.isprintable() else "?" for character in text)


def quoted(octets: bytes) -> str:
    """A peer's octets for a message: escaped and cut."""
    return repr(octets[:40])


def split_numbers(text: bytes, count: int) -> list[int]:
    """Unsigned numbers of 32 bits with ":" between them.

    Raises:
        ProtocolError: not that many; not digits; out of range.
    """
    fields = text.split(b":")
    if len(fields) != count:
        raise ProtocolError(f"{count} numbers expected: {quoted(text)}")
    return [_number(field) for field in fields]


def _number(field: bytes) -> int:
    if not field.isdigit() or len(field) > _MAX_DIGITS:  # isdigit: ASCII only, for bytes
        raise ProtocolError(f"not a number: {quoted(field)}")
    number = int(field)
    check_range(number, 0, _MAX_NUMBER)
    return number


def check_range(number: int, low: int, high: int) -> None:
    """Refuse a number that is not in a range.

    Raises:
        ProtocolError: it is not.
    """
    if not low <= number <= high:
        raise ProtocolError(f"{number} is not in {low} .. {high}")
