"""Processes below this one: adopting, reaping and killing them, for the guard.

Source: ecosystem.md section 6; proc(5), prctl(2).
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable

GIVE_UP_S = 10.0  # processes that SIGKILL did not remove by then sleep in the kernel
LONGEST_PAUSE_S = 0.05
PROC = "/proc"

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36


class Tester:
    """The guarded process: its id, which is also its process group, and how it ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exit_code: int | None = None  # once reaped; as subprocess has it: negative = signal


def attempt(call: Callable[..., object], *arguments: object) -> None:
    """Call something of `os` whose failure changes nothing: a process is gone already."""
    try:
        call(*arguments)
    except OSError:
        return


def adopt_orphans() -> None:
    """Become the parent of every orphan below this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Be killed when the parent dies, even by SIGKILL. It has to be alive after this call."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    """Call prctl(2); where the C library has none the guard does without."""
    function = getattr(ctypes.CDLL(None), "prctl", None)
    if function is not None:
        function(option, value, 0, 0, 0)


def has_ended(tester: Tester) -> bool:
    """Whether the tester ended; other children that did are reaped on the way.

    The tester itself stays a zombie, so that its id and group cannot become another's.
    """
    while True:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None or ended.si_pid == tester.pid:
            return ended is not None
        os.waitpid(ended.si_pid, 0)


def kill_all(tester: Tester) -> bool:
    """Kill everything below this process; False if something does not die.

    Orphans become children of this process, the subreaper, so "no children" means "no
    descendants". Without /proc only the tester's group and what it leaves behind are reached.
    """
    end, pause = time.monotonic() + GIVE_UP_S, 0.001
    attempt(os.killpg, tester.pid, signal.SIGKILL)
    while _reap(tester):
        if time.monotonic() > end:
            return False
        for pid in descendants(os.getpid()):
            attempt(os.kill, pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
    return True


def _reap(tester: Tester) -> bool:
    """Collect all children that ended; False when none are left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if pid == tester.pid:
            tester.exit_code = os.waitstatus_to_exitcode(status)


def descendants(ancestor: int) -> list[int]:
    """Process ids below a process, nearest first; none if /proc is not that of this process."""
    try:
        if os.readlink(f"{PROC}/self") != str(os.getpid()):
            return []
    except OSError:
        return []
    found = [ancestor]
    seen = {ancestor}
    for pid in found:  # grows while it is walked
        new = [child for child in _children(pid) if child not in seen]
        seen.update(new)
        found += new
    return found[1:]


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for task in os.listdir(f"{PROC}/{pid}/task"):
            with open(f"{PROC}/{pid}/task/{task}/children") as file:
                children += map(int, file.read().split())
    except OSError:  # it is gone
        return children
    return children
