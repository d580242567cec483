"""Where a test may lead: a daemon is nobody's means to reach what they cannot. Pure.

Without these checks the address of the other end is whatever the control client writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from bwctl.limits.addresses import unmapped
from bwctl.limits.denials import Denial
from bwctl.values import IPAddress, Role, TestSpec

_BROADCAST = IPv4Address("255.255.255.255")


@dataclass(frozen=True, slots=True)
class Asker:
    """A control client, as its connection shows it."""

    address: IPAddress
    local: bool  # on the daemon's host: it could run testers itself


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
        if address.is_multicast or address.is_unspecified or address == _BROADCAST:
            yield Denial("", "addresses", "single hosts", str(address))


def _loopback(ours: IPAddress, theirs: IPAddress, asker: Asker) -> Iterator[Denial]:
    if asker.local or unmapped(asker.address).is_loopback:
        return
    for address in (ours, theirs):
        if address.is_loopback:
            yield Denial("", "loopback", "clients of this host", str(address))
