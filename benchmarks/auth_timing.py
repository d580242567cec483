"""Does the time of a refusal tell a user that exists from one that does not?

    python -m benchmarks.auth_timing [--rounds N] [--kind ours|C]

Interleaved in random order: an unknown user, a user with a wrong key, and a second user with a
wrong key as the measure of what chance does. Each time is from the ClientGreeting's last octet to
the answer's. Medians, their ratio, and P(first > second) with its z by ranks (Mann and Whitney):
0.5 and |z| < 3 is what one and the same distribution gives.
"""

from __future__ import annotations

import argparse
import statistics
import time
from math import sqrt
from random import Random

from bwctl.limits.keys import Key, format_keys
from bwctl.wire.fields import Mode
from tests.support.daemons import Daemon, running, start_c, start_ours
from tests.support.raw import Raw

ADDRESS = "127.0.0.76"
USERS = {"unknown": "carol", "wrong key": "alice", "wrong key again": "bobby"}
ANSWER = 48  # octets of a ServerOK that turns away


def refusal_us(daemon: Daemon, user: str) -> float:
    """One refusal, in microseconds."""
    with Raw(ADDRESS, daemon.ports.control, Mode.ENCRYPTED, user=user, key=bytes(16)) as client:
        hello = client.session.greet()
        received = b""
        began = time.perf_counter_ns()
        client.send(hello)
        while len(received) < ANSWER:
            octets = client.socket.recv(100)
            assert octets, "closed without an answer"
            received += octets
        return (time.perf_counter_ns() - began) / 1000


def ranks(first: list[float], second: list[float]) -> tuple[float, float]:
    """P(a time of the first is more than one of the second), and how far it is from 0.5."""
    values = sorted((time, name) for name, times in ((0, first), (1, second)) for time in times)
    total = sum(rank for rank, (_, name) in enumerate(values, 1) if name == 0)
    n, m = len(first), len(second)
    above = total - n * (n + 1) / 2
    return above / (n * m), (above - n * m / 2) / sqrt(n * m * (n + m + 1) / 12)


def main() -> None:
    """Both comparisons: of what is to be alike, and of what is the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--kind", choices=("ours", "C"), default="ours")
    options = parser.parse_args()
    random = Random(1)
    keys = format_keys({f"user{n}": Key(random.randbytes(16)) for n in range(1000)})
    keys += format_keys({user: Key(random.randbytes(16)) for user in ("alice", "bobby")})
    times: dict[str, list[float]] = {kind: [] for kind in USERS}
    start = start_ours if options.kind == "ours" else start_c
    with running(start(ADDRESS, keys=keys)) as (daemon,):
        for number in range(options.rounds + 20):
            for kind in random.sample(list(USERS), len(USERS)):
                took = refusal_us(daemon, USERS[kind])
                if number >= 20:  # warm
                    times[kind].append(took)
    for kind, values in times.items():
        print(f"{kind:16} median {statistics.median(values):8.1f} us")
    for kind in ("unknown", "wrong key again"):
        ratio = statistics.median(times[kind]) / statistics.median(times["wrong key"])
        chance, z = ranks(times[kind], times["wrong key"])
        print(f"{kind} / wrong key: {ratio:.4f}   P(slower) {chance:.4f}   z {z:+.2f}")


if __name__ == "__main__":
    main()
