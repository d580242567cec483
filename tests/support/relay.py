"""A relay between programs that harms what passes through it: a network that fails on cue."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.daemons import Daemon

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: a close sends RST


class Relay:
    """Every connection to it goes on to a server, octet for octet.

    Args:
        target: address and port of the server; may be set later.
        address, port: where it listens; port 0: any.
        change: what becomes of what the server sends at a time, so of a message.
        source: the address that it comes from to the server; "": any.
    """

    def __init__(
        self,
        target: tuple[str, int],
        address: str,
        port: int = 0,
        change: Callable[[bytes], bytes] = bytes,
        source: str = "",
    ) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.node = f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"
        self.target = target
        self._source = (source, 0) if source else None
        self.events: list[str] = []  # "opened" and "closed" by the client
        self.delay_s = 0.0  # of everything, in both directions
        self.reached = threading.Event()  # the message of `hold` has come
        self._change = change
        self._wanted: Callable[[int, bytes], bool] = lambda number, octets: False
        self._open, self._passing = threading.Event(), threading.Event()  # all; what clients send
        self._open.set()
        self._passing.set()
        self._closed = False
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def hold(self, wanted: Callable[[int, bytes], bool]) -> None:
        """Keep back a message of the client, told by its number from 0 on and its octets.

        What the server sends still passes, its end too.
        """
        self._wanted = wanted

    def freeze(self) -> None:
        """Nothing passes any more, in any direction; nobody is told."""
        self._open.clear()

    def release(self) -> None:
        """What was held goes on."""
        self._wanted = lambda number, octets: False
        self._passing.set()
        self._open.set()

    def cut(self) -> None:
        """End all connections at once."""
        sockets, self._sockets = self._sockets, []
        for one in sockets:
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                one.shutdown(socket.SHUT_RDWR)  # else a thread that reads from it keeps it open
            one.close()
        self.release()

    def close(self) -> None:
        """End it, and with it all that passes."""
        self._closed = True
        self._listener.shutdown(socket.SHUT_RDWR)  # else `accept` does not notice
        self._listener.close()
        self.cut()

    def _serve(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                continue
            try:
                server = socket.create_connection(self.target, source_address=self._source)
            except OSError:  # it is gone
                client.close()
                continue
            self.events.append("opened")
            self._sockets += [client, server]
            for ends, name in (((client, server), "closed"), ((server, client), "")):
                threading.Thread(target=self._pump, args=(*ends, name), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, name: str) -> None:
        number = 0
        with suppress(OSError, ValueError):  # ValueError: it was cut meanwhile
            while octets := self._next(source):
                if name and self._wanted(number, octets):
                    self._passing.clear()
                    self.reached.set()
                if name:
                    self._passing.wait()
                self._open.wait()
                time.sleep(self.delay_s)
                target.sendall(octets if name else self._change(octets))
                number += 1
        if name:
            self.events.append(name)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _next(self, source: socket.socket) -> bytes:
        """What comes next; an end is seen while it is frozen, and passed on when it is not."""
        select.select([source], [], [])
        octets = source.recv(65536)
        self._open.wait()
        return octets


@contextmanager
def relayed(
    daemon: Daemon, address: str, change: Callable[[bytes], bytes] = bytes
) -> Iterator[Relay]:
    """A relay to a daemon's control port, at the same port of an address."""
    port = daemon.ports.control
    relay = Relay((daemon.address, port), address, port, change)
    try:
        yield relay
    finally:
        relay.close()


@contextmanager
def between(receiver: Daemon, sender: Daemon, address: str) -> Iterator[tuple[Relay, Relay]]:
    """Two relays: one to a daemon's control port, one that the other daemon meets it by."""
    meeting = Relay((address, 0), address, source=sender.address)

    def by_relay(octets: bytes) -> bytes:
        if port := told_peer_port(octets):
            meeting.target = (address, port)
            return octets[:2] + meeting.port.to_bytes(2, "big") + octets[4:]
        return octets

    try:
        with relayed(receiver, address, by_relay) as control:
            yield control, meeting
    finally:
        meeting.close()


def told_peer_port(octets: bytes) -> int:
    """The peer port in a daemon's StartAck; 0: it is no such message, or names none."""
    is_ack = len(octets) == 32 and octets[:2] == bytes(2) and not any(octets[4:])
    return int.from_bytes(octets[2:4], "big") if is_ack else 0
