"""A daemon that many come to: descriptors for them all, and nobody lost in a burst."""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.client import NoCommonMode
from bwctl.daemon.descriptors import MOST_SPARE, fitting, make_room, needed
from tests.support.daemons import Daemon, running, start_ours, until
from tests.support.raw import Closed, Raw, opened
from tests.wire.strategies import quiet

ADDRESS = "127.0.0.2"
BURST = 600
GREETING = 32
SOMAXCONN = int(Path("/proc/sys/net/core/somaxconn").read_text())

# Becomes another program with few descriptors, and without the right (24) to have more.
_FEW = """
import ctypes, os, resource, sys
soft, hard = map(int, sys.argv[1:3])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
ctypes.CDLL(None).prctl(24, 24, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SYS_RESOURCE
os.execv(sys.argv[3], sys.argv[3:])
"""


def few_descriptors(soft: int, hard: int) -> list[str]:
    return [sys.executable, "-c", _FEW, str(soft), str(hard)]


class BurstTests(SynchronousTestCase):
    if SOMAXCONN < BURST:
        skip = f"net.core.somaxconn is {SOMAXCONN}: the kernel keeps no {BURST} waiting"

    def test_nobody_is_lost(self) -> None:
        """Six hundred that connect while the daemon does not run find room, and are all greeted."""
        options = f"max_connections {2 * BURST}\nmax_connections_per_host {2 * BURST}\n"
        with running(start_ours(ADDRESS, options)) as (daemon,), ExitStack() as closing:
            os.kill(daemon.process.pid, signal.SIGSTOP)
            clients = [closing.enter_context(socket.socket()) for _ in range(BURST)]
            for client in clients:
                client.setblocking(False)
                client.connect_ex((daemon.address, daemon.ports.control))
            connected = self.ready(clients, select.EPOLLOUT)
            os.kill(daemon.process.pid, signal.SIGCONT)
            self.assertEqual(len(connected), BURST)
            for client in self.ready(clients, select.EPOLLIN):
                self.assertEqual(len(client.recv(100)), GREETING)
                clients.remove(client)
            self.assertEqual(clients, [])

    def ready(self, clients: list[socket.socket], event: int) -> list[socket.socket]:
        """Those for which an event comes in time."""
        end = time.monotonic() + 20
        waiting = {client.fileno(): client for client in clients}
        found = []
        with select.epoll() as poll:
            for number in waiting:
                poll.register(number, event)
            while waiting and time.monotonic() < end:
                for number, _ in poll.poll(1):
                    found.append(waiting.pop(number))
                    poll.unregister(number)
        return found


class DescriptorTests(SynchronousTestCase):
    def limits(self, daemon: Daemon) -> tuple[int, int]:
        return resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)

    def test_raised(self) -> None:
        """The soft limit is raised as far as max_connections needs, no further."""
        inside = few_descriptors(100, 5000)
        with running(start_ours(ADDRESS, "max_connections 1200\n", inside=inside)) as (daemon,):
            self.assertEqual(self.limits(daemon), (needed(1200), 5000))
            self.assertIn("daemon.descriptors limit of descriptors raised from 100", daemon.log())
            self.assertNotIn("daemon.few_descriptors", daemon.log())

    def test_left_alone(self) -> None:
        """A limit that is enough stays."""
        with running(start_ours(ADDRESS, inside=few_descriptors(3000, 4000))) as (daemon,):
            self.assertEqual(self.limits(daemon), (3000, 4000))
            self.assertNotIn("descriptors", daemon.log())

    def test_capped(self) -> None:
        """Where the hard limit is too low, no more are served than fit, and the log says so.

        A reload does not forget it.
        """
        options = "max_connections 1000\nmax_connections_per_host 1000\n"
        with running(start_ours(ADDRESS, options, inside=few_descriptors(50, 60))) as (daemon,):
            self.assertEqual(self.limits(daemon), (60, 60))
            told = re.search(r"warning daemon.few_descriptors only (\d+) connections", daemon.log())
            assert told is not None, daemon.log()
            self.assertEqual(int(told[1]), fitting(60))
            self.assertIn(f"allow it {needed(1000)}", daemon.log())
            self.assert_fits(daemon, fitting(60))
            os.kill(daemon.process.pid, signal.SIGHUP)
            self.assertTrue(until(lambda: "daemon.reloaded" in daemon.log(), 10))
            self.assert_fits(daemon, fitting(60))

    def assert_fits(self, daemon: Daemon, count: int) -> None:
        """So many are served, the next one is told that there is no service."""
        clients = [opened(ADDRESS, daemon.ports.control) for _ in range(count)]
        with Raw(ADDRESS, daemon.ports.control) as beyond:
            self.assertEqual(beyond.greeting.modes, 0)
            self.assertTrue(beyond.is_closed())
        clients.pop().socket.close()
        self.assertTrue(until(lambda: self.is_served(daemon), 5))
        for client in clients:
            client.socket.close()
        self.assertTrue(until(lambda: self.is_served(daemon), 5))

    def is_served(self, daemon: Daemon) -> bool:
        try:
            opened(ADDRESS, daemon.ports.control).socket.close()
        except (Closed, NoCommonMode):
            return False
        return True


class RoomTests(SynchronousTestCase):
    @quiet
    @given(st.integers(1, 1_000_000))
    def test_needed_is_enough(self, connections: int) -> None:
        """What is needed has room for all, and not for many more."""
        self.assertGreaterEqual(fitting(needed(connections)), connections)
        self.assertLessEqual(fitting(needed(connections)), connections + 1)

    def test_large_daemons(self) -> None:
        """Ten thousand connections fit into twenty thousand descriptors."""
        self.assertEqual(needed(10_000), 10_000 + MOST_SPARE)

    def test_nothing_to_do(self) -> None:
        """This process's own limits stay as they are."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual(make_room(1).connections, 1)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), before)
