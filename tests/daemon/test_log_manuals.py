"""The manual pages of the daemon, held against the tables of options and limits."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import bwctl
from bwctl.daemon.config import DEFAULT_TEST_PORTS, Settings
from bwctl.daemon.config_options import TOOLS, Option, option_table
from bwctl.daemon.config_values import FACILITIES, PRIORITIES
from bwctl.daemon.log_choice import ACCESS_EVENTS
from bwctl.daemon.tap import Options
from bwctl.limits.classes import LIMITS, LimitClass
from bwctl.limits.written import TESTERS, format_value

MANUALS = Path(bwctl.__file__).parent.parent / "doc" / "man"
BWCTLD, CONF, LIMITS_PAGE = "bwctld.8", "bwctl-server.conf.5", "bwctl-server.limits.5"

_TAG = re.compile(r"\.TP\n(.*)\n((?:(?!\.(?:TP|SH|SS|PP)).*\n)*)")
_FONT = re.compile(r"\\f[BIRP]")
_SPECIAL_DEFAULTS = {
    "test_port": f"Default: {DEFAULT_TEST_PORTS}.",
    "owamp_cmd": "owping for owamp",
    "owamp_server_cmd": "Default: owampd.",
}


def plain(roff: str) -> str:
    """Text without its roff."""
    return _FONT.sub("", roff).replace("\\-", "-").replace("\\(ha", "^").replace("\\e", "\\")


def written(option: Option) -> str:
    """The default of an option as a person would write it."""
    value = getattr(Settings(), option.field) if option.field and not option.item else None
    if value is None or value in ((), frozenset()):
        return ""
    return f"{value:g}" if isinstance(value, float) else option.write(value)


class ManualTestCase(SynchronousTestCase):
    def page(self, name: str) -> str:
        path = MANUALS / name
        if not path.exists():
            raise self.skipTest("the manual pages are not part of an installed package")
        return path.read_text("ascii")

    def entries(self, name: str) -> Iterator[tuple[str, str]]:
        """Heads and texts of the paragraphs with a tag."""
        for head, text in _TAG.findall(self.page(name)):
            yield plain(head), plain(text)


class OptionTests(ManualTestCase):
    """bwctl-server.conf(5)."""

    def options_of_page(self) -> dict[str, str]:
        """Text by key; NAME stands for every tester."""
        found: dict[str, str] = {}
        for head, text in self.entries(CONF):
            key = head.split()[0]
            names = TOOLS if "NAME" in key else ("",)
            found.update({key.replace("NAME", name): text for name in names})
        return found

    def test_all(self) -> None:
        """Every key of the table, under one of its spellings, and no other."""
        page = self.options_of_page()
        keys = {option.key for option in option_table().values()}
        for option in option_table().values():
            self.assertTrue(set(option.names) & page.keys(), f"{option.key} is not in the page")
        values = {"SWITCH", "SECONDS", "NUMBER", "PORTS", "CPUS", "ACCOUNT", "LEVEL", "PATH"}
        coming = {"log_format", "log_file"}
        known = option_table().keys() | values | coming
        self.assertEqual(page.keys() - known, set())
        self.assertGreater(len(keys), 80)

    def test_defaults(self) -> None:
        """Each entry tells the default that holds."""
        page = self.options_of_page()
        for option in option_table().values():
            text = next(page[name] for name in option.names if name in page)
            default = written(option)
            self.assertIn(f"Default: {default}." if default else "Default: ", text, option.key)
            self.assertIn(_SPECIAL_DEFAULTS.get(option.key, ""), text)

    def test_aliases(self) -> None:
        """Old spellings are told; of testers with a - in their name all at once."""
        page = self.options_of_page()
        for option in option_table().values():
            if "paris" not in option.key:
                for alias in option.aliases:
                    self.assertIn(f"Also written {alias}", page[option.key])
        self.assertIn("In place of the - of paris-traceroute a _ may be", plain(self.page(CONF)))

    def test_restart(self) -> None:
        """What a reload does not change says so."""
        page = self.options_of_page()
        for option in option_table().values():
            if option.key in page:
                self.assertEqual("Restart." in page[option.key], option.fixed, option.key)

    def test_words(self) -> None:
        """All testers, levels and facilities."""
        text = plain(self.page(CONF))
        locals_ = {f"local{number}" for number in range(8)}
        for word in {*TOOLS, *PRIORITIES, *FACILITIES} - locals_:
            self.assertRegex(text, rf"\b{re.escape(word)}\b")
        self.assertIn("local0 to local7", text)


class LimitTests(ManualTestCase):
    """bwctl-server.limits(5)."""

    def test_all(self) -> None:
        """Every limit with its default, and no other."""
        entries = self.entries(LIMITS_PAGE)
        page = {head.partition("=")[0]: text for head, text in entries if " " not in head}
        self.assertEqual(page.keys(), {*LIMITS, "parent"})
        root = LimitClass(name="root")
        for limit in LIMITS:
            value = getattr(root, limit)
            default = "as allow_tcp" if value is None else format_value(limit, value) or "all"
            self.assertIn(f"Default: {default}.", page[limit], limit)

    def test_statements(self) -> None:
        """Every way to assign, and every tester."""
        text = plain(self.page(LIMITS_PAGE))
        for kind in ("default", "net", "user", "cert"):
            self.assertIn(f"assign {kind} ", text)
        for tester in TESTERS:
            self.assertIn(tester, text)


class DaemonTests(ManualTestCase):
    """bwctld(8)."""

    def test_options(self) -> None:
        """Every flag of the command line, long and short, and none that does not exist."""
        section = self.page(BWCTLD).partition(".SH OPTIONS")[2].partition(".SH SIGNALS")[0]
        page = set(re.findall(r"(?<!\S)(--?[A-Za-z-]+)", plain(section)))
        options = Options()
        flags = {f"--{name.rstrip('=')}" for name in options.longOpt}
        flags |= {f"-{letter}" for letter in options.shortOpt.replace(":", "")}
        flags -= {"--opt_h", "--h", "--O", "--V"}
        self.assertEqual(flags - page, set())
        self.assertEqual(page - flags - {"--nodaemon"}, set())

    def test_events(self) -> None:
        """The names of the lines about clients; those of the others exist."""
        text = plain(self.page(BWCTLD))
        for name in ACCESS_EVENTS:
            self.assertIn(name, text)
        source = "\n".join(path.read_text() for path in Path(bwctl.__file__).parent.rglob("*.py"))
        rooms = "daemon|control|reservation|test|tester|peer|clock|agent"
        for name in re.findall(rf"\b(?:{rooms})\.[a-z_]{{4,}}", text):
            self.assertIn(f'"{name}"', source)


class RoffTests(ManualTestCase):
    """The pages as roff."""

    def test_no_warnings(self) -> None:
        """groff has nothing to say about them."""
        if not shutil.which("groff"):
            raise self.skipTest("groff is not installed here")
        for name in (BWCTLD, CONF, LIMITS_PAGE):
            self.page(name)
            command = ["groff", "-man", "-Tutf8", "-ww", "-z", str(MANUALS / name)]
            ran = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(ran.stderr, "", name)
