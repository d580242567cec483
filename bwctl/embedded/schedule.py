"""When the packets of a UDP test are due. Pure but for its random numbers.

Source: thrulay.md section 4.2.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from bwctl.embedded.options import POISSON


def due_times(schedule: str, packets: int, seconds: float) -> Iterator[float]:
    """The moments, in seconds from the start, at which so many packets are due within a time.

    Each is planned from the one before it, never from the present, so lateness does not add up.
    """
    return _poisson(packets, seconds) if schedule == POISSON else _periodic(packets, seconds)


def _periodic(packets: int, seconds: float) -> Iterator[float]:
    return (number * seconds / packets for number in range(packets))


def _poisson(packets: int, seconds: float) -> Iterator[float]:
    """A Poisson stream that has exactly so many packets in that time.

    The next of n packets in the time that is left is the least of n uniform numbers; with many
    packets that gap is exponential, -ln(1 - u) times the mean. So the mean rate of every test is
    the one asked for, and the test ends in time; plain exponential gaps give a test of random
    length, 10 % off with 100 packets.
    """
    at = 0.0
    for left in range(packets, 0, -1):
        at += (seconds - at) * -math.expm1(math.log1p(-random.random()) / left)  # noqa: S311
        yield at
