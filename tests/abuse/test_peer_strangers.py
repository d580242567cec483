"""Strangers at the peer port of a test: in open mode anybody may finish the handshake there."""

from __future__ import annotations

from contextlib import ExitStack

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.client import Opened
from bwctl.control.legality import PEER
from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.values import ticks
from bwctl.wire.fields import Mode
from bwctl.wire.messages import StopSession, encode_stop
from tests.support.baseline import Baseline
from tests.support.daemons import running, start_ours, until
from tests.support.faulty import sockets
from tests.support.raw import Closed, Raw, opened, peer, request

ADDRESS, OTHER, STRANGE = "127.0.0.120", "127.0.0.121", "127.0.0.122"
MOST = 4 << 20  # octets of results that are taken, by default
PLACES = 8  # of candidates at one peer port


class StrangerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.daemon = start_ours(ADDRESS, "disable_iperf\ndisable_nuttcp\n")
        self.addCleanup(self.daemon.kill)

    def stranger(self, port: int) -> Raw:
        """One who is through with the open handshake."""
        client = Raw(ADDRESS, port, Mode.OPEN, table=PEER, source=STRANGE)
        self.addCleanup(client.socket.close)
        client.open()
        client.time()
        return client

    def in_test(self, stack: ExitStack, lead_s: float = 6) -> tuple[Raw, int, bytes]:
        client = stack.enter_context(opened(ADDRESS, self.daemon.ports.control))
        at = client.time().time + ticks(lead_s)
        granted = client.ask(request(at, server=ADDRESS, client=OTHER, duration=1))
        return client, client.start().peer_port, granted.sid

    def test_strangers(self) -> None:
        """One daemon for all of them; after each it is as before."""
        with running(self.daemon):
            baseline = Baseline(self.daemon)
            for attack in (
                self.results_of_nobody,
                self.crowd_against_the_peer,
                self.giant_results_of_the_peer,
            ):
                with ExitStack() as stack:
                    attack(stack)
                baseline.check()

    def results_of_nobody(self, stack: ExitStack) -> None:
        """A stranger's StopSession ends its own connection, so nobody can pile them up."""
        client, port, _ = self.in_test(stack)
        before = sockets(self.daemon)
        for _ in range(3 * PLACES):
            one = self.stranger(port)
            one.stop_only()
            self.assertTrue(one.is_closed(5), "a stranger's connection is kept for ever")
        self.assertTrue(until(lambda: sockets(self.daemon) == before, 5))
        client.stop_only(AcceptType.REJECT)
        client.next(Stopped)

    def giant_results_of_the_peer(self, stack: ExitStack) -> None:
        """Even the right peer's results are bounded: refused when announced, taken up to there."""
        for size, taken in ((MOST, True), (MOST + 1, False), ((1 << 32) - 1, False)):
            client, port, sid = self.in_test(stack)
            other = stack.enter_context(peer(ADDRESS, port, sid))
            octets = StopSession(AcceptType.ACCEPT, size).encode()
            if taken:
                octets = encode_stop(AcceptType.ACCEPT, b"x" * size)
            other.send(other.session._stream.encrypt(octets))
            stopped = client.next(Stopped)  # as it has no more peer either way
            self.assertEqual(stopped.accept, AcceptType.REJECT)
            if not taken:
                self.assertTrue(other.is_closed(5), size)
            client.stop_only()

    def crowd_against_the_peer(self, stack: ExitStack) -> None:
        """Strangers who are through do not put out who comes from the right address."""
        client, port, sid = self.in_test(stack)
        for _ in range(PLACES):
            self.stranger(port)
        # The real one, in the middle of its handshake.
        real = stack.enter_context(
            Raw(ADDRESS, port, Mode.ENCRYPTED, user="endpoint", key=sid, table=PEER, source=OTHER)
        )
        greeting = real.session.greet()
        real.send(greeting[:30])
        for _ in range(PLACES):
            try:
                self.stranger(port)
            except (Closed, ConnectionResetError, BrokenPipeError):
                continue
        real.send(greeting[30:])
        real.next(Opened)
        real.time()
        client.stop_only(AcceptType.REJECT)
        self.assertEqual(real.next(Stopped).accept, AcceptType.REJECT)
        real.stop_only()
        client.next(Stopped)
