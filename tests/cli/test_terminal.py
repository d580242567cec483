"""The rate of the moment, on a real terminal."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemons import running, start_ours
from tests.support.terminal import on_terminal

DAEMON = "127.0.0.47"
_RATE = re.compile(r"running \[#+\.*\] +\d+ %, \d s of 3 s, [0-9.]+ [kMGT]?bit/s")


class RateTests(SynchronousTestCase):
    def test_our_own_end(self) -> None:
        """Where the client runs the sender, whose tester tells as it goes; nothing of it stays."""
        with running(start_ours(DAEMON)) as (daemon,):
            status, drawn = on_terminal("-a", "0.1", "-c", daemon.node, "-T", "thrulay", "-t", "3")
        self.assertEqual(status, 0, drawn)
        self.assertRegex(drawn, _RATE)
        self.assertNotIn("running", drawn.split("\r\x1b[K")[-1])
