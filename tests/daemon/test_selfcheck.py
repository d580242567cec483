"""A daemon that leaks says so, and no test with such a daemon passes."""

from __future__ import annotations

import signal

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType
from bwctl.values import ticks
from tests.support import daemons
from tests.support.daemons import running, start_ours, until
from tests.support.raw import opened, request

ADDRESS = "127.0.0.130"
_LEAKS = """
import sys
from bwctl.broker.ports import PortPool
PortPool.release = lambda pool, port, count=1: False
from twisted.scripts.twistd import run
sys.exit(run())
"""


class SelfCheckTests(SynchronousTestCase):
    def test_a_leak(self) -> None:
        """A port that is not given back is named, counted once, and told again at the end."""
        self.patch(daemons, "_TWISTD", _LEAKS)
        daemon = start_ours(ADDRESS)
        self.addCleanup(daemon._kill)
        with opened(ADDRESS, daemon.ports.control) as client:
            asked = request(client.time().time + ticks(60), server=ADDRESS)
            granted = client.ask(asked)
            self.assertEqual(granted.accept, AcceptType.ACCEPT)
            self.assertEqual(daemon.violations(), [])
        sentence = f"port {granted.port} of test_port is taken by nobody"
        self.assertTrue(until(lambda: len(daemon.violations()) == 1, 5), daemon.log())
        self.assertIn(sentence, daemon.violations()[0])
        daemon.process.send_signal(signal.SIGUSR1)
        self.assertTrue(until(lambda: ", 1 violations" in daemon.log(), 5), daemon.log())
        with self.assertRaises(AssertionError) as caught, running(daemon):
            pass
        self.assertIn(sentence, str(caught.exception))
        self.assertIn(f"port {granted.port} of test_port is left", str(caught.exception))
