"""Ports for tests: none that another program holds. Source: testers.md 14, point 7."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from ipaddress import ip_address
from random import Random
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from bwctl.broker.ports import PortPool
from bwctl.errors import AcceptType
from bwctl.net.portcheck import FreePorts
from bwctl.values import Role, ToolID
from tests.support.daemons import running, start_ours
from tests.support.ports import take_block
from tests.support.raw import opened, request
from tests.support.testers import need, need_ipv6

ADDRESS, OTHER = "127.0.0.94", "127.0.0.95"


class PortCheckTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.block = take_block()
        self.addCleanup(self.block.release)
        self.stack = ExitStack()
        self.now = 0.0
        self.take = FreePorts(lambda: self.now)
        self.addCleanup(self.stack.close)

    def pool(self, size: int) -> PortPool:
        """A pool that begins with its lowest port."""
        first = Random()
        with mock.patch.object(first, "randrange", return_value=0):
            return PortPool(self.block.first, self.block.first + size - 1, first)

    def hold(self, offset: int, address: str = ADDRESS, kind: int = socket.SOCK_STREAM) -> None:
        """Hold a port as another program would."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        one = self.stack.enter_context(socket.socket(family, kind))
        one.bind((address, self.block.first + offset))
        if kind == socket.SOCK_STREAM:
            one.listen()

    def taken(
        self, pool: PortPool, count: int = 1, address: str = ADDRESS, *, datagrams: bool = True
    ) -> int | None:
        """Offset of the port that is taken."""
        port = self.take(pool, count, ip_address(address), datagrams=datagrams)
        return None if port is None else port - self.block.first

    def test_passed_over(self) -> None:
        """A port that is held, by TCP, UDP or for all addresses, is left out, and not used up."""
        pool = self.pool(5)
        self.hold(0)
        self.hold(1, kind=socket.SOCK_DGRAM)
        self.hold(2, "0.0.0.0")
        self.assertEqual(self.taken(pool), 3)
        self.assertEqual(pool.in_use, 1)
        self.assertEqual(self.taken(pool), 4)
        self.assertIsNone(self.taken(pool))
        self.assertEqual(pool.in_use, 2)
        self.stack.close()
        self.assertEqual(self.taken(pool), 0)

    def test_streams_only(self) -> None:
        """Where a tester uses no UDP, it does not matter who holds a port of that."""
        self.hold(0)
        self.hold(1, kind=socket.SOCK_DGRAM)
        self.assertEqual(self.taken(self.pool(3), datagrams=False), 1)

    def test_seen_a_moment_ago(self) -> None:
        """What was free within the last second counts as free; later somebody looks again."""
        pool = self.pool(3)
        self.assertEqual(self.taken(pool), 0)
        self.assertTrue(pool.release(self.block.first, unused=True))
        self.hold(0)
        self.now = 0.9
        self.assertEqual(self.taken(pool), 0)
        self.assertTrue(pool.release(self.block.first, unused=True))
        self.now = 1.1
        self.assertEqual(self.taken(pool), 1)

    def test_used_meanwhile(self) -> None:
        """Once a tester has had ports, what was seen before counts no more."""
        pool = self.pool(3)
        self.assertEqual(self.taken(pool), 0)
        self.assertEqual(self.taken(pool), 1)
        self.assertTrue(pool.release(self.block.first, unused=True))
        self.hold(0)
        self.assertTrue(pool.release(self.block.first + 1))
        self.assertEqual(self.taken(pool), 2)

    def test_other_address(self) -> None:
        """What another address of this host holds is free here; a foreign one tells nothing."""
        self.hold(0, OTHER)
        self.assertEqual(self.taken(self.pool(2)), 0)
        self.assertEqual(self.taken(self.pool(2), address="192.0.2.1"), 0)

    def test_neighbours(self) -> None:
        """Three in a row have to be free."""
        self.hold(4)
        pool = self.pool(12)
        self.assertEqual(self.taken(pool, 3), 0)
        self.assertEqual(self.taken(pool, 3), 6)
        self.assertEqual(pool.in_use, 6)

    def test_ipv6(self) -> None:
        """The same for the other family."""
        need_ipv6()
        self.hold(0, "::1")
        self.assertEqual(self.taken(self.pool(2), address="::1"), 1)

    def test_daemon(self) -> None:
        """A daemon gives out no port that is in use, and refuses the test if there is no other."""
        need("iperf3")
        ports = f"test_port {self.block.first}-{self.block.first + 1}\n"
        self.hold(0)
        with running(start_ours(ADDRESS, ports)) as (daemon,):
            for start, answer in ((10, AcceptType.ACCEPT), (30, AcceptType.FAILURE)):
                client = opened(ADDRESS, daemon.ports.control)
                self.addCleanup(client.socket.close)
                now = client.time().time + (start << 32)
                granted = client.ask(request(now, server=ADDRESS, client=OTHER))
                self.assertEqual(granted.accept, answer)
                if answer is AcceptType.ACCEPT:
                    self.assertEqual(granted.port, self.block.first + 1)

    def test_own_ports_of_a_client(self) -> None:
        """owamp's client takes three of its own daemon's ports; they are free again afterwards."""
        need("owping", "owampd")
        ports = f"owamp_port {self.block.first}-{self.block.first + 3}\n"
        with running(start_ours(ADDRESS, ports)) as (daemon,):
            words = {"tool": ToolID.OWAMP, "packet_count": 2, "packet_spacing_ms": 100}
            asked = {"role": Role.CLIENT, "server": OTHER, "client": ADDRESS, "port": 4000}
            answers = []
            for number in range(3):
                client = opened(ADDRESS, daemon.ports.control)
                now = client.time().time + (10 << 32)
                sid = bytes([number]) * 16
                answers.append(client.ask(request(now, sid=sid, **asked, **words)).accept)
                if number:
                    client.socket.close()
                else:
                    self.addCleanup(client.socket.close)
            self.assertEqual(answers, [AcceptType.ACCEPT, AcceptType.FAILURE, AcceptType.FAILURE])
