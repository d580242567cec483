"""Which control connections there are, held against the bounds on their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Network
from typing import Generic, TypeVar

from bwctl.limits.classes import LimitClass
from bwctl.limits.counts import connection_denials
from bwctl.net.agent import PeerAgent
from bwctl.net.broker import Booking
from bwctl.net.host import Host
from bwctl.values import IPAddress

C = TypeVar("C")


class Connections(Generic[C]):
    """The control connections that there are, by address and by limit class."""

    def __init__(self) -> None:
        self.open: set[C] = set()
        # not over, though their connections may be gone
        self.agents: dict[PeerAgent, Booking] = {}
        self._by_peer: Counter[bytes] = Counter()
        self._by_class: Counter[str] = Counter()
        self._classes: dict[C, LimitClass] = {}

    def enter(self, protocol: C, peer: IPAddress, host: Host) -> str:
        """Count a connection; returns which bound it is beyond, "" for none."""
        self.open.add(protocol)
        place = _place_of(peer)
        self._by_peer[place] += 1
        if len(self.open) > host.max_connections:
            return f"more than {host.max_connections} connections"
        if self._by_peer[place] > host.max_connections_per_host:
            return f"more than {host.max_connections_per_host} connections from one address"
        return ""

    def enter_class(self, protocol: C, limit_class: LimitClass) -> str:
        """Count it in its class and all above; returns the bounds that forbid it, "" for none."""
        denials = connection_denials(limit_class, self._by_class.__getitem__)
        if denials:
            return "; ".join(map(str, denials))
        self._classes[protocol] = limit_class
        for name in _names(limit_class):
            self._by_class[name] += 1
        return ""

    def leave(self, protocol: C, peer: IPAddress) -> None:
        """A connection is gone."""
        self.open.discard(protocol)
        place = _place_of(peer)
        self._by_peer[place] -= 1
        if not self._by_peer[place]:
            del self._by_peer[place]
        for name in _names(self._classes.pop(protocol, None)):
            self._by_class[name] -= 1

    def miscounts(self, peers: Iterable[IPAddress]) -> list[str]:
        """Addresses and classes whose count is not that of the open connections.

        Args:
            peers: the addresses of the open connections.
        """
        by_peer, known = Counter(map(_place_of, peers)), self._classes.keys() & self.open
        by_class = Counter(name for one in known for name in _names(self._classes[one]))
        wrong = [
            _shown(place)
            for place in by_peer | self._by_peer
            if by_peer[place] != self._by_peer[place]
        ]
        names = by_class | self._by_class
        return wrong + [name for name in names if by_class[name] != self._by_class[name]]


def _names(limit_class: LimitClass | None) -> tuple[str, ...]:
    return limit_class.accounts if limit_class is not None else ()


def _place_of(peer: IPAddress) -> bytes:
    """What counts as one address: of IPv6 the /64, as whoever is there has all of it.

    The octets of it, whose hash is cheap.
    """
    return peer.packed[:8]


def _shown(place: bytes) -> str:
    if len(place) == 4:
        return str(IPv4Address(place))
    return str(IPv6Network((place + bytes(8), 64)))
