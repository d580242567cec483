"""Processes that outlived their guard: somebody has killed it, so it could not end them itself.

They are known by the guard's session, and by a mark in the environment that they were started
with, which a process keeps in whatever session and with whatever parent it is.
"""

from __future__ import annotations

import os
import signal
from typing import Final

from bwctl.embedded.processes import attempt

MARK: Final = "BWCTL_GUARDED"
"""Name of the environment variable; its value is another one for each guard."""

_PROC: Final = "/proc"


def kill_outlived(guard: int, mark: str) -> list[int]:
    """Kill what a guard has left; who were still there. Call it again until there are none.

    Args:
        guard: its process id, which was its session's too.
        mark: its value of MARK.
    """
    entry = f"{MARK}={mark}".encode()
    found = [pid for pid in _processes() if _session(pid) == guard or _has(pid, entry)]
    for pid in found:
        attempt(os.kill, pid, signal.SIGKILL)
    return [pid for pid in found if not _is_zombie(pid)]


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_PROC) if name.isdecimal()]
    except OSError:  # this system has no such thing
        return []


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:  # it is gone
        return 0


def _has(pid: int, entry: bytes) -> bool:
    """Whether a process was started with an entry in its environment."""
    return entry in _read(f"{_PROC}/{pid}/environ").split(b"\0")


def _is_zombie(pid: int) -> bool:
    """Whether it has ended, and waits for its parent to take notice."""
    return b") Z " in _read(f"{_PROC}/{pid}/stat")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.readall()
    except OSError:  # it is gone, or another user's
        return b""
