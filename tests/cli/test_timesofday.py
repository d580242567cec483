"""--schedule."""

from __future__ import annotations

import os
import time as clock
from datetime import datetime, time
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.timesofday import local_now, next_due
from tests.support.daemons import client_ours, running, start_ours

EIGHT, HALF_PAST_TWO = time(8), time(2, 30)


class NextTests(SynchronousTestCase):
    """In a country that moves its clocks."""

    def setUp(self) -> None:
        zone = mock.patch.dict(os.environ, {"TZ": "Europe/Berlin"})
        zone.start()
        self.addCleanup(clock.tzset)
        self.addCleanup(zone.stop)
        clock.tzset()

    def next(self, after: str, *times: time) -> str:
        moment = next_due(times, datetime.fromisoformat(after).astimezone())
        return moment.isoformat()

    def test_plain(self) -> None:
        """Today if it is ahead, else tomorrow; never the moment itself."""
        self.assertEqual(self.next("2026-11-22T07:59:59", EIGHT), "2026-11-22T08:00:00+01:00")
        self.assertEqual(self.next("2026-11-22T08:00:00", EIGHT), "2026-11-23T08:00:00+01:00")
        both = (time(20), EIGHT)
        self.assertEqual(self.next("2026-11-22T08:00:00", *both), "2026-11-22T20:00:00+01:00")
        self.assertEqual(self.next("2026-12-31T23:00:00", EIGHT), "2027-01-01T08:00:00+01:00")

    def test_clocks_change(self) -> None:
        """Eight is eight on these days too; what comes twice counts once."""
        self.assertEqual(self.next("2027-03-28T00:30:00", EIGHT), "2027-03-28T08:00:00+02:00")
        self.assertEqual(self.next("2027-10-31T00:30:00", EIGHT), "2027-10-31T08:00:00+01:00")
        twice = self.next("2027-10-31T00:30:00", HALF_PAST_TWO)
        self.assertEqual(twice, "2027-10-31T02:30:00+02:00")
        self.assertEqual(self.next(twice, HALF_PAST_TWO), "2027-11-01T02:30:00+01:00")
        left_out = self.next("2027-03-28T00:30:00", HALF_PAST_TWO)
        self.assertIn(left_out, ("2027-03-28T01:30:00+01:00", "2027-03-28T03:30:00+02:00"))


class ScheduleTests(SynchronousTestCase):
    def test_once_each(self) -> None:
        """The client waits for a time of day, and tests once."""
        with running(start_ours("127.0.0.49")) as (daemon,):
            soon = datetime.fromtimestamp(local_now().timestamp() + 4)
            ran = client_ours(
                *("-a", "0.1", "-c", daemon.node, "-T", "thrulay", "-t", "1", "-n", "1"),
                *("--schedule", f"{soon:%H:%M:%S}", "--json"),
            ).wait()
        self.assertEqual(ran.status, 0, ran.report)
        self.assertIn(f"next test at {soon:%Y-%m-%d %H:%M:%S}", ran.stderr)
        self.assertGreater(ran.seconds, 3)
