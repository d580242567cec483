"""What goes wrong in a simulation, drawn from its seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final


class Fault(Enum):
    """What befalls one test."""

    UNREACHABLE = "daemon unreachable"
    CLIENT_LOST = "client lost"
    LATE_START = "StartSession late"
    HUNG_TESTER = "tester hangs"


@dataclass(frozen=True, slots=True)
class Misfortune:
    """A fault with its particulars."""

    fault: Fault
    sender: bool  # at which end, where it is one
    after: float  # seconds: until the client is lost, or by which StartSession is late


class Faults:
    """Draws for each test whether something goes wrong.

    Args:
        rate: probability for one test.
        kinds: what may go wrong, all equally likely.
    """

    LONGEST_S: Final = 120.0

    def __init__(self, rate: float, random: Random, kinds: Sequence[Fault] = tuple(Fault)) -> None:
        self._rate = rate
        self._random = random
        self._kinds = kinds

    def draw(self, length: float) -> Misfortune | None:
        """What befalls a test that takes so many seconds; None: nothing."""
        random = self._random
        if not self._rate or random.random() >= self._rate:
            return None
        # Half of the clients are lost within a second: while they negotiate.
        longest = 1.0 if random.random() < 0.5 else length + self.LONGEST_S
        return Misfortune(
            random.choice(self._kinds), random.random() < 0.5, random.uniform(0, longest)
        )
