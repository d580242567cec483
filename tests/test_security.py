"""What doc/security.md promises is tested: each test that it names exists."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

DOC = Path(__file__).parent.parent / "doc" / "security.md"
_NAME = re.compile(r"`(tests(?:\.\w+)+)\.(\w+)\.(test_\w+)`")


class SecurityTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Every test on the page is one that runs."""
        named = _NAME.findall(DOC.read_text())
        self.assertGreater(len(named), 40)
        missing = [
            f"{module}.{case}.{name}"
            for module, case, name in named
            if not hasattr(getattr(import_module(module), case, None), name)
        ]
        self.assertEqual(missing, [])

    def test_every_threat_has_a_test(self) -> None:
        """No row of the threats goes without."""
        text = DOC.read_text().partition("## Threats and defences")[2].partition("\n## ")[0]
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        bare = [row for row in rows if not _NAME.search(row) and "shown by" not in row]
        self.assertEqual(bare, [])
