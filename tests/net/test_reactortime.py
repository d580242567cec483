"""Timers on a real reactor whose host's clock is set."""

from __future__ import annotations

import subprocess
import sys
import time

from twisted.trial.unittest import SynchronousTestCase

_PROGRAM = """
import sys, threading, time
real, real_ns, offset = time.time, time.time_ns, [0.0]
time.time = lambda: real() + offset[0]  # before Twisted takes hold of it
time.time_ns = lambda: real_ns() + int(offset[0] * 1e9)
from twisted.internet import reactor
from bwctl.net.clock import SystemClock
from bwctl.net.reactortime import use_monotonic
from bwctl.net.timers import Timers
if "monotonic" in sys.argv:
    assert use_monotonic(reactor)
timers = Timers(reactor, SystemClock())
began = time.monotonic()
def step(): offset[0] -= 600.0
def fired():
    print(f"{time.monotonic() - began:.2f}", flush=True)
    calls.append(1)
    if len(calls) == 3: reactor.stop()
    else: timers.after(0.4, fired)
calls = []
def give_up():
    print("late", flush=True)
    reactor.callFromThread(reactor.stop)
def begin():
    timers.after(0.4, fired)
    threading.Timer(0.2, step).start()
    late = threading.Timer(5.0 if "monotonic" in sys.argv else 1.2, give_up)
    late.daemon = True
    late.start()
reactor.callWhenRunning(begin)
reactor.run()
"""


class SetBackTests(SynchronousTestCase):
    def lines(self, *arguments: str) -> list[str]:
        """What the program says; the clock is set back by ten minutes while it waits."""
        command = [sys.executable, "-c", _PROGRAM, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def test_timers_go_on(self) -> None:
        """On a reactor of ours timeouts count real seconds though the clock is set back."""
        moments = [float(line) for line in self.lines("monotonic")]
        self.assertEqual(len(moments), 3, moments)
        for number, moment in enumerate(moments, 1):
            self.assertGreater(moment, 0.39 * number)
        self.assertLess(moments[-1], 3.0)

    def test_why(self) -> None:
        """A reactor as it comes counts in wall time and would keep everything waiting."""
        self.assertEqual(self.lines(), ["late"])

    def test_calls_that_are_pending(self) -> None:
        """A reactor of others that has pending calls already is left alone."""
        from twisted.internet.task import Clock

        from bwctl.net.reactortime import use_monotonic

        busy = Clock()
        busy.callLater(1, lambda: None)
        self.assertFalse(use_monotonic(busy))
        self.assertEqual(busy.seconds(), 0.0)
        idle = Clock()
        self.assertTrue(use_monotonic(idle))
        self.assertLess(abs(idle.seconds() - time.monotonic()), 1.0)
