"""What became of each planned test."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bwctl.mesh.plan import Series


class Outcome(Enum):
    """How a planned test ended."""

    DONE = "done"
    BUSY = "busy"  # no time slot before its latest start
    DENIED = "denied"  # limits, or a bound on connections
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Record:
    """One planned test. Times are seconds from the beginning."""

    series: Series
    planned: float
    outcome: Outcome
    start: float | None = None  # of the reservation, once both daemons held it
    reason: str = ""  # why it was not done
    injected: bool = False  # a fault of the simulation befell it

    @property
    def wait(self) -> float | None:
        """From the planned start to the real one; None if there was none."""
        return None if self.start is None else self.start - self.planned
