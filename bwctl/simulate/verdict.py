"""Does a mesh fit, and if not, what would make it fit?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bwctl.mesh.units import span_text
from bwctl.mesh.values import Mesh
from bwctl.simulate.bottleneck import Bottleneck, bottleneck
from bwctl.simulate.load import is_odd_one_out, rounded_up, stretch
from bwctl.simulate.report import Report, Tally
from bwctl.simulate.settings import Settings
from bwctl.values import Kind

LATE_SHARE: Final = 0.05
"""A mesh of which more tests are late does not fit."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to tell an admin, in sentences."""

    reasons: tuple[str, ...]  # why the mesh does not fit; none: it does
    advice: tuple[str, ...]
    bottleneck: Bottleneck | None  # None: no host is asked for anything

    @property
    def fits(self) -> bool:
        """Whether every planned test has its time."""
        return not self.reasons


def judge(mesh: Mesh, settings: Settings, found: Report) -> Verdict:
    """What the figures mean. Faults of the simulation are not held against the mesh."""
    reasons = tuple(_reasons(settings, found))
    advice = tuple(_advice(mesh, settings, found))
    return Verdict(reasons, advice, bottleneck(mesh, settings, found))


def _reasons(settings: Settings, found: Report) -> Iterator[str]:
    total = found.total
    own = total.failed - total.injected
    if not total.planned:
        yield "no test is planned within this time"
    if total.busy:
        yield f"{_of(total.busy, total)} found no time before their latest start"
    if total.denied or own:
        counted = "were denied or failed" if total.denied and own else "were denied"
        counted = counted if total.denied else "failed"
        reason = next(iter(total.reasons), "")
        yield f"{_of(total.denied + own, total)} {counted}: {reason}"
    if _is_late(total):
        yield f"{_of(total.late, total)} started too late after their planned time"
    if found.overlaps:
        yield f"{_of(found.overlaps, total)} ran beside a throughput test"


def _is_late(total: Tally) -> bool:
    return total.late > LATE_SHARE * total.planned


def _of(count: int, total: Tally) -> str:
    return f"{count:,} of {total.planned:,} tests ({100 * count / total.planned:.1f} %)"


def _advice(mesh: Mesh, settings: Settings, found: Report) -> Iterator[str]:
    total, factor = found.total, stretch(mesh, settings)
    if any("connections" in reason for reason in total.reasons):
        most = max(host.connections for host in found.hosts)
        yield f"raise max_connections_per_host of the daemons well above {most}"
    if any("clock" in reason for reason in total.reasons):
        yield "synchronise the clocks, or set sync_fuzz to how far they may be off"
    crowded = total.busy or _is_late(total)
    if crowded and is_odd_one_out(mesh, settings):
        yield "one host more would cost nothing: of an odd number one is always without a partner"
    if crowded and factor is None:
        yield "make the tests other than throughput shorter, or less frequent"
    elif crowded and factor is not None and factor < 1:
        yield "let starts be moved further (latest), or shorten the longest tests"
    elif factor is not None:
        why = ""
        if factor > 1:
            why = "let them run less often; " if crowded else "there is little time to spare; "
        yield f"{why}{_intervals(mesh, factor)}"


def _intervals(mesh: Mesh, factor: float) -> str:
    """The shortest intervals of throughput tests that should do."""
    shortest = [
        (test.name, max(test.seconds + 2, rounded_up(test.interval * factor)))
        for test in mesh.tests
        if test.kind is Kind.THROUGHPUT
    ]
    listed = ", ".join(f"{span_text(interval)} ({name})" for name, interval in shortest[:5])
    more = ", ..." if len(shortest) > 5 else ""
    which = "shortest interval" if len(shortest) == 1 else "shortest intervals"
    return f"{which} that should fit, estimated: {listed}{more}"
