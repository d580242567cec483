"""A mesh on virtual time, from its first planned test to the end of its last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from ipaddress import IPv4Address
from random import Random
from typing import Final

from bwctl.errors import BWCTLError
from bwctl.mesh.plan import Series, plan
from bwctl.mesh.values import Mesh
from bwctl.simulate.attempt import Attempt, Client, Reached
from bwctl.simulate.clock import HostClock, VirtualReactor
from bwctl.simulate.daemon import SimulatedDaemon
from bwctl.simulate.faults import Faults
from bwctl.simulate.record import Record
from bwctl.simulate.settings import HostSettings, Settings
from bwctl.testers.registry import BUILT_IN
from bwctl.values import ntp_from_unix

BEGINNING: Final = datetime(2030, 1, 7).timestamp()  # a Monday, 00:00 by this host's clocks
_FIRST_HOST: Final = IPv4Address("198.18.0.1")


class Simulation:
    """All daemons of a mesh, its client, and their time. One run, the same for the same seed.

    Raises:
        BWCTLError: a test's tester is none that we have.
    """

    def __init__(self, mesh: Mesh, settings: Settings) -> None:
        self.mesh = mesh
        self.settings = settings
        self.reactor = VirtualReactor()
        self.records: list[Record] = []
        self._testers = {tester.name: tester for tester in BUILT_IN}
        _check_tools(mesh)
        self.faults = Faults(settings.failure_rate, self._random("faults"))
        clocks = self._random("clocks")
        self.reached = {
            name: self._reached(name, number, clocks) for number, name in enumerate(mesh.hosts)
        }
        self.daemons = {name: one.daemon for name, one in self.reached.items()}
        self._client = Client(
            reactor=self.reactor,
            facts=settings.client,
            reached=self.reached,
            random=self._random("client"),
            tail=settings.tail,
        )

    def run(self, progress: Callable[[float], None] | None = None) -> list[Record]:
        """Make all planned tests; what became of them, in the order of their ends.

        Args:
            progress: told a hundred times which share of the time has passed.
        """
        for series in plan(self.mesh):
            self._next(series, self._starts(series))
        if progress is not None:
            for percent in range(1, 101):
                at = self.settings.duration * percent / 100
                self.reactor.send(at, progress, percent / 100)
        self.reactor.run()
        return self.records

    def _next(self, series: Series, starts: Iterator[float]) -> None:
        """Wait for the next planned test of a series, if there is one."""
        planned = next(starts, None)
        if planned is not None:
            delay = max(0.0, planned - self.reactor.seconds())
            self.reactor.send(delay, self._begin, series, starts, planned)

    def _begin(self, series: Series, starts: Iterator[float], planned: float) -> None:
        def done(record: Record) -> None:
            self.records.append(record)
            self._next(series, starts)

        misfortune = self.faults.draw(series.test.seconds)
        Attempt(self._client, series, planned, misfortune, done).begin()

    def _starts(self, series: Series) -> Iterator[float]:
        random = self._random(f"{series.test.name}/{series.pair}")
        return series.starts(self.settings.duration, random)

    def _reached(self, name: str, number: int, clocks: Random) -> Reached:
        settings, own = self.settings, self.settings.hosts.get(name, HostSettings())
        offset = clocks.uniform(-settings.clock_offset, settings.clock_offset)
        if own.clock_offset is not None:
            offset = own.clock_offset
        error = settings.clock_error if own.clock_error is None else own.clock_error
        clock = HostClock(
            self.reactor, ntp_from_unix(BEGINNING), offset, error + settings.sync_fuzz
        )
        daemon = SimulatedDaemon(
            name,
            _FIRST_HOST + number,
            self.reactor,
            clock,
            self._testers,
            settings.daemon,
            self._random(name),
        )
        return Reached(daemon, clock, settings.rtt if own.rtt is None else own.rtt)

    def _random(self, purpose: str) -> Random:
        """Numbers of their own for each purpose, so that one does not disturb another."""
        return Random(f"{self.settings.seed}/{purpose}")  # noqa: S311 - no secret


def _check_tools(mesh: Mesh) -> None:
    known = {tester.tool_id for tester in BUILT_IN}
    for test in mesh.tests:
        if test.tool not in known:
            names = ", ".join(tester.name for tester in BUILT_IN)
            raise BWCTLError(f"{test.name}: no such tester in this release; there are {names}")
