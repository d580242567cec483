"""Ports for a test that nobody else holds. Source: testers.md 14, point 7."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Protocol

from bwctl.broker.ports import PortPool
from bwctl.values import IPAddress

_MOST_TRIES = 50  # a range of which so many are in use is not ours
_STREAMS = (socket.SOCK_STREAM,)
_BOTH = (socket.SOCK_STREAM, socket.SOCK_DGRAM)


class TakePorts(Protocol):
    """How ports are taken for a test; None: there are none."""

    def __call__(
        self, pool: PortPool, count: int, address: IPAddress, *, datagrams: bool
    ) -> int | None: ...


def take_free(
    pool: PortPool, count: int, address: IPAddress, *, datagrams: bool = True
) -> int | None:
    """Mark neighbouring ports of a pool that nobody holds now; the first one, None without any.

    Ports of the pool that another program holds are passed over, and stay in the pool.

    Args:
        datagrams: the tester may use UDP too. Each protocol costs a look of its own.
    """
    host, kinds = str(address), _BOTH if datagrams else _STREAMS
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    passed: list[int] = []
    try:
        for _ in range(_MOST_TRIES):
            first = pool.take(count)
            if first is None or not _are_held(family, kinds, host, range(first, first + count)):
                return first
            passed.append(first)
        return None
    finally:
        for port in passed:
            pool.release(port, count)


def _are_held(
    family: socket.AddressFamily, kinds: Sequence[socket.SocketKind], host: str, ports: range
) -> bool:
    """Whether any of some ports is held."""
    for port in ports:
        for kind in kinds:
            if _is_held(family, kind, (host, port)):
                return True
    return False


def _is_held(family: socket.AddressFamily, kind: socket.SocketKind, place: tuple[str, int]) -> bool:
    """Whether a socket holds a port; an address that is not ours tells nothing."""
    try:
        with socket.socket(family, kind) as one:
            if kind is socket.SOCK_STREAM:  # connections that are over do not count
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(place)
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False
