"""A TCP port whose connections write at once.

Twisted queues each write and asks the reactor to tell when the socket takes it: two system calls
and one round more for every message, though the socket of a control connection nearly always takes
the few octets of an answer. What it does not take is queued as ever.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

from twisted.internet import tcp
from twisted.internet.interfaces import IListeningPort
from twisted.internet.posixbase import PosixReactorBase

from bwctl.net.tcp import set_options


class PromptServer(tcp.Server):
    """One accepted connection."""

    is_prepared = sys.platform == "linux"  # the listening socket was, and hands it on
    _queued = False  # something waits for the socket, and must stay before what is written now

    def write(self, data: bytes) -> None:
        """Send what the socket takes now, queue the rest; an error shows up there."""
        if self.connected and not self._queued and not self.disconnecting:
            try:
                sent = self.socket.send(data)
            except OSError:  # full, or an error that shows up again there
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        super().write(data)

    def startWriting(self) -> None:
        """Something is queued."""
        self._queued = True
        super().startWriting()

    def stopWriting(self) -> None:
        """All that was queued is written, or the connection is lost."""
        self._queued = False
        super().stopWriting()


class PromptPort(tcp.Port):
    """A port that accepts them."""

    transport = PromptServer

    def createInternetSocket(self) -> socket.socket:
        """The listening socket, with all that its connections are to be set to."""
        listening: socket.socket = super().createInternetSocket()
        set_options(listening)
        return listening


def listen(reactor: Any, port: int, factory: Any, backlog: int, interface: str) -> IListeningPort:
    """As `reactor.listenTCP`, with transports that write at once if the reactor has sockets.

    Raises:
        CannotListenError: the address is taken, or not ours.
    """
    if not isinstance(reactor, PosixReactorBase):  # one in memory, say
        listening: IListeningPort = reactor.listenTCP(
            port, factory, backlog=backlog, interface=interface
        )
        return listening
    prompt = PromptPort(port, factory, backlog, interface, reactor)
    prompt.startListening()
    return prompt
