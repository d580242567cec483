"""Ports for a test that nobody else holds. Source: testers.md 14, point 7."""

from __future__ import annotations

import errno
import socket

from bwctl.broker.ports import PortPool
from bwctl.values import IPAddress

_MOST_TRIES = 50  # a range of which so many are in use is not ours


def take_free(pool: PortPool, count: int, address: IPAddress) -> int | None:
    """Mark neighbouring ports of a pool that nobody holds now; the first one, None without any.

    Ports of the pool that another program holds are passed over, and stay in the pool.
    """
    passed: list[int] = []
    try:
        for _ in range(_MOST_TRIES):
            first = pool.take(count)
            if first is None or _are_free(address, range(first, first + count)):
                return first
            passed.append(first)
        return None
    finally:
        for port in passed:
            pool.release(port, count)


def _are_free(address: IPAddress, ports: range) -> bool:
    host = str(address)
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    return not any(_is_held(host, port, kind) for port in ports for kind in kinds)


def _is_held(host: str, port: int, kind: socket.SocketKind) -> bool:
    """Whether a socket holds a port; an address that is not ours tells nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, kind) as one:
            if kind is socket.SOCK_STREAM:  # connections that are over do not count
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((host, port))
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False
