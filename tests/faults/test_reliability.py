"""doc/reliability.md says what the fault tests hold the daemons to, and nothing else."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.net import agent, client, factory, process, tcp
from bwctl.net.host import Host
from bwctl.testers import nuttcp, thrulay
from bwctl.values import seconds
from tests.faults import figures
from tests.faults.promises import PROMISES, STUCK

DOC = Path(__file__).parent.parent.parent / "doc" / "reliability.md"
_NAME = re.compile(r"`(tests(?:\.\w+)+)\.(\w+)\.(test_\w+)`")
_BOUND = re.compile(r"(\d+) s after (.*)")
_FIGURE = re.compile(r"^\| `(\w+)` \| ([\d.]+) s \|", re.MULTILINE)


class ReliabilityTests(SynchronousTestCase):
    def rows(self) -> list[list[str]]:
        """The cells of the promises' table."""
        text = DOC.read_text().partition("## Promises")[2].partition("\n## ")[0]
        lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    def test_promises(self) -> None:
        """Each fault has the bound that the tests hold it to; none is missing on either side."""
        on_page = []
        for fault, *_, bound, _test in self.rows():
            found = _BOUND.fullmatch(bound)
            assert found is not None, bound
            on_page.append((fault, float(found[1]), found[2]))
        self.assertEqual(on_page, [(one.fault, one.free_s, one.since) for one in PROMISES])

    def test_names(self) -> None:
        """Every row names a test, and every test on the page is one that runs."""
        for row in self.rows():
            self.assertRegex(row[-1], _NAME, row[0])
        missing = [
            f"{module}.{case}.{name}"
            for module, case, name in _NAME.findall(DOC.read_text())
            if not hasattr(getattr(import_module(module), case, None), name)
        ]
        self.assertEqual(missing, [])

    def test_figures(self) -> None:
        """The times that the page gives are those of the code."""
        self.assertEqual(
            {name: float(value) for name, value in _FIGURE.findall(DOC.read_text())},
            {
                "overrun": seconds(Host.overrun),
                "overtime": max(nuttcp.UDP_OVERTIME_S, thrulay.UDP_OVERTIME_S),
                "die_by": Host.die_by,
                "KILLING_S": factory._KILLING_S,
                "GRACE_S": process._GRACE_S,
                "GONE_S": tcp.GONE_S,
                "INTERVAL_S": tcp.INTERVAL_S,
                "ANSWER_TIMEOUT_S": client.ANSWER_TIMEOUT_S,
                "RESULTS_TIMEOUT_S": agent.RESULTS_TIMEOUT_S,
            },
        )

    def test_what_was_measured(self) -> None:
        """A promise that was not kept, or never looked at, is no promise."""
        self.assertTrue(figures.kept(STUCK, figures.read(f"{STUCK.fault}\t4.9\n")[STUCK.fault]))
        self.assertFalse(figures.kept(STUCK, [0.1, STUCK.free_s + 0.1]))
        self.assertIn("NOT KEPT", figures.row(STUCK, [0.1, STUCK.free_s + 0.1]))
        self.assertFalse(figures.kept(STUCK, []))
