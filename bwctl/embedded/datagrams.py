"""UDP tests on the wire: what is agreed, the datagrams, the end. Pure.

Rates and sizes are those of whole IP packets.
Source: thrulay.md sections 2.2, 2.4, 4.1, 4.3 and 11.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from bwctl.embedded.protocol import (
    UDP_REFUSAL,
    ProtocolError,
    Refused,
    UDPProposal,
    check_range,
    quoted,
    split_numbers,
)

DATAGRAM = struct.Struct("!QQII")  # nonce, number, NTP seconds, NTP fraction
STAMP = struct.Struct("!QQ")  # number and NTP time, behind the nonce
NONCE_SIZE = 8
IPV4_HEADERS = 28  # octets of the IP and UDP headers
IPV6_HEADERS = 48
MAX_PACKET = 65535
DEFAULT_PACKET = 1500
DEFAULT_RATE = 1_000_000  # bit/s
MAX_PACKETS = 1 << 27  # of one test: a bitmap of 16 MiB
MAX_SECONDS = 86_400 * 7  # of one test, at a server that sets no time

_NTP_UNIX_OFFSET = 2_208_988_800  # seconds from 1900 to 1970
_SECONDS_MASK = (1 << 32) - 1
_TIME_MASK = (1 << 64) - 1
_MAX_NUMBERS = 50  # octets of the four numbers of a response, with their ":"
_MAX_END = 23  # octets of the end message


class Aborted(Exception):
    """The client gave its test up."""


class UDPResponse(NamedTuple):
    """What the server made of a UDP proposal; the client has to keep to it."""

    server_port: int
    packet_size: int
    rate: int
    packets: int
    nonce: bytes  # eight octets that every datagram begins with

    def encode(self) -> bytes:
        """The octets of the response."""
        return b"%d:%d:%d:%d:%b+" % self


def headers(ipv6: bool) -> int:
    """Octets of a packet that are not UDP payload."""
    return IPV6_HEADERS if ipv6 else IPV4_HEADERS


def proposal(port: int, packet_size: int, bits_per_second: int, duration: float) -> UDPProposal:
    """The proposal for a rate and a duration in seconds, computed as C does.

    Raises:
        ValueError: not even one packet, or more than a test may have.
    """
    rate = 125 * bits_per_second // packet_size
    packets = int(duration * bits_per_second / (8 * packet_size))
    if rate < 1 or packets < 1:
        raise ValueError("the rate is too low to send a single packet in that time")
    if packets > MAX_PACKETS or rate > _SECONDS_MASK:
        raise ValueError(f"more than {MAX_PACKETS} packets: a lower rate or a shorter test, please")
    return UDPProposal(port, packet_size, rate, packets)


def objection(
    asked: UDPProposal, ipv6: bool, most_bits_per_second: float, longest: float
) -> str | None:
    """Why a server does not grant a proposal; None if it does.

    Args:
        most_bits_per_second: that the site allows; 0: any.
        longest: duration in seconds that the site allows; 0: any.
    """
    if not 1 <= asked.client_port <= 65535:
        return "no such port"
    if not headers(ipv6) + DATAGRAM.size <= asked.packet_size <= MAX_PACKET:
        return f"packets of {asked.packet_size} octets"
    if asked.rate < 1 or not 1 <= asked.packets <= MAX_PACKETS:
        return f"{asked.packets} packets, {asked.rate} in 1000 s"
    if most_bits_per_second and asked.rate * asked.packet_size > 125 * most_bits_per_second:
        return f"more than {most_bits_per_second:g} bit/s"
    longest = longest or MAX_SECONDS
    if asked.packets * 1000 > longest * (asked.rate + 1):  # it was rounded down
        return f"longer than {longest:g} s"
    return None


def seconds_of(rate: int, packets: int) -> float:
    """How long packets take at a rate in packets per 1000 s."""
    return packets * 1000 / rate


def parse_response(octets: bytes) -> UDPResponse | None:
    """What came from the server so far, as its response; None: there is more to come.

    Raises:
        Refused: the server does not want this test.
        ProtocolError: it makes no sense.
    """
    if octets.startswith(UDP_REFUSAL):
        raise Refused("no UDP test of this kind")
    fields = octets.split(b":", 4)  # no more: the nonce may contain any octet
    if len(fields) <= 4:
        if len(octets) > _MAX_NUMBERS:
            raise ProtocolError(f"no UDP response: {quoted(octets)}")
        return None
    nonce = fields.pop()
    if len(nonce) <= NONCE_SIZE:
        return None
    if nonce[NONCE_SIZE:] != b"+":
        raise ProtocolError(f"no single '+' at the end of the UDP response: {quoted(octets)}")
    port, size, rate, packets = split_numbers(b":".join(fields), 4)
    check_range(port, 1, 65535)
    return UDPResponse(port, size, rate, packets, nonce[:NONCE_SIZE])


def check_response(response: UDPResponse, asked: UDPProposal, ipv6: bool) -> None:
    """See that the server may tell us to send that: nobody makes us send more than we asked for.

    Raises:
        ProtocolError: it may not.
    """
    check_range(response.packet_size, headers(ipv6) + DATAGRAM.size, asked.packet_size)
    check_range(response.rate, 1, asked.rate)
    check_range(response.packets, 1, asked.packets)


def end_message(sent: int) -> bytes:
    """What the client says when it has sent all its packets."""
    return b"+%d:" % sent


ABORT = b"-"


def parse_end(octets: bytes, packets: int) -> int | None:
    """How many packets the client has sent; None: there is more to come.

    Args:
        packets: agreed on.

    Raises:
        Aborted: the client does not want a result.
        ProtocolError: it makes no sense.
    """
    if octets.startswith(ABORT):
        raise Aborted
    number, colon, rest = octets.partition(b":")
    if number[:1] not in (b"+", b"") or rest or len(octets) > _MAX_END:
        raise ProtocolError(f"no end of a UDP test: {quoted(octets)}")
    if not colon:
        return None
    [sent] = split_numbers(number[1:], 1)
    check_range(sent, 0, packets)
    return sent


def ntp_of(unix_ns: int) -> int:
    """NTP time, 64 bits, of a Unix time in ns; the seconds wrap in 2036."""
    return (((unix_ns << 32) // 1_000_000_000) + (_NTP_UNIX_OFFSET << 32)) & _TIME_MASK


def delay_ns(seconds: int, nanoseconds: int, ntp_seconds: int, fraction: int) -> int:
    """From an NTP time to a Unix time, in ns; right if both are within 68 years."""
    apart = (seconds + _NTP_UNIX_OFFSET - ntp_seconds) & _SECONDS_MASK
    if apart >> 31:
        apart -= 1 << 32
    return apart * 1_000_000_000 + nanoseconds - (fraction * 1_000_000_000 >> 32)
