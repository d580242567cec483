"""Somebody kills a guard: what it was to end is ended all the same, or harms nobody."""

from __future__ import annotations

import os
import signal
import time

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.values import ErrorEstimate, seconds, ticks
from tests.support.daemons import running, start_ours, until
from tests.support.faulty import HANGS, Faulty, guards, workers
from tests.support.raw import Raw, opened, peer, request
from tests.support.testers import need

ADDRESS = "127.0.0.82"
LEAVES_SOME = """\
sleep 60 &
setsid sleep 60 &
(setsid sh -c 'trap "" TERM HUP; (sleep 60 & wait) & wait' >/dev/null 2>&1 &)
exec {tool} "$@"
"""
# It cannot be known for one of ours, and holds the pipe that the daemon reads.
HIDES_ONE = 'env -i setsid sleep 60 & exec {tool} "$@"'


class GuardTests(SynchronousTestCase):
    def setUp(self) -> None:
        need("iperf3")
        self.tester = Faulty("iperf3")
        self.addCleanup(self.tester.remove)
        self.tester.does(HIDES_ONE)
        self.daemon = start_ours(ADDRESS, self.tester.option)
        self.addCleanup(self.daemon.kill)

    def in_test(self, **more: object) -> tuple[Raw, Raw, float]:
        """Control and peer connection of a test, and its start by our monotonic clock."""
        client = opened(ADDRESS, self.daemon.ports.control)
        self.addCleanup(client.socket.close)
        now, read_at = client.time().time, time.monotonic()
        asked = request(now, server=ADDRESS, client="127.0.0.83", duration=1, **more)
        granted = client.ask(asked)
        wait = seconds(granted.start - now)
        self.assertLess(wait, 8, "an earlier test still has its slot")
        other = peer(ADDRESS, client.start().peer_port, granted.sid)
        self.addCleanup(other.socket.close)
        return client, other, read_at + wait

    def kill_guard(self) -> list[int]:
        """KILL to the guard of the test that runs; the processes that outlive it."""
        self.assertTrue(until(lambda: workers(self.daemon, "sleep"), 8), self.daemon.log())
        for pid in guards(self.daemon):
            os.kill(pid, signal.SIGKILL)
        self.assertTrue(until(lambda: len(workers(self.daemon, "")) == 1, 3), self.daemon.testers())
        left = workers(self.daemon, "sleep")
        self.assertEqual(len(left), 1)
        return left

    def end(self, left: list[int]) -> None:
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        self.daemon.assert_idle()

    def test_what_it_was_to_end(self) -> None:
        """Children of the tester end with a killed guard, whatever they did to get away."""
        self.tester.does(LEAVES_SOME)
        with running(self.daemon):
            client, other, _ = self.in_test()
            everybody = lambda: len(workers(self.daemon, "sleep")) >= 3  # noqa: E731
            self.assertTrue(until(everybody, 8), self.daemon.testers())
            for pid in guards(self.daemon):
                os.kill(pid, signal.SIGKILL)
            self.assertEqual(client.next(Stopped, 5).accept, AcceptType.FAILURE)
            self.assertEqual(self.daemon.testers(), {})
            self.assertNotIn("tester.guard_lost", self.daemon.log())
            other.socket.close()
            client.socket.close()

    def test_what_nobody_can_know(self) -> None:
        """Who still holds its pipe keeps no slot, no results and no daemon from their end."""
        client, other, _ = self.in_test()
        left = self.kill_guard()
        stopped = client.next(Stopped, 5)
        self.assertEqual(stopped.accept, AcceptType.FAILURE)
        self.assertIn(b"status=137", stopped.output)
        self.assertEqual(workers(self.daemon, "sleep"), left)  # it did hold it
        self.end(left)
        other.socket.close()

        # The client leaves just then: what it held is free again all the same.
        client, other, _ = self.in_test()
        left = self.kill_guard()
        time.sleep(0.3)  # the daemon knows that the guard is gone
        client.socket.close()
        ended = until(lambda: self.daemon.log().count(" test.ended ") == 2, 5)
        self.assertTrue(ended, self.daemon.log())
        self.end(left)

        self.hard_end()

        # The daemon is stopped just then.
        self.tester.does(HIDES_ONE)
        client, other, _ = self.in_test()
        left = self.kill_guard()
        self.daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.process.wait(8), -signal.SIGTERM)
        self.assertEqual(client.next(Stopped, 5).accept, AcceptType.FAILURE)
        self.end(left)
        self.assertNotIn("Traceback", self.daemon.log())

    def hard_end(self) -> None:
        """A tester has no time beyond its slot though its peer stopped just before that."""
        self.tester.does(HANGS)
        client, other, start = self.in_test(error=ErrorEstimate.from_ticks(ticks(2.0)))
        fuzz = 2.0 + 1.5
        self.assertTrue(until(lambda: workers(self.daemon, "sleep"), 8))
        time.sleep(max(0.0, start + 1 + fuzz - 0.8 - time.monotonic()))
        self.assertTrue(workers(self.daemon, "sleep"), "it ended too early")
        other.stop_only(AcceptType.ACCEPT)
        stopped = client.next(Stopped, 10)
        late = time.monotonic() - (start + 1 + fuzz)
        self.assertEqual(stopped.accept, AcceptType.REJECT)
        self.assertLess(late, 2.0)
        self.daemon.assert_idle()
