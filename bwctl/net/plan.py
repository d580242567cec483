"""What a peer agent has to carry out, and when. Source: wire.md 6; testers.md 4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bwctl.interfaces import ITester
from bwctl.net.process import MAX_OUTPUT
from bwctl.values import NTPTime, Role, TestSpec, ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything about one confirmed test end."""

    spec: TestSpec
    role: Role
    tester: ITester
    port: int  # of the tester's server
    start: NTPTime  # T
    fuzz: int  # F, ticks
    own_port: int = 0  # the first of those of this end
    version: str = ""  # of the tester found here
    commands: Mapping[str, str] = field(default_factory=dict)
    cpus: str | None = None
    max_output: int = MAX_OUTPUT

    @property
    def tester_start(self) -> NTPTime:
        """When our tester is started: one fuzz earlier if a client awaits it (wire.md 6.1)."""
        awaited = self.role is Role.SERVER and not self.other_is_idle
        return NTPTime(self.start - self.fuzz) if awaited else self.start

    @property
    def command(self) -> list[str] | None:
        """What this end runs; None: the tester needs nothing here (wire.md 6.7)."""
        return self._command(self.role)

    @property
    def other_is_idle(self) -> bool:
        """Whether it is the other end that runs nothing."""
        return self._command(self.role.other) is None

    def _command(self, role: Role) -> list[str] | None:
        tester = self.tester
        return tester.command_line(self.spec, role, self.port, self.commands, self.own_port)

    @property
    def nominal_end(self) -> NTPTime:
        """Before this an end is early (wire.md 6.5)."""
        return NTPTime(self.start - self.fuzz + ticks(self.spec.seconds))

    @property
    def hard_end(self) -> NTPTime:
        """When a tester that still runs is stopped."""
        return NTPTime(self.start + ticks(self.spec.seconds + self.overtime) + self.fuzz)

    @property
    def overtime(self) -> float:
        """Seconds that the tester has beyond what any tester gets."""
        return self.tester.overtime(self.spec)
