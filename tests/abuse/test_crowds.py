"""Crowds: silent, slow, rude, and too many for the descriptors there are."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType
from bwctl.values import ToolID, ticks
from tests.abuse.crowd import GREETING, crowd, gone, room_for, say, scattered, sources
from tests.support.baseline import Baseline
from tests.support.daemons import running, start_ours
from tests.support.effort import SEEDED, dice, times
from tests.support.raw import opened, peer, request
from tests.support.served import served

ADDRESS = "127.0.0.120"
SILENCE_S = times(3, 15)  # so many end at one moment that it takes a while
OPTIONS = (
    f"max_connections 10000\nhandshake_timeout {SILENCE_S}\ncontrol_timeout {SILENCE_S}\n"
    "disable_iperf\ndisable_iperf3\ndisable_nuttcp\n"
)
TRICKLE_S = 0.5


class CrowdTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.daemon = start_ours(ADDRESS, OPTIONS)
        self.addCleanup(self.daemon.kill)
        self.where = (ADDRESS, self.daemon.ports.control)
        self.size = room_for(times(400, 4000))
        prlimit = (self.size * 2 + 200, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        resource.prlimit(self.daemon.process.pid, resource.RLIMIT_NOFILE, prlimit)

    def test_crowds(self) -> None:
        """One daemon for all of them; after each it is as before."""
        with running(self.daemon):
            baseline = Baseline(self.daemon)
            for attack in (self.idle, self.slow_greetings, self.slow_requests, self.rude):
                with served(self.daemon):
                    attack()
                baseline.check()

    def ended_by_the_daemon(self, trickle: Callable[[int], bytes]) -> None:
        """Members who say an octet now and then are closed in their time all the same."""
        with crowd(self.where, sources(self.size)) as members:
            left, number = set(members), 0
            end = time.monotonic() + SILENCE_S + 30
            while left:
                left -= set(gone(left, TRICKLE_S))
                late = f"{SEEDED}{len(left)} of {self.size} are not closed"
                self.assertLess(time.monotonic(), end, late)
                for member in left:
                    say(member, trickle(number))
                number += 1
                time.sleep(TRICKLE_S)

    def idle(self) -> None:
        """They come and say nothing."""
        self.ended_by_the_daemon(lambda number: b"")

    def slow_greetings(self) -> None:
        """An octet of a greeting from time to time, which never gets whole in time."""
        self.ended_by_the_daemon(lambda number: GREETING[number : number + 1])

    def slow_requests(self) -> None:
        """A whole handshake, then an octet of a request from time to time."""
        self.ended_by_the_daemon(lambda number: b"\1" if number else GREETING)

    def rude(self) -> None:
        """Floods of connects that end in every way there is."""
        chance = dice("rude")
        for _ in range(times(5, 50)):
            with crowd(self.where, sources(200)) as members:
                chance.shuffle(members)
                for member in members:
                    scattered(member, chance)


class DescriptorTests(SynchronousTestCase):
    def test_none_left(self) -> None:
        """Out of descriptors the daemon loses nobody's time slot, leaks none, and comes back."""
        with running(
            start_ours(ADDRESS, OPTIONS.replace(f"timeout {SILENCE_S}", "timeout 60"))
        ) as (daemon,):
            where = (ADDRESS, daemon.ports.control)
            baseline = Baseline(daemon)
            held = sum(baseline.before.descriptors.values())
            pid, hard = daemon.process.pid, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            with opened(*where) as client:
                at = client.time().time + ticks(6)
                ends = {"server": ADDRESS, "client": ADDRESS}
                granted = client.ask(request(at, tool=ToolID.THRULAY, duration=1, **ends))
                port = client.start().peer_port
                with peer(ADDRESS, port, granted.sid) as other:
                    resource.prlimit(pid, resource.RLIMIT_NOFILE, (held + 20, hard))
                    with crowd(where, sources(100)) as members:
                        time.sleep(1.0)
                        self.assertTrue(gone(set(members)), "all of them got in")
                        # There is no descriptor for the tester's pipes: told, not suffered.
                        stopped = client.stop()
                        self.assertEqual(stopped.accept, AcceptType.FAILURE)
                        self.assertIn(b"cannot start thrulay", stopped.output)
                    other.stop_only()
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
            with served(daemon):
                time.sleep(1.0)
            baseline.check()
