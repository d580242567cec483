"""A program in place of a tester, whose faults can be changed between tests."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

from tests.support.daemons import Daemon

WELL = 'exec {tool} "$@"'
GONE = "exec /nonexistent/{tool}"
FAILS = "echo it hurts >&2; exit 9"
HANGS = "exec sleep 300"
SAYS_NOTHING = "exit 0"
FLOODS = "head -c 4000000 /dev/zero | tr '\\0' x | fold -w 80; exit 3"
_PROBED_WITH = {
    "iperf": "-v",
    "iperf3": "-v",
    "nuttcp": "-V",
    "ping": "-V",
    "traceroute": "--version",
}


class Faulty:
    """A tester that is found when the daemon starts, and does then what it was told last."""

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._place = Path(tempfile.mkdtemp(prefix="bwctl-faulty-"))
        self.path = self._place / tool
        self.does(WELL)

    @property
    def option(self) -> str:
        """The line of bwctl-server.conf."""
        return f"{self._tool}_cmd {self.path}\n"

    def does(self, body: str) -> None:
        """From the next start on; lines of a shell script."""
        probe = f'case "$1" in {_PROBED_WITH[self._tool]}) exec {self._tool} "$@";; esac'
        new = self.path.with_suffix(".new")
        new.write_text(f"#!/bin/sh\n{probe}\n{body.replace('{tool}', shlex.quote(self._tool))}\n")
        new.chmod(0o755)
        os.replace(new, self.path)

    def remove(self) -> None:
        """No daemon needs it any more."""
        for path in self._place.iterdir():
            path.unlink()
        self._place.rmdir()


def guards(daemon: Daemon) -> list[int]:
    """The guards of a daemon's testers."""
    return [pid for pid, line in daemon.testers().items() if " guard " in line]


def workers(daemon: Daemon, word: str) -> list[int]:
    """Processes of a daemon that are no guards, by a word of their command line."""
    return [pid for pid, line in daemon.testers().items() if word in line and " guard " not in line]


def sockets(daemon: Daemon) -> int:
    """How many sockets a daemon holds."""
    number = 0
    for entry in Path(f"/proc/{daemon.process.pid}/fd").iterdir():
        try:
            number += "socket" in os.readlink(entry)
        except OSError:  # closed meanwhile
            continue
    return number
