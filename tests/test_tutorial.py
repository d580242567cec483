"""The tour of doc/user/tutorial.md: every command of it is typed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import bwctl
from tests.support.testers import need

TUTORIAL = Path(bwctl.__file__).parent.parent / "doc" / "user" / "tutorial.md"
ADDRESSES = {"127.0.0.2": "127.0.0.52", "127.0.0.3": "127.0.0.53"}  # nobody else's
PATIENCE_S = 240


class TutorialTests(SynchronousTestCase):
    def test_every_command(self) -> None:
        """All of them end well, and the daemons say what the text says that they do."""
        need("ping", "traceroute")
        if not TUTORIAL.exists():
            raise self.skipTest("the tutorial is not part of an installed package")
        directory = Path(self.mktemp()).absolute()
        directory.mkdir(parents=True)
        programs = str(Path(sys.executable).parent)
        script = "set -e -o pipefail -m\n" + "\n".join(commands(TUTORIAL.read_text()))
        output = directory / "output"  # no pipe: daemons that are left would keep it open
        with output.open("wb") as stream:
            process = subprocess.Popen(
                ["bash", "-c", script],
                cwd=directory,
                env=os.environ
                | {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(directory)},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
        finally:
            told = output.read_text("utf-8", "replace")
            left = session_of(process.pid)
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        self.assertEqual(process.returncode, 0, told)
        self.assertEqual(left, [], told)
        self.assertIn("status 7", told)
        self.assertEqual(len(list(directory.glob("*.bw"))), 3)


def commands(text: str) -> list[str]:
    """What follows `$` in the blocks of a console, with addresses that no other test has."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines() if line[:2] == "$ "]
    for ours, free in ADDRESSES.items():
        lines = [line.replace(ours, free) for line in lines]
    return lines


def session_of(leader: int) -> list[int]:
    """Processes that are left of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and int(entry.name) != leader:
            found.append(int(entry.name))
    return found
