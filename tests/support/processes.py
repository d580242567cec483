"""Which processes there are below this one; zombies count as gone."""

from __future__ import annotations

import os
from pathlib import Path


def descendants(root: int | None = None) -> set[int]:
    """Living processes below a process, this one by default."""
    found: set[int] = set()
    pending = [root or os.getpid()]
    while pending:
        for child in children(pending.pop()):
            if child not in found:
                found.add(child)
                pending.append(child)
    return {pid for pid in found if is_alive(pid)}


def children(pid: int) -> set[int]:
    """Direct children of all threads of a process."""
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found.update(map(int, path.read_text().split()))
        except OSError:
            continue
    return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    return _state(pid) not in ("", "Z", "X")


def is_awake(pid: int) -> bool:
    """Whether a process runs and no signal has stopped it."""
    return _state(pid) not in ("", "Z", "X", "T", "t")


def is_busy(pid: int) -> bool:
    """Whether a process has, or waits for, a processor at this moment."""
    return _state(pid) == "R"


def _state(pid: int) -> str:
    """Its letter in /proc; "" if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
