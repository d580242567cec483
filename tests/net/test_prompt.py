"""Connections that write at once: nothing is lost, doubled or out of order, and nothing waits."""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from bwctl.net import prompt, tcp

ADDRESS = "127.0.0.2"


class Speaker(Protocol):
    """Tells when it is there and when it is gone."""

    def __init__(self) -> None:
        self.made: Deferred[Speaker] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.made.callback(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)


class PromptTests(TestCase):
    async def connected(self) -> tuple[Speaker, socket.socket]:
        """Our end of a connection, and the other one as a plain socket."""
        speaker = Speaker()
        factory = Factory.forProtocol(lambda: speaker)  # type: ignore[arg-type,return-value]
        factory.noisy = False
        listening = prompt.listen(reactor, 0, factory, 5, ADDRESS)
        self.addCleanup(listening.stopListening)
        port: int = listening.getHost().port  # type: ignore[attr-defined]
        other = socket.create_connection((ADDRESS, port))
        self.addCleanup(other.close)
        await speaker.made
        return speaker, other

    def transport(self, speaker: Speaker) -> Any:
        return speaker.transport

    async def test_at_once(self) -> None:
        """What is written has left before the reactor runs again."""
        speaker, other = await self.connected()
        for words in (b"hello", b"again"):
            self.transport(speaker).write(words)
            self.assertEqual(other.recv(100, socket.MSG_DONTWAIT), words)
        self.transport(speaker).loseConnection()
        await speaker.lost
        self.assertEqual(other.recv(100), b"")

    async def test_order(self) -> None:
        """More than the socket takes, and what follows it, arrives whole and in order."""
        speaker, other = await self.connected()
        parts = [bytes([number]) * (1 << 20) for number in range(8)]
        for part in parts:
            self.transport(speaker).write(part)
            self.transport(speaker).write(b"|")
        self.transport(speaker).loseConnection()
        received = await deferToThread(self.everything, other)
        self.assertEqual(received, b"".join(part + b"|" for part in parts))
        await speaker.lost

    def everything(self, other: socket.socket) -> bytes:
        received = b""
        while octets := other.recv(1 << 20):
            received += octets
        return received

    async def test_prompt_again(self) -> None:
        """Once what was queued is gone, writing is prompt as before."""
        speaker, other = await self.connected()
        self.transport(speaker).write(bytes(8 << 20))
        left = 8 << 20
        while left:
            left -= len(await deferToThread(other.recv, 1 << 20))
        turned: Deferred[None] = Deferred()
        reactor.callLater(0, turned.callback, None)  # type: ignore[attr-defined]
        await turned
        self.transport(speaker).write(b"now")
        self.assertEqual(other.recv(100, socket.MSG_DONTWAIT), b"now")
        self.transport(speaker).abortConnection()
        await speaker.lost

    async def test_nobody_there(self) -> None:
        """Writing to a connection that was reset raises nothing; its loss is told as ever."""
        speaker, other = await self.connected()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        for _ in range(3):
            self.transport(speaker).write(b"hello?")
        await speaker.lost
        self.transport(speaker).write(b"hello?")

    async def test_closing(self) -> None:
        """What is written before and after the end is announced leaves in order."""
        speaker, other = await self.connected()
        self.transport(speaker).write(bytes(4 << 20))
        self.transport(speaker).write(b"last words")
        self.transport(speaker).loseConnection()
        received = await deferToThread(self.everything, other)
        self.assertEqual((len(received), received[-10:]), ((4 << 20) + 10, b"last words"))
        await speaker.lost

    async def test_options(self) -> None:
        """What control connections are set to comes with the listening socket."""
        speaker, _ = await self.connected()
        handle = self.transport(speaker).getHandle()
        with socket.socket() as expected:
            tcp.set_options(expected)
            for level, name in (
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                (socket.IPPROTO_TCP, socket.TCP_NODELAY),
                (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            ):
                wanted = expected.getsockopt(level, name)
                self.assertTrue(wanted, name)
                self.assertEqual(handle.getsockopt(level, name), wanted, name)
        self.transport(speaker).abortConnection()
        await speaker.lost

    def test_other_reactors(self) -> None:
        """A reactor without sockets listens in its own way."""
        memory = MemoryReactorClock()
        prompt.listen(memory, 4823, Factory(), 7, ADDRESS)
        self.assertEqual([server[0] for server in memory.tcpServers], [4823])
        self.assertEqual(memory.tcpServers[0][2:], (7, ADDRESS))
