"""What a daemon and its children take: processor time and memory, as the kernel counts them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.processes import descendants

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, of its children, and of those that it has reaped."""
    return sum(_cpu_seconds(one) for one in {pid, *descendants(pid)})


def _cpu_seconds(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # gone meanwhile: its parent counts it then
        return 0.0
    times = stat.rpartition(")")[2].split()[11:15]  # utime, stime, cutime, cstime
    return sum(map(int, times)) * _TICK_S


def memory_kib(pid: int) -> int:
    """Memory of a process and its children; what several share is divided among them."""
    return sum(_pss(one) for one in {pid, *descendants(pid)})


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
