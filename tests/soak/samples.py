"""What a daemon has while nobody wants anything of it, and whether that grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.support.baseline import holdings
from tests.support.daemons import Daemon, until

IDLE_S = 90.0  # results that do not come are waited for for a minute
MEMORY_KB = 1024  # by which the typical memory may differ: the allocator's own pieces
_HELD = ("connections", "reservations", "confirmed", "exchanges", "ports")
_NONE = dict.fromkeys(_HELD, 0)


@dataclass(frozen=True, slots=True)
class Sample:
    """A daemon at rest."""

    memory_kb: int  # of its own: without the pages of files that it shares with its testers
    descriptors: int
    processes: int  # below it
    threads: int
    timers: int
    held: int  # connections, reservations, exchanges of results, ports


def sample(daemon: Daemon) -> Sample:
    """Now, or when it is at rest, if that comes; what it holds is counted in any case."""
    until(lambda: _is_idle(daemon), IDLE_S, 0.1)
    found = holdings(daemon)
    return Sample(
        memory_kb=memory_kb(daemon.process.pid),
        descriptors=sum(found.descriptors.values()),
        processes=found.processes,
        threads=found.threads,
        timers=found.words["timers"],
        held=sum(found.words[name] for name in _HELD),
    )


def _is_idle(daemon: Daemon) -> bool:
    if daemon.testers():
        return False
    words = holdings(daemon).words
    return {name: words[name] for name in _HELD} == _NONE


def memory_kb(pid: int) -> int:
    """Anonymous memory of a process, in the swap too."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {row.split()[0]: int(row.split()[1]) for row in rows if row.endswith(" kB")}
    return sizes["Anonymous:"] + sizes["Swap:"]


def growth(samples: Sequence[Sample], memory: int = MEMORY_KB) -> list[str]:
    """What is more at the end than it ever was at the beginning, in words.

    A daemon at rest never has processes, and never holds anything for anybody. Memory goes up and
    down by itself: of that the middle of the last third is compared with the middle of the first,
    less what it may differ by.
    """
    part = max(1, len(samples) // 3)
    first, last = samples[:part], samples[-part:]
    found = []
    for name in ("processes", "held"):
        if most := max(getattr(one, name) for one in samples):
            found.append(f"{name}: {most} at rest")
    for name in ("descriptors", "threads", "timers"):
        before, now = max(getattr(one, name) for one in first), getattr(samples[-1], name)
        if now > before:
            found.append(f"{name}: {before} -> {now}")
    was, now = (int(median(one.memory_kb for one in some)) for some in (first, last))
    if now - was > memory:
        found.append(f"memory: {was} kB -> {now} kB")
    return found
