"""How much of the hosts' time a mesh asks for, by arithmetic alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import ceil, exp
from typing import Final

from bwctl.mesh.values import Mesh, Pair
from bwctl.simulate.settings import HostSettings, Settings
from bwctl.values import Kind

EVEN: Final = 0.9
UNEVEN: Final = 0.6


@dataclass(frozen=True, slots=True)
class Load:
    """Shares of a host's time that its tests ask for; more than 1 can never fit."""

    exclusive: float = 0.0  # throughput tests, which have the host for themselves
    shared: float = 0.0  # latency and trace tests, which share it with each other

    @property
    def total(self) -> float:
        """All of it."""
        return self.exclusive + self.shared


def host_loads(mesh: Mesh, settings: Settings) -> dict[str, Load]:
    """The load of each host, by its name."""
    alone, shared = _asked(mesh, settings)
    return {
        host: Load(alone.get(host, 0.0), _covered(shared.get(host, 0.0))) for host in mesh.hosts
    }


def loads(mesh: Mesh, settings: Settings) -> list[Load]:
    """The load of each host, and one for all throughput tests together.

    That one is what counts with few hosts: of an odd number one is always without a partner.
    """
    alone, _ = _asked(mesh, settings)
    together = sum(alone.values()) / 2 / max(1, len(alone) // 2)
    return [*host_loads(mesh, settings).values(), Load(together)]


def is_odd_one_out(mesh: Mesh, settings: Settings) -> bool:
    """Whether the tests want more hosts at a time than can be paired."""
    *hosts, together = loads(mesh, settings)
    return together.total > max(one.total for one in hosts)


def _asked(mesh: Mesh, settings: Settings) -> tuple[dict[str, float], dict[str, float]]:
    """What throughput tests, and others, ask of each host that they have, as shares of its time."""
    asked: dict[bool, dict[str, float]] = {alone: defaultdict(float) for alone in (True, False)}
    for test in mesh.tests:
        for pair in test.pairs:
            share = (test.seconds + padding(pair, settings)) / test.interval
            for host in pair:
                asked[test.kind is Kind.THROUGHPUT][host] += share
    return asked[True], asked[False]


def _covered(asked: float) -> float:
    """The share of time that tests cover which may lie over each other, as chance has it."""
    return 1 - exp(-asked)


def achievable(mesh: Mesh) -> float:
    """Load up to which a mesh should fit: nothing refused, little late.

    One test at even intervals can be packed tightly, as its pairs take turns; tests that cross
    each other wait for each other. Measured with meshes of 3 to 50 hosts.
    """
    even = len(mesh.tests) == 1 and not mesh.tests[0].randomize
    return EVEN if even else UNEVEN


def stretch(mesh: Mesh, settings: Settings) -> float | None:
    """By what the intervals of the throughput tests have to be multiplied, or could be, to fit.

    None: there are no throughput tests, or no interval helps beside the other tests.
    """
    most, found = achievable(mesh), loads(mesh, settings)
    loaded = [one for one in found if one.exclusive]
    if not loaded or any(one.shared >= most for one in loaded):
        return None
    return max(one.exclusive / (most - one.shared) for one in loaded)


def padding(pair: Pair, settings: Settings) -> float:
    """The time between two tests of which one is of this pair, seconds (daemon.md 4.1)."""
    errors = [_error(host, settings) for host in pair]
    return sum(errors) + max(_rtt(host, settings) for host in pair) + settings.daemon.overrun


def rounded_up(seconds: float) -> int:
    """An interval that people would write."""
    step = 10 if seconds <= 600 else 60 if seconds <= 7200 else 300
    return ceil(seconds / step) * step


def _error(host: str, settings: Settings) -> float:
    own = settings.hosts.get(host, HostSettings()).clock_error
    return (settings.clock_error if own is None else own) + settings.sync_fuzz


def _rtt(host: str, settings: Settings) -> float:
    own = settings.hosts.get(host, HostSettings()).rtt
    return settings.rtt if own is None else own
