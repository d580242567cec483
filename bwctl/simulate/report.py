"""What a simulation comes to: figures for each test definition and for each host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bwctl.mesh.values import MeshTest
from bwctl.simulate.record import Outcome, Record
from bwctl.simulate.settings import Settings
from bwctl.simulate.simulation import Simulation


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """From planned to real starts, seconds; of tests that had one."""

    p50: float
    p95: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How some planned tests ended. The last four and `done` make up `planned`."""

    planned: int
    done: int
    late: int  # done, but started later than planned by more than is tolerated
    busy: int
    denied: int
    failed: int
    injected: int  # of those that failed: by a fault of the simulation
    reasons: Mapping[str, int]  # of those that were denied or failed for no fault of the simulation
    faults: Mapping[str, int]  # of the others
    waits: Waits | None  # None: no test had a start


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """One host."""

    name: str
    tally: Tally
    tested: float  # share of the time in which a throughput test had the host
    held: float  # share of the time that tests took, paddings included
    overlaps: int  # tests that began beside one from which they should keep clear
    connections: int  # most control connections at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it. Times are seconds."""

    duration: float
    series: int  # pairs, counted for each test
    total: Tally
    tests: Sequence[tuple[MeshTest, Tally]]
    hosts: Sequence[HostReport]

    @property
    def busiest(self) -> Sequence[HostReport]:
        """The hosts, those with the least time left first."""
        return sorted(self.hosts, key=lambda host: (-round(host.held, 3), host.name))

    @property
    def overlaps(self) -> int:
        """Tests that began beside one from which they should keep clear, counted at each host."""
        return sum(host.overlaps for host in self.hosts)


def report(simulation: Simulation) -> Report:
    """The figures of a simulation that has run."""
    settings, mesh = simulation.settings, simulation.mesh
    records = simulation.records
    by_test: dict[str, list[Record]] = {test.name: [] for test in mesh.tests}
    by_host: dict[str, list[Record]] = {name: [] for name in mesh.hosts}
    for record in records:
        by_test[record.series.test.name].append(record)
        for name in record.series.pair:
            by_host[name].append(record)
    duration = settings.duration
    return Report(
        duration=duration,
        total=tally(records, settings),
        tests=[(test, tally(by_test[test.name], settings)) for test in mesh.tests],
        hosts=[
            HostReport(
                name=name,
                tally=tally(by_host[name], settings),
                tested=daemon.use.tested.total(duration) / duration,
                held=daemon.use.held.total(duration) / duration,
                overlaps=daemon.use.overlaps,
                connections=daemon.use.connections,
            )
            for name, daemon in simulation.daemons.items()
        ],
        series=sum(len(test.pairs) for test in mesh.tests),
    )


def tally(records: Sequence[Record], settings: Settings) -> Tally:
    """The figures of some planned tests."""
    outcomes = Counter(record.outcome for record in records)
    told = {
        injected: Counter(
            record.reason
            for record in records
            if record.outcome in _TOLD and record.injected is injected
        )
        for injected in (False, True)
    }
    return Tally(
        planned=len(records),
        done=outcomes[Outcome.DONE],
        late=sum(
            record.outcome is Outcome.DONE
            and settings.is_late(record.series.test, record.wait or 0.0)
            for record in records
        ),
        busy=outcomes[Outcome.BUSY],
        denied=outcomes[Outcome.DENIED],
        failed=outcomes[Outcome.FAILED],
        injected=sum(record.injected for record in records),
        reasons=dict(told[False].most_common()),
        faults=dict(told[True].most_common()),
        waits=_waits(record.wait for record in records),
    )


_TOLD = (Outcome.DENIED, Outcome.FAILED)


def _waits(waits: Iterable[float | None]) -> Waits | None:
    known = sorted(wait for wait in waits if wait is not None)
    if not known:
        return None
    return Waits(p50=_quantile(known, 0.50), p95=_quantile(known, 0.95), most=known[-1])


def _quantile(ascending: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]
