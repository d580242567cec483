"""The server's door: who is let in, and what is said of those who are not.

Source: thrulay.md sections 2.1, 10 and 11.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from bwctl.embedded import protocol, sockets
from bwctl.embedded.failures import Turned
from bwctl.embedded.options import MAX_STREAMS, Options
from bwctl.embedded.protocol import Collector, TCPProposal, UDPProposal, parse_proposal

MAX_NOTES = 64  # lines about connections; as many are turned away during a test


class Newcomer:
    """A connection that was greeted and has to say what it wants."""

    def __init__(self, connection: socket.socket, peer: str) -> None:
        self.connection = connection
        self.peer = peer
        self.admitted_at = time.monotonic_ns()
        self._collector = Collector(protocol.MAX_PROPOSAL)

    def hear(self) -> TCPProposal | UDPProposal | None:
        """Read what is there; the proposal once it is whole.

        Raises:
            Turned, ProtocolError, OSError: there will be none.
        """
        try:
            octets = self.connection.recv(protocol.MAX_PROPOSAL + 1)
        except BlockingIOError:
            return None
        if not octets:
            raise Turned("no proposal")
        text = self._collector.feed(octets)
        return None if text is None else parse_proposal(text)


class Door:
    """Takes connections from a listening socket.

    Only the expected peer is let in; without one, all that come while a test runs have to be of
    the same host. The number of lines about connections is bounded.

    Args:
        write: takes one line of text for people.
    """

    def __init__(
        self, listener: socket.socket, options: Options, write: Callable[[str], None]
    ) -> None:
        self.listener = listener
        self.tired = False  # strangers have used the lines up
        self._seats = options.streams or MAX_STREAMS
        self._most_notes = MAX_NOTES + self._seats
        self._write = write
        self._notes = 0
        self._expected = sockets.resolve(options.peer, 0)[1][0] if options.peer else ""

    def admit(self, guests: set[str], taken: int) -> Newcomer | None:
        """Take one connection: greet it, or turn it away.

        Args:
            guests: addresses of those who are in.
            taken: seats, of this test.
        """
        try:
            connection, (address, *_) = self.listener.accept()
        except (BlockingIOError, ConnectionError):  # it is gone already
            return None
        connection.setblocking(False)
        reason = self._objection(address, guests, taken)
        self.note(f"connection from {address}" + (f" turned away: {reason}" if reason else ""))
        greeting = protocol.refusal(reason) if reason else protocol.GREETING
        greeted = send_whole(connection, greeting)
        if reason or not greeted:
            connection.close()
            return None
        sockets.no_delay(connection)
        return Newcomer(connection, address)

    def _objection(self, address: str, guests: set[str], taken: int) -> str:
        if self._expected and address != self._expected:
            return "not expected"
        if taken >= self._seats or guests - {address}:
            return "busy"
        return ""

    def note(self, text: str) -> None:
        """Write a line about a connection, a limited number of times."""
        self._notes += 1
        self.tired = self._notes > self._most_notes
        if not self.tired:
            self._write(f"# {text}")


def send_whole(connection: socket.socket, octets: bytes) -> bool:
    """Send a few octets on a new connection, whose buffer has room; False if it is gone."""
    try:
        return connection.send(octets) == len(octets)
    except OSError:
        return False
