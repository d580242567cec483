"""Where a test may lead: a daemon is nobody's means to reach what they cannot. Pure.

Without these checks the address of the other end is whatever the control client writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from ipaddress import IPv4Address, ip_address

from bwctl.limits.addresses import unmapped
from bwctl.limits.denials import Denial
from bwctl.values import IPAddress, Role, TestSpec

_BROADCAST = IPv4Address("255.255.255.255")


@dataclass(frozen=True, slots=True)
class Asker:
    """A control client, as its connection shows it."""

    address: IPAddress
    local: bool  # on the daemon's host: it could run testers itself

    @property
    def is_inside(self) -> bool:
        """Whether loopback is its own, too."""
        return self.local or _sort(unmapped(self.address).packed) is _Sort.LOOPBACK


def place_denials(spec: TestSpec, role: Role, asker: Asker) -> list[Denial]:
    """What forbids a test between two addresses in every class.

    Addresses that are not one host's, and loopback for clients from elsewhere.

    Args:
        role: the part that our end plays.
    """
    ours, theirs = (unmapped(spec.address(one)) for one in (role, role.other))
    return [
        *_no_host(ours, theirs),
        *_loopback(ours, theirs, asker),
    ]


def _no_host(*addresses: IPAddress) -> Iterator[Denial]:
    for address in addresses:
        if _sort(address.packed) is _Sort.NO_HOST:
            yield Denial("", "addresses", "single hosts", str(address))


def _loopback(ours: IPAddress, theirs: IPAddress, asker: Asker) -> Iterator[Denial]:
    if asker.is_inside:
        return
    for address in (ours, theirs):
        if _sort(address.packed) is _Sort.LOOPBACK:
            yield Denial("", "loopback", "clients of this host", str(address))


class _Sort(Enum):
    """What an address may be of."""

    HOST = auto()
    LOOPBACK = auto()
    NO_HOST = auto()


@lru_cache(maxsize=1024)  # a look at an address takes as long as the rest of these checks
def _sort(packed: bytes) -> _Sort:
    address = ip_address(packed)
    if address.is_multicast or address.is_unspecified or address == _BROADCAST:
        return _Sort.NO_HOST
    return _Sort.LOOPBACK if address.is_loopback else _Sort.HOST
