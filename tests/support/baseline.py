"""What a daemon holds, seen from outside and in its own words: it has to be as before an attack."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.support.daemons import Daemon, until
from tests.support.processes import descendants

_STATUS = re.compile(
    r"daemon\.status .*status: (\d+) connections, (\d+) reservations, (\d+) confirmed, "
    r"(\d+) exchanges, (\d+) ports, (\d+) timers"
)
_STATUS_S = 15.0  # a daemon under attack answers a signal a little later
_NAMES = ("connections", "reservations", "confirmed", "exchanges", "ports", "timers")


@dataclass(frozen=True)
class Holdings:
    """Counts that two looks at the same daemon can be compared by."""

    descriptors: Counter[str]  # by kind: socket, pipe, path
    processes: int  # below the daemon
    threads: int
    words: dict[str, int]  # the daemon's own status

    def differences(self, other: Holdings) -> list[str]:
        """What is not the same, in words."""
        pairs = {
            "descriptors": (dict(self.descriptors), dict(other.descriptors)),
            "processes": (self.processes, other.processes),
            "threads": (self.threads, other.threads),
            **{name: (self.words[name], other.words[name]) for name in _NAMES},
        }
        return [f"{name}: {was} -> {now}" for name, (was, now) in pairs.items() if was != now]


def holdings(daemon: Daemon) -> Holdings:
    """What there is now."""
    pid = daemon.process.pid
    return Holdings(
        descriptors=_descriptors(pid),
        processes=len(descendants(pid)),
        threads=len(list(Path(f"/proc/{pid}/task").iterdir())),
        words=status(daemon),
    )


def status(daemon: Daemon) -> dict[str, int]:
    """The numbers of the line that USR1 makes the daemon write."""
    seen = (daemon.directory / "log").stat().st_size
    daemon.process.send_signal(signal.SIGUSR1)
    if not until(lambda: _STATUS.search(daemon.log(seen)), _STATUS_S):
        raise AssertionError(f"no line of status within {_STATUS_S:.0f} s\n{daemon.log(seen)}")
    return dict(zip(_NAMES, map(int, _STATUS.findall(daemon.log(seen))[-1]), strict=True))


def _descriptors(pid: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:  # closed meanwhile
            continue
        found[target.split(":")[0]] += 1
    return found


class Baseline:
    """A daemon at rest; `check` waits until it is so again.

    Raises:
        AssertionError: it is not, after `patience_s`; with every difference.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.before = holdings(daemon)

    def check(self, patience_s: float = 20.0) -> None:
        """As before, and not a word of an error in the log."""
        if not until(self._is_back, patience_s, 0.1):
            differences = self.before.differences(holdings(self._daemon))
            raise AssertionError(
                f"{self._daemon.name}: {differences}\n{self._daemon.log()[-6000:]}"
            )
        if complaint := self._daemon.complaint():
            raise AssertionError(f"{self._daemon.name}: its log has an error:\n{complaint}")

    def _is_back(self) -> bool:
        pid = self._daemon.process.pid
        if _descriptors(pid) != self.before.descriptors:  # the cheap look first
            return False
        return not self.before.differences(holdings(self._daemon))
