"""How long one placement takes among many reservations.

    .venv/bin/python benchmarks/broker_placement.py [ROUNDS]

*packed* asks for the earliest place from now on, *spread* from a random moment, *mixed* as *spread*
with throughput, latency and trace tests 5:4:1, *crowd* mixed and packed, *fuzzy* packed with
paddings that differ. *place* books among that many; *steady* releases one and books another.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from random import Random
from time import perf_counter_ns

from bwctl.broker.reservation import Demand, Reservation
from bwctl.broker.timetable import Timetable
from bwctl.values import SID, NTPTime, Role, ToolID, ticks

NOW = 3_900_000_000 << 32
SAMPLES = 1000
FUZZ = ticks(1.7)
MIX = [ToolID.IPERF3] * 5 + [ToolID.PING] * 4 + [ToolID.TRACEROUTE]

Maker = Callable[[Random, int], Demand]


def demand(random: Random, start: float, tool: ToolID, fuzz: int = FUZZ) -> Demand:
    return Demand(
        sid=SID(random.randbytes(16)),
        role=Role.SERVER,
        tool=tool,
        earliest=NTPTime(NOW + ticks(start)),
        latest=None,
        length=ticks(random.choice((5, 10, 20, 30, 60))),
        fuzz=fuzz,
        rtt=ticks(0.05),
    )


def packed(random: Random, size: int) -> Demand:
    return demand(random, 0, ToolID.IPERF3)


def spread(random: Random, size: int) -> Demand:
    return demand(random, random.uniform(0, 60 * size), ToolID.IPERF3)


def mixed(random: Random, size: int) -> Demand:
    return demand(random, random.uniform(0, 60 * size), random.choice(MIX))


def crowd(random: Random, size: int) -> Demand:
    return demand(random, 0, random.choice(MIX))


def fuzzy(random: Random, size: int) -> Demand:
    return demand(random, 0, ToolID.IPERF3, ticks(random.uniform(0.5, 20)))


def booked(timetable: Timetable, wish: Demand) -> Reservation:
    answer = timetable.place(wish, NOW)
    assert isinstance(answer, Reservation), answer
    return answer


def measure(make: Maker, size: int, steady: bool, seed: int) -> list[float]:
    """Sorted times of single placements, in microseconds."""
    random = Random(seed)
    timetable = Timetable(max_reservations=size + 1)
    held = [booked(timetable, make(random, size)) for _ in range(size)]
    times = []
    for _ in range(SAMPLES):
        wish = make(random, size)
        victim = random.randrange(size) if steady else -1
        began = perf_counter_ns()
        if steady:
            timetable.release(held[victim])
        fresh = booked(timetable, wish)
        times.append((perf_counter_ns() - began) / 1000)
        if steady:
            held[victim] = fresh
        else:
            timetable.release(fresh)
    return sorted(times)


def main(rounds: int) -> None:
    gc.disable()
    print("microseconds, median/p99 of", SAMPLES, "in each of", rounds, "rounds")
    for steady in (False, True):
        for make in (packed, spread, mixed, crowd, fuzzy):
            for size in (0, 1_000, 10_000):
                if steady and not size:
                    continue
                runs = [measure(make, size, steady, seed) for seed in range(rounds)]
                figures = "  ".join(
                    f"{run[SAMPLES // 2]:6.1f}/{run[SAMPLES * 99 // 100]:6.1f}" for run in runs
                )
                print(f"{'steady' if steady else 'place':6} {make.__name__:7} {size:6} {figures}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
