"""Two daemons that work under random faults for a long time, looked at while they rest."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, fields
from itertools import count

from tests.soak.customers import Customers
from tests.soak.faults import Faults
from tests.soak.samples import MEMORY_KB, Sample, growth, sample
from tests.support.daemons import Daemon, run_ours, start_ours
from tests.support.relay import relayed

ADDRESSES, RELAYS = ("127.0.2.1", "127.0.2.2"), ("127.0.2.3", "127.0.2.4")
CLIENTS = 3
OPTIONS = "overrun 0.3\n"  # less padding, more tests
HEAD = f"{'':6}{'daemon':10}" + "".join(f"{one.name:>12}" for one in fields(Sample))


class Soak:
    """The scene, and what was seen.

    Args:
        testers: what is installed of those that clients may want.
        tell: gets each line of the table as it comes about.
    """

    def __init__(
        self, daemons: list[Daemon], seed: str, testers: set[str], tell: Callable[[str], None]
    ) -> None:
        self.samples: dict[str, list[Sample]] = {one.address: [] for one in daemons}
        self._daemons = daemons
        self._seed = seed
        self._tell = tell
        self._testers = testers

    def run(self, total_s: float, round_s: float) -> list[str]:
        """Work and rest by turns; the first round is to warm up. What was wrong, in words."""
        over = time.monotonic() + total_s
        one, two = self._daemons
        dice = [random.Random(f"{self._seed} {name}") for name in ("customers", "faults")]
        with relayed(one, RELAYS[0]) as near, relayed(two, RELAYS[1]) as far:
            ends = [
                ("-c", server, "-s", client)
                for server, client in ((one.node, two.node), (two.node, near.node))
            ]
            ends += [("-c", near.node, "-s", far.node), ("-c", one.node, "-s", far.node)]
            customers = Customers(ends, self._testers, dice[0])
            faults = Faults(self._daemons, [near, far], customers, dice[1])
            self._tell(HEAD)
            for number in count():
                self._work(customers, faults, round_s)
                self._rest(number)
                if number and time.monotonic() > over:
                    break
        wrong = [f"a client: {one}" for one in customers.defects]
        self._tell_counts(customers, faults)
        return [*wrong, *self._after_all(customers)]

    def _work(self, customers: Customers, faults: Faults, round_s: float) -> None:
        end = time.monotonic() + round_s
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            jobs = [pool.submit(customers.work, end) for _ in range(CLIENTS)]
            jobs.append(pool.submit(faults.work, end))
        for job in jobs:
            job.result()

    def _rest(self, number: int) -> None:
        for daemon in self._daemons:
            found = sample(daemon)
            if number:
                self.samples[daemon.address].append(found)
            figures = "".join(f"{one:>12}" for one in astuple(found))
            self._tell(f"{number:>4}  {daemon.address:10}{figures}")

    def _tell_counts(self, customers: Customers, faults: Faults) -> None:
        ends = (f"{number} with status {one}" for one, number in customers.statuses.most_common())
        self._tell(f"tests: {', '.join(ends)}")
        self._tell(f"faults: {', '.join(f'{n} {one}' for one, n in faults.counts.most_common())}")

    def _after_all(self, customers: Customers) -> Iterator[str]:
        """A test as any other still succeeds, and some did before.

        At the second try at the latest: on a busy host a test of a second can be too short.
        """
        one, two = self._daemons
        words = ("-a", "0.1", "-c", one.node, "-s", two.node, "-T", "thrulay", "-t", "1")
        ran = run_ours(*words)
        if ran.status:
            self._tell(f"a test after all that, once: {ran.stderr}")
            ran = run_ours(*words)
        if ran.status:
            yield f"tests after all that, twice: {ran.stderr}"
        if not customers.statuses[0]:
            yield "not one test has succeeded"

    def grown(self, memory_kb: int) -> list[str]:
        """What has grown, of which daemon."""
        return [
            f"{address}: {sentence}"
            for address, some in self.samples.items()
            for sentence in growth(some, memory_kb)
        ]


@contextmanager
def scene() -> Iterator[list[Daemon]]:
    """The daemons, killed at the end if they live."""
    with ExitStack() as ends:
        daemons = [start_ours(address, OPTIONS) for address in ADDRESSES]
        for daemon in daemons:
            ends.callback(daemon.kill)
        yield daemons


def soak(
    total_s: float,
    round_s: float,
    seed: str,
    testers: set[str],
    tell: Callable[[str], None],
    memory_kb: int = MEMORY_KB,
) -> list[str]:
    """All of it; what was wrong, in words.

    Args:
        total_s: seconds until the last round begins, at least one after that to warm up.
        round_s: seconds of work in a round.
        memory_kb: by which memory may grow.
    """
    with scene() as daemons:
        it = Soak(daemons, seed, testers, tell)
        wrong = it.run(total_s, round_s)
        wrong += it.grown(memory_kb)
        for daemon in daemons:
            try:
                daemon.stop()
            except AssertionError as error:
                wrong.append(str(error))
    return wrong
