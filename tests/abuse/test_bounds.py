"""The bounds on connections hold on every port and in every family."""

from __future__ import annotations

import socket
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from bwctl.limits.addresses import plain_address
from bwctl.net.connections import Connections
from bwctl.net.host import Host
from bwctl.net.timers import Timers
from tests.support.baseline import Baseline
from tests.support.certificates import Authority
from tests.support.clocks import FakeClock
from tests.support.daemons import running, start_ours, until
from tests.support.faulty import sockets
from tests.support.ports import take_block
from tests.support.raw import Raw

ADDRESS, ONE, TWO = "127.0.0.120", "127.0.0.123", "127.0.0.124"


class TLSPortTests(SynchronousTestCase):
    def test_crowd_that_never_shakes_hands(self) -> None:
        """On the TLS port too what is beyond a bound goes at once, and bars nobody else."""
        block = take_block()
        self.addCleanup(block.release)
        directory = Path(self.mktemp()).absolute()
        directory.mkdir(parents=True)
        authority = Authority(directory)
        certificate = authority.issue(ADDRESS, file="own.pem")
        options = (
            f"tls_port {block.control}\ntls_cert {certificate}\n"
            "max_connections 20\nmax_connections_per_host 3\n"
        )
        with running(start_ours(ADDRESS, options)) as (daemon,):
            baseline = Baseline(daemon)
            idle = sockets(daemon)
            crowd = [self.come(block.control) for _ in range(60)]
            self.assertTrue(until(lambda: sockets(daemon) == idle + 3, 5), sockets(daemon) - idle)
            with Raw(ADDRESS, block.control, source=TWO, tls=authority.file) as client:
                client.open()
            for one in filter(None, crowd):
                one.close()
            baseline.check()

    def come(self, port: int) -> socket.socket | None:
        """A connection; None if it was closed before it was quite there."""
        try:
            one = socket.create_connection((ADDRESS, port), 5, (ONE, 0))
        except ConnectionResetError:
            return None
        self.addCleanup(one.close)
        return one


class FamilyTests(SynchronousTestCase):
    def test_one_network(self) -> None:
        """All addresses of an IPv6 /64 are one host; those of another are not."""
        reactor = Clock()
        clock = FakeClock(reactor)
        host = Host(
            reactor=reactor,
            clock=clock,
            timers=Timers(reactor, clock),
            testers={},
            max_connections_per_host=3,
        )
        book: Connections[object] = Connections()
        there = [(object(), plain_address(f"2001:db8:0:1::{number}")) for number in range(1, 4)]
        self.assertEqual([book.enter(one, peer, host) for one, peer in there], [""] * 3)
        self.assertIn("one address", book.enter(object(), plain_address("2001:db8:0:1:f::"), host))
        self.assertEqual(book.enter(object(), plain_address("2001:db8:0:2::1"), host), "")
        for one, peer in there[:2]:
            book.leave(one, peer)
        self.assertEqual(book.enter(object(), plain_address("2001:db8:0:1::9"), host), "")
