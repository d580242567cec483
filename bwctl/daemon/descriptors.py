"""How many descriptors the process may have, held against the connections that it is to serve."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Final

MOST_SPARE: Final = 1000
"""Kept free for tests, which take a handful each, for hooks and for the daemon's own files."""


@dataclass(frozen=True, slots=True)
class Room:
    """What was found, and what was made of it."""

    connections: int  # how many fit, at most those that were asked for
    limit: int  # descriptors that the process may have now
    before: int  # that it might have had


def needed(connections: int) -> int:
    """Descriptors for so many connections: a quarter of all is spare, up to MOST_SPARE."""
    return connections + min(MOST_SPARE, -(-connections // 3))


def fitting(limit: int) -> int:
    """Connections for which a limit has room."""
    return max(1, limit - min(MOST_SPARE, limit // 4))


def make_room(connections: int) -> Room:
    """Raise the soft limit as far as so many connections need and the hard one allows.

    The superuser may raise the hard one too, up to the kernel's `fs.nr_open`.
    """
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed(connections)
    if _is_enough(before, wanted):
        return Room(connections, before, before)
    limit = before
    for soft in (wanted, hard):
        try:
            new_hard = hard if _is_enough(hard, soft) else soft
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, new_hard))
        except (OSError, ValueError):  # not allowed to us, or more than the kernel has
            continue
        limit = soft
        break
    return Room(min(connections, fitting(limit)), limit, before)


def _is_enough(limit: int, wanted: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= wanted
