"""How fast a mesh is simulated: wall time, and time for each test.

.venv/bin/python -m benchmarks.simulate [HOSTS [DAYS]]
"""

from __future__ import annotations

import resource
import sys
from itertools import permutations
from time import perf_counter, process_time

from bwctl.mesh.values import Mesh, MeshHost, MeshTest, Pair
from bwctl.simulate.report import report
from bwctl.simulate.settings import DAY_S, Settings
from bwctl.simulate.simulation import Simulation
from bwctl.simulate.verdict import judge
from bwctl.values import ToolID

HOUR_S = 3600


def mesh_of(hosts: int) -> Mesh:
    """Every ordered pair, 30 s every 6 h."""
    names = [f"h{number}" for number in range(hosts)]
    test = MeshTest(
        name="mesh",
        tool=ToolID.IPERF3,
        duration=30,
        interval=6 * HOUR_S,
        latest=3 * HOUR_S,
        pairs=tuple(Pair(*pair) for pair in permutations(names, 2)),
    )
    return Mesh(hosts={name: MeshHost(name, name) for name in names}, tests=(test,))


def main(hosts: int, days: float) -> None:
    mesh = mesh_of(hosts)
    for failures in (0.0, 0.05):
        settings = Settings(duration=days * DAY_S, failure_rate=failures, clock_offset=0.005)
        wall, processor = perf_counter(), process_time()
        simulation = Simulation(mesh, settings)
        simulation.run()
        figures = report(simulation)
        verdict = judge(mesh, settings, figures)
        wall, processor = perf_counter() - wall, process_time() - processor
        planned, memory = figures.total.planned, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            f"{hosts} hosts, {days:g} days, faults {failures:g}: {planned:,} tests, "
            f"{wall:.1f} s ({processor:.1f} s of processor), "
            f"{processor / planned * 1e6:.0f} us a test, {memory // 1024} MB, "
            f"{'fits' if verdict.fits else 'does not fit'}"
        )


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 50, float(given[1]) if len(given) > 1 else 7.0)
