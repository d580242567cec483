"""Crowds of plain sockets: many source addresses, no manners."""

from __future__ import annotations

import errno
import random
import resource
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bwctl.wire.fields import Mode
from bwctl.wire.handshake import ClientGreeting
from bwctl.wire.messages import TimeRequest

GREETING = ClientGreeting(Mode.OPEN).encode()
BATCH = 200
PATIENCE_S = 60.0
RESET = struct.pack("ii", 1, 0)


def sources(count: int, block: int = 40) -> list[str]:
    """Addresses of 127.BLOCK.0.0/16, some connections for each: no bound on one host is met."""
    return [
        f"127.{block}.{number // 16 // 250}.{number // 16 % 250 + 1}" for number in range(count)
    ]


def room_for(count: int) -> int:
    """How many of `count` connections this process may have, with its limit raised if it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(count, hard - 200)


@contextmanager
def crowd(where: tuple[str, int], addresses: list[str]) -> Iterator[list[socket.socket]]:
    """Connections, all of which the daemon has greeted or closed; closed at the end.

    They come in batches: what is too much for the kernel's queue only looks connected.
    """
    members: list[socket.socket] = []
    try:
        for start in range(0, len(addresses), BATCH):
            waiting = {_connecting(where, one) for one in addresses[start : start + BATCH]}
            members += waiting
            end = time.monotonic() + PATIENCE_S
            while waiting:
                assert time.monotonic() < end, f"{len(waiting)} connections do not come about"
                waiting -= set(_ready(waiting, select.POLLIN, 1.0))
        yield members
    finally:
        for member in members:
            member.close()


def _connecting(where: tuple[str, int], source: str) -> socket.socket:
    member = socket.socket()
    member.setblocking(False)
    member.bind((source, 0))
    failure = member.connect_ex(where)
    assert failure in (0, errno.EINPROGRESS), errno.errorcode[failure]
    return member


def gone(members: set[socket.socket], wait_s: float = 0.0) -> list[socket.socket]:
    """Those that the other end has closed; what it has said is read."""
    found = []
    for member in _ready(members, select.POLLIN, wait_s):
        try:
            while octets := member.recv(65536):
                del octets
            found.append(member)
        except BlockingIOError:
            continue
        except OSError:
            found.append(member)
    return found


def _ready(members: set[socket.socket], what: int, wait_s: float) -> list[socket.socket]:
    poll = select.poll()
    by_number = {member.fileno(): member for member in members}
    for number in by_number:
        poll.register(number, what)
    return [by_number[number] for number, _ in poll.poll(wait_s * 1000)]


def say(member: socket.socket, octets: bytes) -> None:
    """Send what goes; a connection that is gone hears nothing."""
    try:
        member.send(octets)
    except OSError:
        return


def scattered(member: socket.socket, dice: random.Random) -> None:
    """Leave in one of the ways there are: close, reset, half-close, or garbage first."""
    how = dice.randrange(6)
    if how == 0:
        member.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    elif how == 1:
        member.shutdown(socket.SHUT_WR)
    elif how == 2:
        say(member, dice.randbytes(dice.choice((1, 67, 68, 69, 4096, 60_000))))
    elif how == 3:
        say(member, GREETING + dice.randbytes(dice.choice((1, 32, 128))))
    elif how == 4:
        say(member, GREETING + TimeRequest().encode() * dice.choice((1, 17, 400)))
        member.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    member.close()
