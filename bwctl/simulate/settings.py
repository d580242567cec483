"""The parameters of a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final

from bwctl.interfaces import ClientFacts
from bwctl.mesh.values import MeshTest
from bwctl.simulate.daemon import DaemonSettings

DAY_S: Final = 86_400.0
CLIENT: Final = IPv4Address("192.0.2.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """What one host has of its own; None: as all."""

    rtt: float | None = None
    clock_offset: float | None = None  # exactly, not at most
    clock_error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All but the mesh. Times are seconds."""

    duration: float = 7 * DAY_S  # tests are planned for so long
    seed: int = 1
    rtt: float = 0.02  # between the client and each daemon
    clock_offset: float = 0.0  # clocks are off by at most so much, either way
    clock_error: float = 0.01  # the error bound that daemons know of
    sync_fuzz: float = 0.0  # added to it
    failure_rate: float = 0.0
    late_after: float | None = None  # None: a tenth of a test's interval, at least a minute
    tail: float = 0.1  # a tester needs so much longer than its test
    client: ClientFacts = field(default_factory=lambda: ClientFacts(address=CLIENT))
    daemon: DaemonSettings = field(default_factory=DaemonSettings)
    hosts: Mapping[str, HostSettings] = field(default_factory=dict)

    def is_late(self, test: MeshTest, wait: float) -> bool:
        """Whether a test started so long after its planned time that it counts as late."""
        usual = max(60.0, test.interval / 10)
        return wait > (usual if self.late_after is None else self.late_after)
