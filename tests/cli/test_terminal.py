"""What a user sees on a real terminal."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemons import running, start_ours

DAEMON = "127.0.0.47"
_BWCTL = "import sys; from bwctl.cli.main import bwctl; sys.exit(bwctl())"
_RATE = re.compile(r"running \[#+\.*\] +\d+ %, \d s of 3 s, [0-9.]+ [kMGT]?bit/s")


def on_terminal(*arguments: str, patience_s: float = 60.0) -> tuple[int, str]:
    """Exit status of a client, and all that it drew on its terminal."""
    ours, its = os.openpty()
    words = [sys.executable, "-c", _BWCTL, *arguments]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(words, stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    drawn, end = b"", time.monotonic() + patience_s
    try:
        while select.select([ours], [], [], max(0.0, end - time.monotonic()))[0]:
            drawn += os.read(ours, 65536)
    except OSError:  # so Linux tells that nobody has the terminal open any more
        pass
    finally:
        os.close(ours)
        process.kill()
    return process.wait(), drawn.decode("utf-8", "replace")


class TerminalTests(SynchronousTestCase):
    def test_test(self) -> None:
        """Countdown, bar, the rate as our own end tells it, and colours; nothing drawn stays."""
        with running(start_ours(DAEMON)) as (daemon,):
            status, drawn = on_terminal("-a", "0.1", "-c", daemon.node, "-T", "thrulay", "-t", "3")
        self.assertEqual(status, 0, drawn)
        self.assertIn("waiting for the time slot, 1 s (the test starts at ", drawn)
        self.assertRegex(drawn, _RATE)
        self.assertIn("\x1b[1m", drawn)
        last = drawn.split("\r\x1b[K")[-1]
        self.assertIn("received", last)
        self.assertNotIn("running", last)

    def test_no_colours(self) -> None:
        """Who pipes it on gets plain text, and one line per phase."""
        with running(start_ours(DAEMON)) as (daemon,):
            words = ("-a", "0.1", "-c", daemon.node, "-T", "thrulay", "-t", "1")
            command = [sys.executable, "-c", _BWCTL, *words]
            ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertNotIn("\x1b", ran.stdout + ran.stderr)
        self.assertNotIn("\r", ran.stdout + ran.stderr)
        self.assertIn("bwctl: running, 1 s\n", ran.stderr)
