"""Which testers a daemon finds: asked until it is known, never one that is not there."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemons import running, start_ours
from tests.support.testers import need

ADDRESS = "127.0.0.96"
ASKED = 'echo "$@" >>{place}/asked\n'


class ProbeTests(SynchronousTestCase):
    def setUp(self) -> None:
        need("ping")
        self.place = Path(tempfile.mkdtemp(prefix="bwctl-probe-"))
        self.addCleanup(shutil.rmtree, self.place)

    def program(self, name: str, body: str) -> Path:
        """A program that notes what it is asked."""
        path = self.place / name
        path.write_text(f"#!/bin/sh\n{ASKED.format(place=self.place)}{body}\n")
        path.chmod(0o755)
        return path

    def found(self, options: str) -> str:
        """The daemon's log after its start."""
        with running(start_ours(ADDRESS, options)) as (daemon,):
            return daemon.log()

    def asked(self) -> list[str]:
        return (self.place / "asked").read_text().splitlines()

    def test_until_it_is_known(self) -> None:
        """One family that works is enough: the other is not asked."""
        path = self.program("ping", 'exec ping "$@"')
        log = self.found(f"ping_cmd {path}\n")
        self.assertIn("tester.found ping is here: version iputils", log)
        self.assertEqual(self.asked(), ["-V", "-c 1 127.0.0.1"])

    def test_other_family(self) -> None:
        """A host without IPv4 pings all the same; a program for it alone is asked by itself."""
        only_six = 'case "$*" in *127.0.0.1) exit 2;; -V) echo ping from me;; esac'
        path = self.program("ping", only_six)
        log = self.found(f"ping_cmd {path}\n")
        self.assertIn("tester.found ping is here: version me", log)
        self.assertEqual(self.asked(), ["-V", "-c 1 127.0.0.1", "-6 -c 1 ::1"])
        self.assertIn("ping is here", self.found(f"ping_cmd {path}\nping6_cmd {path}\n"))
        self.assertEqual(self.asked()[-1], "-c 1 ::1")

    def test_no_rights(self) -> None:
        """A ping that is here and may not send is no tester."""
        path = self.program("ping", 'echo "ping from me"; test "$1" = -V')
        log = self.found(f"ping_cmd {path}\n")
        self.assertIn("tester.missing no ping here", log)
        self.assertIn("-6 -c 1 ::1` ended with status 1", log)

    def test_both_programs(self) -> None:
        """owamp needs both of its programs."""
        good = self.program("good", "echo Version: 9.9")
        for other, event in ((good, "tester.found"), ("/nonexistent", "tester.missing")):
            log = self.found(f"owamp_cmd {good}\nowamp_server_cmd {other}\n")
            self.assertRegex(log, f"{event} (no )?owamp .*here")
