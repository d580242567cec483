"""A tester of another package: installed as a site would, found by name at daemons and client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

import bwctl
from bwctl.results import ExitStatus
from tests.support.daemons import LIMITS, Daemon, Ran, run_ours, running, start_ours

ONE, TWO = "127.0.0.92", "127.0.0.93"
EXAMPLE = Path(bwctl.__file__).parent.parent / "doc" / "examples" / "tester"
ONLY_IT = LIMITS.replace("allow_tcp=on", "allow_tcp=on, testers=0x10000+iperf")


class TesterPackageTests(SynchronousTestCase):
    """The example package of doc/integrating.md."""

    def setUp(self) -> None:
        if not EXAMPLE.is_dir():
            raise self.skipTest("the documentation is not part of an installed package")
        self.place = Path(self.mktemp()).absolute()
        shutil.copytree(EXAMPLE, self.place / "source")  # building leaves files there
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install")
        where = ("--no-deps", "--target", str(self.place / "site"), str(self.place / "source"))
        done = subprocess.run(
            [*pip, *where],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},  # pip has some of its own
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.assertEqual(done.returncode, 0, done.stdout)

    def installed(self) -> object:
        """A place where what is started sees the package."""
        return mock.patch.dict(os.environ, {"PYTHONPATH": str(self.place / "site")})

    def test_package(self) -> None:
        """`bwctl -T pour` between two daemons; a class of the limits may name it by its bit."""
        with self.installed():
            daemons = start_ours(ONE), start_ours(TWO, limits=ONLY_IT)
        with running(*daemons) as (one, two):
            self.assertIn("pour is here: version 1.0", one.log())
            with self.installed():
                ran = self.run_pour(one, two)
                self.assertEqual(ran.status, 0, ran.report)
                denied = self.run_pour(one, two, tester="thrulay")
                self.assertEqual(denied.status, ExitStatus.DENIED, denied.report)
                wrong = self.run_pour(one, two, "-u")
                self.assertEqual(wrong.status, ExitStatus.UNSUPPORTED, wrong.report)
                self.assertIn("pour cannot do UDP (-u)", wrong.stderr)
            stranger = self.run_pour(one, two)
            self.assertEqual(stranger.status, ExitStatus.USAGE, stranger.report)
            self.assertIn("tester 'pour' is not one of", stranger.stderr)
            self.assertIn("test.ended test ended: ACCEPT, pour as ", one.log())
        result = json.loads(ran.stdout)
        self.assertEqual(result["tool"], "pour")
        self.assertGreater(result["summary"]["bits_per_second"], 1e6)
        self.assertEqual(result["receiver"]["report"]["summary"], result["summary"])

    def test_one_end_only(self) -> None:
        """Where only one daemon has it, the client says who has what, by names it knows."""
        with self.installed():
            one = start_ours(ONE)
        with running(one, start_ours(TWO)) as (one, two):
            with self.installed():
                ran = self.run_pour(one, two)
            self.assertEqual(ran.status, ExitStatus.NO_TESTER, ran.report)
            self.assertIn("no wanted tester (pour) at both ends", ran.stderr)
            self.assertIn(f"{one.node} has ", ran.stderr)
            self.assertEqual(ran.stderr.count(", pour"), 1, ran.stderr)

    def run_pour(self, one: Daemon, two: Daemon, *words: str, tester: str = "pour") -> Ran:
        ends = ("-c", one.node, "-s", two.node)
        return run_ours(*ends, "-T", tester, "-t", "1", "--json", *words)
