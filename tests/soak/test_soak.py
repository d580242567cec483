"""The soak of `make soak`, short, so that it cannot rot; and that it sees what grows."""

from __future__ import annotations

import shutil
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.soak.customers import KINDS
from tests.soak.samples import MEMORY_KB, Sample, growth
from tests.soak.soak import soak

REST = Sample(memory_kb=30000, descriptors=10, processes=0, threads=1, timers=1, held=0)
WARM_KB = 8192  # in so short a time memory still finds its place


class GrowthTests(SynchronousTestCase):
    def test_nothing_grows(self) -> None:
        """Up and down is no growth, and nor is a little memory."""
        up = replace(REST, timers=2, memory_kb=30000 + MEMORY_KB)
        self.assertEqual(growth([up, REST, REST, up, REST, replace(up, timers=1)]), [])
        self.assertEqual(growth([REST]), [])

    def test_anything_grows(self) -> None:
        """One more at the end than ever at the beginning is a leak, of whatever kind."""
        for name in ("descriptors", "processes", "threads", "timers", "held"):
            leaky = replace(REST, **{name: getattr(REST, name) + 1})
            self.assertEqual(len(growth([REST, REST, leaky])), 1, name)
            if name in ("processes", "held"):
                self.assertEqual(len(growth([leaky, leaky, leaky])), 1, name)

    def test_memory(self) -> None:
        """What comes to stay is growth, one look that is high is none."""
        more = replace(REST, memory_kb=30000 + MEMORY_KB + 1)
        self.assertEqual(
            growth([REST, REST, REST, more, more, more]), ["memory: 30000 kB -> 31025 kB"]
        )
        self.assertEqual(growth([REST, REST, REST, REST, more, REST]), [])


class SoakTests(SynchronousTestCase):
    def test_soak(self) -> None:
        """Twenty seconds of tests and faults leave two daemons as they were."""
        testers = {kind[2] for kind in KINDS if kind[2] == "thrulay" or shutil.which(kind[2])}
        lines: list[str] = []
        wrong = soak(8.0, 4.0, "1", testers, lines.append, WARM_KB)
        self.assertEqual(wrong, [], "\n".join(lines))
