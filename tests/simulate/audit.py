"""Brokers that hold the timetable to its rules by looking at everything, and meshes to try."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from bwctl.broker.broker import ResourceBroker
from bwctl.broker.reservation import Demand, Full, Reservation, TooBusy
from bwctl.mesh.plan import Series
from bwctl.mesh.reader import read_mesh
from bwctl.mesh.values import Mesh
from bwctl.simulate.settings import Settings
from bwctl.simulate.simulation import Simulation
from bwctl.values import Kind


class AuditedBroker(ResourceBroker):
    """Compares each new reservation with all that are held, and remembers what it gave out."""

    def __init__(self, inner: ResourceBroker) -> None:
        super().__init__(inner.timetable)
        self.problems: list[str] = []
        self.granted: list[Reservation] = []
        self.released: Counter[Reservation | None] = Counter()

    def place(
        self,
        demand: Demand,
        now: int,
        *,
        replacing: Reservation | None = None,
        accounts: Sequence[Hashable] = (),
    ) -> Reservation | TooBusy | Full:
        if replacing in self.timetable:
            self.released[replacing] += 1
        found = super().place(demand, now, replacing=replacing, accounts=accounts)
        if isinstance(found, Reservation):
            self.granted.append(found)
            self.problems += [
                f"{found} too near to {other}"
                for other in self.timetable
                if other is not found and too_near(found, other)
            ]
        return found

    def release(self, reservation: Reservation) -> bool:
        was_held = super().release(reservation)
        self.released[reservation] += was_held
        return was_held


def too_near(one: Reservation, other: Reservation) -> bool:
    """Whether two reservations of one host break the rule of daemon.md 4.6 with guard max."""
    if Kind.THROUGHPUT not in (one.kind, other.kind):
        return False
    first, second = sorted((one, other), key=lambda reservation: reservation.start)
    return second.start - first.end < max(one.fuzz, other.fuzz)


def mesh_of(hosts: int, *tests: dict[str, Any]) -> Mesh:
    """Hosts a, b, c..., and full meshes of iperf3 where a test does not say otherwise."""
    usual = {"tool": "iperf3", "duration": 10, "interval": 600, "pairs": {"mesh": "all"}}
    names = [chr(ord("a") + number) for number in range(hosts)]
    return read_mesh(
        json.dumps({"hosts": names, "tests": [usual | test for test in tests or [{}]]})
    )


def at_once(apart: float) -> Callable[[Mesh], list[Series]]:
    """A plan in which all pairs test once, each so many seconds after the one before."""

    def plan(mesh: Mesh) -> list[Series]:
        pairs = [(test, pair) for test in mesh.tests for pair in test.pairs]
        return [Series(test, pair, 5.0 + apart * i) for i, (test, pair) in enumerate(pairs)]

    return plan


class Audit:
    """A simulation whose brokers are audited."""

    def __init__(self, mesh: Mesh, settings: Settings) -> None:
        self.simulation = Simulation(mesh, settings)
        self.brokers = {
            name: AuditedBroker(daemon.host.broker)
            for name, daemon in self.simulation.daemons.items()
        }
        for name, daemon in self.simulation.daemons.items():
            daemon.host.broker = self.brokers[name]

    def run(self) -> list[str]:
        """Run it; everything that is not as it has to be."""
        self.simulation.run()
        return [*self._of_brokers(), *self._left(), *self._overlaps()]

    def _of_brokers(self) -> list[str]:
        found = [problem for one in self.brokers.values() for problem in one.problems]
        for name, broker in self.brokers.items():
            found += [
                f"{name}: released {broker.released[one]} times: {one}"
                for one in broker.granted
                if broker.released[one] != 1
            ]
        return found

    def _left(self) -> list[str]:
        daemons = self.simulation.daemons.items()
        return [f"{name} has {left} left" for name, daemon in daemons for left in daemon.leftovers]

    def _overlaps(self) -> list[str]:
        daemons = self.simulation.daemons.items()
        return [
            f"{name}: {daemon.use.overlaps} tests beside others"
            for name, daemon in daemons
            if daemon.use.overlaps
        ]
