"""The manual pages."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import bwctl
from bwctl.cli.manpage import manual, roff
from bwctl.cli.programs import PROGRAMS

PAGES = Path(bwctl.__file__).parent.parent / "doc" / "man"


class ManualTests(SynchronousTestCase):
    """doc/man/bwctl.1 and its sisters."""

    def test_up_to_date(self) -> None:
        """The files are what the tables of options give."""
        if not PAGES.exists():
            raise self.skipTest("the manual pages are not part of an installed package")
        for name, program in PROGRAMS.items():
            self.assertEqual(
                (PAGES / f"{name}.1").read_text(),
                manual(program),
                f"run: python -m bwctl.cli.manpage {name} > doc/man/{name}.1",
            )

    def test_complete(self) -> None:
        """Every option and every exit status has its entry."""
        for program in PROGRAMS.values():
            text = manual(program)
            for opt in program.options():
                for name in opt.names:
                    self.assertIn(f"\\fB{roff(name)}\\fR", text)
            for status, meaning in program.meanings.items():
                self.assertIn(f".TP\n\\fB{status.value}\\fR\n{roff(meaning)}\n", text)

    def test_sections(self) -> None:
        """The sections in their usual order."""
        lines = manual(PROGRAMS["bwping"]).splitlines()
        titles = [line[4:] for line in lines if line.startswith(".SH ")]
        self.assertEqual(titles[:4], ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"])
        self.assertEqual(titles[-3:], ["EXIT STATUS", "EXAMPLES", "SEE ALSO"])

    def test_escapes(self) -> None:
        """Text cannot become a request."""
        self.assertEqual(roff(".SH x"), "\\&.SH x")
        self.assertEqual(roff("'x"), "\\&'x")
        self.assertEqual(roff("a-b\\n"), "a\\-b\\en")
