"""Network rules: how they are written, and the longest prefix that holds an address."""

from __future__ import annotations

import socket
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Generic, TypeVar

from bwctl.limits.grammar import shown
from bwctl.values import IPAddress

IPNetwork = IPv4Network | IPv6Network

T = TypeVar("T")


def unmapped(address: IPAddress) -> IPAddress:
    """The address; an IPv4-mapped IPv6 address as IPv4."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


@lru_cache(maxsize=1024)  # of one client come many connections
def plain_address(text: str) -> IPAddress:
    """An address as a transport gives it, without zone, IPv4 where it is mapped."""
    return unmapped(ip_address(text.split("%")[0]))


class AddressTable(Generic[T]):
    """Values by network; an address finds the value of the longest prefix that holds it.

    The rules are flattened once into disjoint ranges, so a look-up is one bisection whatever the
    number of prefix lengths. For equal networks the last one counts.
    """

    def __init__(self, rules: Iterable[tuple[IPNetwork, T]] = ()) -> None:
        """Take over networks and their values."""
        self.rules = values = dict(rules)
        self._ranges = {
            version: _flatten([rule for rule in values.items() if rule[0].version == version])
            for version in (4, 6)
        }

    def __len__(self) -> int:
        return len(self.rules)

    def find(self, address: IPAddress) -> T | None:
        """Value for an address, None where no network holds it."""
        address = unmapped(address)
        starts, values = self._ranges[address.version]
        return values[bisect_right(starts, int(address)) - 1]


def _flatten(rules: list[tuple[IPNetwork, T]]) -> tuple[list[int], list[T | None]]:
    """First addresses of ranges, ascending from 0, and the value of each range."""
    starts: list[int] = [0]
    values: list[T | None] = [None]
    around: list[tuple[int, T]] = []  # last addresses and values of the networks we are in

    def start(address: int, value: T | None) -> None:
        if starts[-1] == address:
            values[-1] = value
        else:
            starts.append(address)
            values.append(value)

    def leave_before(address: int) -> None:
        while around and around[-1][0] < address:
            last, _ = around.pop()
            start(last + 1, around[-1][1] if around else None)

    for network, value in sorted(rules, key=lambda rule: _first_and_length(rule[0])):
        first = int(network.network_address)
        leave_before(first)
        around.append((int(network.broadcast_address), value))
        start(first, value)
    leave_before(1 << 128)
    return starts, values


def _first_and_length(network: IPNetwork) -> tuple[int, int]:
    return int(network.network_address), network.prefixlen


def parse_network(word: str) -> tuple[IPNetwork, bool]:
    """A network as an `assign net` line writes it: ADDRESS or ADDRESS/BITS.

    An IPv4-mapped IPv6 address counts as IPv4, with an IPv4 prefix length.

    Returns:
        The network, and whether the address was in an IPv4 short form (10.1 for 10.0.0.1).
    Raises:
        ValueError: not a network, or host bits are set.
    Source: daemon.md 2.5; unlike C, /0 is allowed.
    """
    host, slash, bits = word.partition("/")
    address, short = _parse_address(host)
    size = address.max_prefixlen
    if slash and not (bits.isascii() and bits.isdigit() and len(bits) <= 3 and int(bits) <= size):
        raise ValueError(f"{shown(bits)} is not a prefix length from 0 to {size}")
    network = _network(address, int(bits) if slash else size)
    if network.network_address != address:
        raise ValueError(f"{shown(word)} has bits set after its prefix; the network is {network}")
    return network, short


def _network(address: IPAddress, length: int) -> IPNetwork:
    if isinstance(address, IPv4Address):
        return IPv4Network((address, length), strict=False)
    return IPv6Network((address, length), strict=False)


def _parse_address(word: str) -> tuple[IPAddress, bool]:
    try:
        address = ip_address(word)
    except ValueError:
        return _short_form(word), True
    if isinstance(address, IPv6Address) and address.scope_id:
        raise ValueError(f"{shown(word)} names an interface")
    return unmapped(address), False


def _short_form(word: str) -> IPv4Address:
    try:
        return IPv4Address(socket.inet_aton(word))
    except (OSError, ValueError):
        raise ValueError(f"{shown(word)} is not a numeric address") from None
