"""Seeing, from outside, that a process holds a listening socket."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from bwctl.values import IPAddress, Listening

_TCP_LISTEN = "0A"
_PROC = Path("/proc/net")


def is_listening(wanted: Listening, address: IPAddress) -> bool | None:
    """Whether some socket listens there; None where the system does not tell.

    A socket bound to the wildcard address of either family counts.
    """
    tables = [_PROC / wanted.protocol, _PROC / f"{wanted.protocol}6"]
    readable = [table for table in tables if table.exists()]
    if not readable:
        return None
    try:
        return any(
            port == wanted.port and (held == address or held.is_unspecified)
            for table in readable
            for held, port in _sockets(table, wanted.protocol)
        )
    except OSError:  # no descriptor is to be had
        return None


def _sockets(table: Path, protocol: str) -> Iterator[tuple[IPAddress, int]]:
    """Local addresses of listening (TCP) or bound (UDP) sockets."""
    with table.open(encoding="ascii") as rows:
        next(rows, None)
        for row in rows:
            fields = row.split()
            if protocol == "tcp" and fields[3] != _TCP_LISTEN:
                return  # the kernel lists the listening ones first
            host, port = fields[1].split(":")
            yield _address(host), int(port, 16)


def _address(text: str) -> IPAddress:
    """An address as the kernel prints it: 32-bit words in host order."""
    octets = b"".join(
        int(text[start : start + 8], 16).to_bytes(4, "little") for start in range(0, len(text), 8)
    )
    if len(octets) == 4:
        return IPv4Address(octets)
    address = IPv6Address(octets)
    return address.ipv4_mapped or address
