"""Peer connections of TLS: through, and not through somebody in between."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.net.clock import SystemClock
from bwctl.net.link import ClientLink, ServerLink
from bwctl.net.meeting import Call, Doorway
from bwctl.net.peertls import protected
from bwctl.net.timers import Timers
from bwctl.values import NTPTime
from bwctl.wire.fields import Mode

HERE = "127.0.0.49"
SID = bytes(range(16))


class Ends:
    """A doorway and a call, as two daemons have them."""

    def __init__(self, *, sid: bytes = SID) -> None:
        clock = SystemClock(0.1)
        timers = Timers(reactor, clock)
        self.links: list[ServerLink] = []

        def make_link() -> ServerLink:
            link = ServerLink(
                timers, clock, SID, Mode.ENCRYPTED, NTPTime(0), max_result=1 << 16, tls=True
            )
            self.links.append(link)
            return link

        self.address = ip_address(HERE)
        self.doorway = Doorway(make_link, self.address)
        self.port = self.doorway.open(reactor, (), self.address, tls=True)  # type: ignore[arg-type]
        self.link = ClientLink(timers, clock, sid, Mode.ENCRYPTED, max_result=1 << 16, tls=True)
        self.call = Call(self.link)

    def dial(self, port: int) -> Deferred[Any]:
        """Call a port; fires with what the caller makes of it."""
        self.call.dial(reactor, self.address, self.address, port, tls=True)  # type: ignore[arg-type]
        return self.call.met.wait()

    def close(self) -> Deferred[Any]:
        links = [self.link, *self.links]
        self.doorway.close()
        self.call.close()
        for link in links:
            link.close()
        return gatherResults([link.stopped.wait() for link in links if link.connected])


class Half(Protocol):
    """One half of a relay: hands on what it gets."""

    def __init__(self, gone: Deferred[None]) -> None:
        self.other: Half | None = None
        self.kept = b""
        self.gone = gone

    def connectionMade(self) -> None:
        if self.other is not None and self.other.kept:
            self.transport.write(self.other.kept)

    def dataReceived(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        else:
            self.kept += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.loseConnection()
        if not self.gone.called:
            self.gone.callback(None)


class PeerTLSTests(TestCase):
    def ends(self, **changes: Any) -> Ends:
        ends = Ends(**changes)
        self.addCleanup(ends.close)
        return ends

    async def test_through(self) -> None:
        """Two ends that know the session meet, and trade results."""
        ends = self.ends()
        self.assertIsNone(await ends.dial(ends.port))
        self.assertIsNone(await ends.doorway.met.wait())
        link = ends.doorway.settle()
        assert link is not None
        self.assertTrue(link.proven)
        self.assertEqual(link.transport.negotiatedProtocol, None)
        self.assertEqual(link.transport.getHandle().get_protocol_version_name(), "TLSv1.3")
        link.send_stop(AcceptType.ACCEPT, b"what the server has")
        told = await ends.link.stopped.wait()
        self.assertEqual(told, Stopped(AcceptType.ACCEPT, b"what the server has"))

    async def test_stranger(self) -> None:
        """Who does not know the session gets nowhere, TLS or not."""
        ends = self.ends(sid=bytes(16))
        self.assertIn("does not know this session", str(await ends.dial(ends.port)))
        self.assertFalse(ends.doorway.met.fired)

    async def test_man_in_the_middle(self) -> None:
        """Somebody who ends TLS on both sides and hands everything on is noticed."""
        ends = self.ends()
        gone: Deferred[None] = Deferred()
        far_gone: Deferred[None] = Deferred()
        near, far = Half(gone), Half(far_gone)
        near.other, far.other = far, near

        class Relay(Factory):
            noisy = False

            def buildProtocol(self, addr: object) -> Protocol:
                return near

        class Onward(ClientFactory):
            noisy = False

            def buildProtocol(self, addr: object) -> Protocol:
                return far

        listening = reactor.listenTCP(  # type: ignore[attr-defined]
            0, protected(Relay(), calls=False), interface=HERE
        )
        self.addCleanup(listening.stopListening)
        reactor.connectTCP(HERE, ends.port, protected(Onward(), calls=True))  # type: ignore[attr-defined]
        answer = await ends.dial(listening.getHost().port)
        self.assertIn("does not know this session", str(answer))
        self.assertFalse(ends.doorway.met.fired)
        await gatherResults([gone, far_gone])

    async def test_plain_caller(self) -> None:
        """A caller that speaks no TLS is dropped, and the next one gets in."""
        ends = self.ends()
        gone: Deferred[None] = Deferred()
        plain = Half(gone)
        await connectProtocol(TCP4ClientEndpoint(reactor, HERE, ends.port), plain)
        assert plain.transport is not None
        plain.transport.write(b"BWCTL is what I speak" * 10)
        await gone
        self.assertIsNone(await ends.dial(ends.port))
