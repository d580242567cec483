"""stdout of our client and of C's, for the same tests at the same daemons."""

from __future__ import annotations

import re
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemons import NO_C, run_c, run_ours, running, start_ours
from tests.support.testers import need

ONE, TWO = "127.0.0.114", "127.0.0.115"


def shape(stdout: str) -> str:
    """An output with a 0 for each number, its unit gone, and one blank for several."""
    return re.sub(r" +", " ", re.sub(r"[0-9.]+(?: [KMG](?=Bytes|bits))?", "0", stdout))


class ClassicTests(SynchronousTestCase):
    def setUp(self) -> None:
        if NO_C:
            raise SkipTest(NO_C)

    def test_same_output(self) -> None:
        """--classic is what C's client prints: the same frames around the same lines."""
        need("iperf", "iperf3")
        with running(start_ours(ONE), start_ours(TWO)) as (one, two):
            for words in (
                ("-T", "iperf3"),
                ("-T", "iperf3", "-x"),
                ("-T", "iperf3", "-x", "-o"),
                ("-T", "iperf", "-u", "-b", "5m", "-x"),
            ):
                line = ("-a", "0.1", "-c", one.node, "-s", two.node, "-t", "1", *words)
                c, ours = run_c(*line), run_ours(*line, "--classic")
                self.assertEqual((c.status, ours.status), (0, 0), f"{c.report}\n{ours.report}")
                self.assertEqual(shape(ours.stdout), shape(c.stdout), words)
                self.assertEqual(ours.stdout.split("\n")[:2], c.stdout.split("\n")[:2])
                self.assertEqual(ours.stdout.split("\n")[-3:], c.stdout.split("\n")[-3:])
