"""The command line and the manual page of bwctl-keys."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import bwctl
from bwctl import __version__
from bwctl.cli.keys import main
from bwctl.cli.keys_errors import KeysError
from bwctl.cli.keys_options import OPTIONS, Request, help_text, parse
from bwctl.cli.manpage import roff

MANUALS = Path(bwctl.__file__).parent.parent / "doc" / "man"
SECRET = "correct-horse"


class ParseTests(SynchronousTestCase):
    """What the words mean."""

    def test_forms(self) -> None:
        """aespasswd's flags, in any order and joined; long names may be shortened."""
        table = [
            ("-f F joe", Request(file="F", identity="joe")),
            ("joe -fF", Request(file="F", identity="joe")),
            ("-nf F joe", Request(file="F", identity="joe", create=True)),
            ("-d -f F -- -joe", Request(file="F", identity="-joe", delete=True)),
            ("--file=F --rand joe", Request(file="F", identity="joe", random=True)),
            ("-f F -n --random joe", Request(file="F", identity="joe", create=True, random=True)),
            ("-f F --list", Request(file="F", list=True)),
            ("--json --check -f F", Request(file="F", check=True, json=True)),
        ]
        for words, request in table:
            self.assertEqual(parse(words.split()), request, words)

    def test_texts(self) -> None:
        """-h and -V win over everything that can be read."""
        for words in (["-h"], ["--help", "a", "b"], ["-d", "-h"]):
            self.assertEqual(parse(words), help_text())
        for words in (["-V"], ["--version", "-n"]):
            self.assertEqual(parse(words), f"bwctl-keys {__version__}\n")

    def test_help(self) -> None:
        """Every option is in the help, which fits a terminal."""
        for opt in OPTIONS:
            self.assertIn(", ".join(opt.names), help_text())
        self.assertLessEqual(max(map(len, help_text().splitlines())), 100)

    def test_refused(self) -> None:
        """Each mistake has its line, with advice, and no word of the command line."""
        table = [
            ("", "no key file"),
            ("joe", "no key file"),
            ("-f F", "no IDENTITY"),
            (f"-f F joe {SECRET}", "more than one IDENTITY; give one; the passphrase is asked"),
            (f"-f F joe --passphrase={SECRET}", "--passphrase not recognized; `bwctl-keys --help`"),
            (f"-f F --random={SECRET} joe", "must not have an argument"),
            (f"-f F -p{SECRET} joe", "-p not recognized"),
            ("-f F -f G joe", "twice"),
            ("-f", "requires argument"),
            ("-f F --c", "not a unique prefix"),
            ("-f F --li --ch", "exclude"),
            ("-f F -n -d joe", "--delete and --create exclude each other"),
            ("-f F -d --random joe", "exclude"),
            ("-f F --list -n", "exclude"),
            ("-f F --check --random", "exclude"),
            ("-f F --list joe", "take no IDENTITY"),
            ("-f F --json joe", "--json is for"),
            (f"-f F {SECRET}-longer", "20 octets"),
            ("-f F #joe", "comment"),
        ]
        for words, message in table:
            error = self.assertRaises(KeysError, parse, words.split())
            self.assertIn(message, str(error), words)
            self.assertIn("; ", str(error), words)
            self.assertEqual(error.failure.exit_status, 2)
            self.assertNotIn(SECRET, str(error), words)
        for identity in ("", "a b", "tab\there"):
            self.assertRaises(KeysError, parse, ["-f", "F", identity])

    def test_main(self) -> None:
        """Usage is status 2, one line on stderr, and with --json an object."""
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main(["--json", "--list"])
        self.assertEqual(status, 2)
        self.assertEqual(err.getvalue(), "bwctl-keys: no key file named; -f FILE names it\n")
        error = json.loads(out.getvalue())["error"]
        self.assertEqual((error["code"], error["exit_status"]), ("usage", 2))


class ManualTests(SynchronousTestCase):
    """doc/man."""

    def page(self, name: str) -> str:
        if not (MANUALS / name).exists():
            raise self.skipTest("the manual pages are not part of an installed package")
        return (MANUALS / name).read_text()

    def test_options(self) -> None:
        """Every option has its entry, with its value and no other."""
        lines = self.page("bwctl-keys.1").splitlines()
        entries = [line for above, line in zip(lines, lines[1:], strict=False) if above == ".TP"]
        for opt in OPTIONS:
            names = ", ".join(f"\\fB{roff(name)}\\fR" for name in opt.names)
            value = f" \\fI{opt.metavar}\\fR" if opt.metavar else ""
            self.assertEqual(entries.count(names + value), 1, opt.long)
        self.assertEqual(sum(line.startswith("\\fB\\-") for line in entries), len(OPTIONS))

    def test_sections(self) -> None:
        """The sections in their usual order, and no line that roff would take for a request."""
        for name, second in (("bwctl-keys.1", "SYNOPSIS"), ("bwctl-server.keys.5", "DESCRIPTION")):
            lines = self.page(name).splitlines()
            titles = [line[4:] for line in lines if line.startswith(".SH ")]
            self.assertEqual(titles[:2], ["NAME", second])
            self.assertEqual(titles[-1], "SEE ALSO")
            requests = {line.split()[0] for line in lines if line[:1] in (".", "'")}
            self.assertLessEqual(
                requests, {'.\\"', ".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".br", ".nf", ".fi"}
            )
