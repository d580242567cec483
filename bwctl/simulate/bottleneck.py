"""Which hosts of a mesh have the least time left, and what that costs their tests."""

from __future__ import annotations

from dataclasses import dataclass

from bwctl.mesh.values import Mesh
from bwctl.simulate.load import host_loads
from bwctl.simulate.report import Report
from bwctl.simulate.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottleneck:
    """Hosts that are asked for the most time, all about as much. Shares are of their time."""

    hosts: tuple[str, ...]
    asked: float  # what their tests ask for, paddings included; more than 1 can never fit
    taken: float  # what their tests took
    wait: float | None  # seconds; one of twenty of their tests waited longer. None: none started
    refused: int  # tests of these hosts that found no time, each counted at each host

    @property
    def sentence(self) -> str:
        """For an admin."""
        others = len(self.hosts) - 1
        more = f" and {others:,} more, each" if others else ","
        parts = [
            f"{self.hosts[0]}{more} asked for {100 * self.asked:.1f} % of its time",
            f"{100 * self.taken:.1f} % is taken",
        ]
        if self.wait is not None:
            parts.append(f"one of twenty tests waits longer than {self.wait:.1f} s")
        if self.refused:
            parts.append(f"{self.refused:,} find no time before their latest start")
        return "; ".join(parts)


def bottleneck(mesh: Mesh, settings: Settings, found: Report) -> Bottleneck | None:
    """The busiest hosts, by what they are asked for; None where nobody is asked for anything."""
    asked = {name: load.total for name, load in host_loads(mesh, settings).items()}
    most = max(asked.values(), default=0.0)
    if not most:
        return None
    hosts = [host for host in found.hosts if round(asked[host.name], 3) == round(most, 3)]
    waits = [host.tally.waits.p95 for host in hosts if host.tally.waits is not None]
    return Bottleneck(
        hosts=tuple(host.name for host in hosts),
        asked=most,
        taken=max(host.held for host in hosts),
        wait=max(waits, default=None),
        refused=sum(host.tally.busy for host in hosts),
    )
