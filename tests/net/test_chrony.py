"""The clock that asks chrony: its one line, and the program beside everything else."""

from __future__ import annotations

import os
import time
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase, TestCase

from bwctl.net import chrony
from bwctl.net.chrony import ChronyClock, Tracking, parse_tracking
from tests.support.processes import descendants

GOOD = (
    "C0248F97,192.36.143.151,2,1712345678.123456789,-0.000200000,0.000012345,0.000045678,"
    "-12.345,0.001,0.050,0.010000000,0.001000000,64.5,Normal\n"
)


class ParseTests(SynchronousTestCase):
    def test_good(self) -> None:
        """The bound is |offset| + dispersion + delay / 2."""
        tracking = parse_tracking(GOOD.encode())
        self.assertTrue(tracking.synchronised)
        self.assertAlmostEqual(tracking.error_s, 0.0002 + 0.001 + 0.005)

    def test_not_synchronised(self) -> None:
        """chrony that has no source says so."""
        line = "00000000,,0,0.000000000,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised\n"
        self.assertEqual(parse_tracking(line.encode()), Tracking(False, 1.5))

    def test_anything_else(self) -> None:
        """Complaints, other versions and nonsense are no answer."""
        for text in (
            "",
            "506 Cannot talk to daemon\n",
            GOOD + GOOD,
            GOOD.replace("0.001000000", "nan"),
            GOOD.replace("0.001000000", "-1"),
            GOOD.replace("0.001000000", "x"),
            GOOD.replace(",Normal", ""),
            "\xff,\0" * 7,
        ):
            self.assertRaises(ValueError, parse_tracking, text.encode("latin-1"))


class ClockTests(TestCase):
    def setUp(self) -> None:
        self.before = descendants()
        self.patch(chrony, "TIMEOUT_S", 0.5)

    def clock(self, script: str) -> ChronyClock:
        """A clock whose chronyc is a script."""
        path = Path(self.mktemp())
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        clock = ChronyClock(reactor, 0.25, command=[os.path.abspath(path), "-c", "tracking"])
        self.addCleanup(clock.stopService)
        return clock

    async def seconds(self, delay: float) -> None:
        await deferLater(reactor, delay)

    async def stopped(self, clock: ChronyClock) -> None:
        stopping = clock.stopService()
        if stopping is not None:
            await stopping
        self.assertEqual(descendants() - self.before, set())

    async def test_synchronised(self) -> None:
        """Synchronised once chrony has said it, with its bound and sync_fuzz."""
        clock = self.clock(f"echo '{GOOD.strip()}'")
        self.assertFalse(clock.synchronised())
        with capturedLogs() as events:
            clock.startService()
            self.assertFalse(clock.synchronised())
            await self.seconds(0.3)
        self.assertTrue(clock.synchronised())
        self.assertTrue(clock.error().synchronised)
        self.assertAlmostEqual(clock.error().ticks / (1 << 32), 0.2562, 2)
        self.assertEqual([one["event"] for one in events if "event" in one], ["clock.synchronised"])
        clock._told_at -= chrony.VALID_S  # it has not answered since
        self.assertFalse(clock.synchronised())
        await self.stopped(clock)

    async def test_trouble(self) -> None:
        """No chronyd, a flood, no program: not synchronised, said once."""
        scripts = ("echo '506 Cannot talk to daemon'; exit 1", "yes", "exec /no/such/program")
        for script in scripts:
            clock = self.clock(script)
            with capturedLogs() as events:
                clock.startService()
                await self.seconds(0.7)
            self.assertFalse(clock.synchronised())
            told = [one["event"] for one in events if "event" in one]
            self.assertEqual(told, ["clock.unsynchronised"])
            await self.stopped(clock)

    async def test_hangs(self) -> None:
        """One that hangs is killed; the daemon never waits for it."""
        clock = self.clock("exec sleep 60")
        began = time.monotonic()
        clock.startService()
        self.assertLess(time.monotonic() - began, 0.2)
        await self.seconds(0.2)
        self.assertEqual(len(descendants() - self.before), 1)
        await self.seconds(0.6)
        self.assertEqual(descendants() - self.before, set())
        await self.stopped(clock)

    async def test_stopped_early(self) -> None:
        """Stopping ends the program that runs, and says nothing."""
        clock = self.clock("exec sleep 60")
        with capturedLogs() as events:
            clock.startService()
            await self.seconds(0.1)
            await self.stopped(clock)
        self.assertEqual([one["event"] for one in events if "event" in one], [])
