"""Every message at every state with something wrong in it, said to a real daemon."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from tests.abuse.scenes import (
    CALLED_STAGES,
    CALLER_STAGES,
    CONTROL_STAGES,
    Ends,
    Stage,
    attack,
    from_clients,
    from_servers,
)
from tests.support.baseline import Baseline
from tests.support.daemons import running, start_ours
from tests.support.effort import SEEDED, dice, times
from tests.support.served import served

ADDRESS, OTHER = "127.0.0.120", "127.0.0.121"
ONLY_EMBEDDED = "disable_iperf\ndisable_iperf3\ndisable_nuttcp\nverbose\n"


class MutationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.daemon = start_ours(ADDRESS, ONLY_EMBEDDED)
        self.addCleanup(self.daemon.kill)
        self.ends: Ends = {"server": ADDRESS, "client": OTHER}

    def attacked(
        self, name: str, stages: Mapping[str, Stage], messages: Mapping[str, bytes], rounds: int
    ) -> None:
        """Every message in every state, some rounds of it; then all has to be as before."""
        with running(self.daemon):
            baseline = Baseline(self.daemon)
            with served(self.daemon):
                for number in range(rounds):
                    self.round(f"{name} {number}", stages, messages)
            baseline.check()

    def round(self, name: str, stages: Mapping[str, Stage], messages: Mapping[str, bytes]) -> None:
        chance = dice(name)
        for state, message in product(stages, messages):
            scene = stages[state](self.daemon, self.ends)
            closed = attack(scene, messages[message], chance)
            where = f"{SEEDED}{name}: {message} in {state}"
            self.assertTrue(closed, f"{where}: not closed\n{self.daemon.log()[-3000:]}")
            self.assertIsNone(self.daemon.process.poll(), where)

    def test_control_clients(self) -> None:
        """A control client that says anything anywhere."""
        self.attacked("control", CONTROL_STAGES, from_clients(self.ends), times(4, 150))

    def test_peers_that_call(self) -> None:
        """A peer agent, or a stranger, at the peer port."""
        self.attacked("caller", CALLER_STAGES, from_clients(self.ends), times(3, 100))

    def test_peers_that_are_called(self) -> None:
        """A host that a client made the daemon call."""
        ends = {"server": OTHER, "client": ADDRESS}
        self.ends = ends
        self.attacked("called", CALLED_STAGES, from_servers(), times(4, 150))
