"""Ports for the daemons of tests: no two processes of this host get the same ones."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
import time
from collections.abc import Container, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LOW, HIGH = 18000, 32000  # the kernel picks its own from 32768 on
BLOCK = 50
NUTTCP_CONTROL_PORT = 5000
_PEER = range(1, 15)  # offsets in a block; 0 is the control port
_TEST = range(15, BLOCK)


@dataclass(frozen=True)
class Block:
    """Fifty ports in a row, held until `release` or until this process ends."""

    first: int
    lock: IO[bytes]

    @property
    def control(self) -> int:
        """The port to listen on."""
        return self.first

    @property
    def peer(self) -> str:
        """Value of `peer_port`."""
        return f"{self.first + _PEER[0]}-{self.first + _PEER[-1]}"

    @property
    def test(self) -> str:
        """Value of `test_port`."""
        return f"{self.first + _TEST[0]}-{self.first + _TEST[-1]}"

    def taken(self) -> list[int]:
        """Its ports that somebody uses now."""
        return [port for port in range(self.first, self.first + BLOCK) if not is_free(port)]

    def release(self) -> None:
        """Give the ports back."""
        self.lock.close()


def take_block() -> Block:
    """A block that nobody holds and of which no port is used."""
    numbers = list(range(LOW, HIGH, BLOCK))
    random.shuffle(numbers)
    for first in numbers:
        lock = _try_lock(f"ports-{first}")
        if lock is None:
            continue
        block = Block(first, lock)
        if not block.taken():
            return block
        block.release()
    raise AssertionError(f"no free block of {BLOCK} ports between {LOW} and {HIGH}")


def is_free(port: int) -> bool:
    """Whether nobody listens on a port, TCP or UDP, at any address."""
    families = [socket.AF_INET] + [socket.AF_INET6] * Path("/proc/net/if_inet6").exists()
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    return all(_can_bind(family, kind, port) for family in families for kind in kinds)


def connected(ports: Container[int]) -> list[int]:
    """The local port of each TCP connection of this host that has one of some."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    rows = [row for one in tables if one.exists() for row in one.read_text().splitlines()[1:]]
    fields = [row.split() for row in rows]
    numbers = [int(one[1].rpartition(":")[2], 16) for one in fields if one[3] == "01"]
    return [number for number in numbers if number in ports]


def _can_bind(family: socket.AddressFamily, kind: socket.SocketKind, port: int) -> bool:
    with closing(socket.socket(family, kind)) as one:
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:  # old connections do not count
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("", port))
        except OSError:
            return False
    return True


@contextmanager
def nuttcp_turn(patience_s: float = 1200.0) -> Iterator[None]:
    """Hold the only right on this host to run a nuttcp test: its control port is fixed."""
    end = time.monotonic() + patience_s
    while (lock := _try_lock("nuttcp")) is None or not is_free(NUTTCP_CONTROL_PORT):
        if lock is not None:
            lock.close()
        assert time.monotonic() < end, f"no turn for nuttcp within {patience_s:.0f} s"
        time.sleep(0.1)
    try:
        yield
    finally:
        lock.close()


def _try_lock(name: str) -> IO[bytes] | None:
    """An open file that holds a lock of this host until it is closed, None if it is taken."""
    directory = Path(tempfile.gettempdir(), f"bwctl-tests-{os.getuid()}")
    directory.mkdir(exist_ok=True)
    file = (directory / name).open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
