"""Plug-ins of a site in a real daemon: found by name, used, and kept from doing harm."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

import bwctl
from bwctl.daemon.config import Settings
from bwctl.daemon.plugins import CLOCKS, find_plugins, find_testers, make_clock
from bwctl.errors import AcceptType, ConfigurationError
from bwctl.net.plugged import Plugged
from bwctl.testers.thrulay import Thrulay
from bwctl.values import ToolID
from bwctl.wire.fields import Mode
from tests.support.daemons import Daemon, run_ours, running, start_ours
from tests.support.raw import KEY, Raw, opened, request
from tests.support.testers import need

ADDRESS = "127.0.0.96"
EXAMPLES = Path(bwctl.__file__).parent.parent / "doc" / "examples" / "plugins"
BROKEN = """
from twisted.plugin import IPlugin
from zope.interface import implementer
from bwctl.interfaces import IKeyStore, IPolicy, IResultSink

@implementer(IPlugin, IKeyStore, IPolicy, IResultSink)
class Broken:
    name = "broken"
    def key(self, identity): raise ZeroDivisionError
    def limit_class(self, client): return None
    def denials(self, request): raise ZeroDivisionError
    def test_ended(self, ended): raise ZeroDivisionError

@implementer(IPlugin, IKeyStore)
class Half:
    name = "half"

broken, half, twin, other_twin = Broken(), Half(), Broken(), Broken()
twin.name = other_twin.name = "twin"
"""


class LookupTests(SynchronousTestCase):
    def setUp(self) -> None:
        place = Path(self.mktemp()).absolute()
        (place / "twisted" / "plugins").mkdir(parents=True)
        (place / "twisted" / "plugins" / f"broken_site_{os.getpid()}.py").write_text(BROKEN)
        self.place = place

    def problem(self, **names: object) -> str:
        """What is wrong with names, in a process that sees the plug-ins of this test."""
        program = (
            "from bwctl.daemon.config import Settings\n"
            "from bwctl.daemon.plugins import find_plugins\n"
            "from bwctl.errors import ConfigurationError\n"
            f"try: find_plugins(Settings(**{names!r}), 'conf')\n"
            "except ConfigurationError as error: print(error)\n"
        )
        command = [sys.executable, "-c", program]
        environment = os.environ | {"PYTHONPATH": str(self.place)}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    def test_found(self) -> None:
        """A name leads to its plug-in; all that lead nowhere are told at once."""
        self.assertEqual(self.problem(key_store="broken", result_sinks=("broken",)), "")
        told = self.problem(key_store="brokn", policy="twin", result_sinks=("x",))
        self.assertIn("conf: key_store: there is no plug-in named brokn; found: broken, ", told)
        self.assertIn("conf: policy: there are 2 plug-ins named twin", told)
        self.assertIn("conf: result_sink: there is no plug-in named x", told)
        self.assertIn("key_store: ", self.problem(key_store="half"))

    def test_none(self) -> None:
        """Without names nothing is looked for."""
        with mock.patch("bwctl.daemon.plugins.getPlugins", side_effect=AssertionError):
            plugged = find_plugins(Settings(), "conf")
        self.assertEqual((plugged.key_store, plugged.clock, plugged.sinks), (None, None, ()))
        self.assertRaises(ConfigurationError, find_plugins, Settings(policy="x"), "conf")

    def test_clocks(self) -> None:
        """The built-in clocks go by their names; chrony's is started with the daemon."""
        reactor = SimpleNamespace()
        for name in CLOCKS:
            plugged = Plugged()
            clock = make_clock(Settings(clock_source=name), plugged, reactor)
            self.assertEqual(clock.name, name)
            self.assertEqual(plugged.clock is clock, name == "chrony")
        self.assertFalse(clock.synchronised())  # none

    def test_testers(self) -> None:
        """Testers come by themselves; one that is none, or another's double, is left out."""
        new = replace(Thrulay(), name="new", tool_id=ToolID(0x10000))
        same_bit = replace(Thrulay(), name="other")
        two_bits = replace(Thrulay(), name="other", tool_id=ToolID(0x30000))
        no_kind = replace(Thrulay(), name="other", tool_id=ToolID(0x200))
        found = find_testers(lambda interface: [new, object(), same_bit, two_bits, no_kind, new])
        self.assertEqual([one.name for one in found], [*_BUILT_IN, "new"])

    def test_quick_start(self) -> None:
        """Neither `twistd --help` nor a client looks for plug-ins."""
        for program in (
            "from bwctl.daemon.tap import Options; Options().getUsage()",
            "import bwctl.api, bwctl.cli.main, bwctl.cli.session",
        ):
            check = "import sys; assert 'bwctl.daemon.plugins' not in sys.modules"
            subprocess.run([sys.executable, "-c", f"{program}\n{check}"], check=True)


_BUILT_IN = [tester.name for tester in find_testers(lambda interface: [])]


class DaemonTests(SynchronousTestCase):
    @contextmanager
    def daemon(self, place: Path, options: str, **environment: str) -> Iterator[Daemon]:
        with mock.patch.dict(os.environ, {"PYTHONPATH": str(place), **environment}):
            daemon = start_ours(ADDRESS, options, keys="")
        with running(daemon):
            yield daemon

    def test_example(self) -> None:
        """The plug-ins of the documentation: a key from a database, a denial, a result."""
        if not EXAMPLES.is_dir():
            raise self.skipTest("the documentation is not part of an installed package")
        need("nuttcp")
        place = Path(self.mktemp()).absolute()
        place.mkdir(parents=True)
        database, results = place / "keys.sqlite", place / "results"
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("create table users (name text, key blob)")
            connection.execute("insert into users values ('testuser', ?)", (KEY,))
        options = "key_store database\npolicy known-users\nresult_sink json-lines\n"
        where = {"BWCTL_KEYS": str(database), "BWCTL_RESULTS": str(results)}
        with self.daemon(EXAMPLES, options, **where) as daemon:
            port = daemon.ports.control
            with Raw(ADDRESS, port, Mode.ENCRYPTED) as known:
                known.open()
                self.assertEqual(self.asked(known, udp=True), AcceptType.ACCEPT)
            for user in ("nobody", "\0", "\n"):
                with Raw(ADDRESS, port, Mode.ENCRYPTED, user=user) as unknown:
                    self.assertEqual(unknown.refused(), AcceptType.REJECT)
            with opened(ADDRESS, port) as anybody:
                self.assertEqual(self.asked(anybody, udp=True), AcceptType.REJECT)
                self.assertEqual(self.asked(anybody), AcceptType.ACCEPT)
            self.assertIn("UDP is for users with a key", daemon.log())
            ran = run_ours(
                *("-c", daemon.node, "-s", daemon.node, "-T", "thrulay", "-t", "1"),
            )
            self.assertEqual(ran.status, 0, ran.report)
        lines = [json.loads(line) for line in results.read_text().splitlines()]
        self.assertEqual([line["status"] for line in lines], ["ACCEPT"] * 2)
        self.assertEqual(lines[0]["sid"], lines[1]["sid"])
        for line in lines:
            self.assertGreater(line["summary"]["bits_per_second"], 1e6)

    def asked(self, client: Raw, **words: object) -> AcceptType:
        now = client.time().time
        tool = ToolID.NUTTCP if words else ToolID.THRULAY
        return client.ask(request(now, server=ADDRESS, tool=tool, **words)).accept

    def test_broken(self) -> None:
        """Plug-ins that fail refuse, and are counted; the daemon goes on."""
        place = Path(self.mktemp()).absolute()
        (place / "twisted" / "plugins").mkdir(parents=True)
        (place / "twisted" / "plugins" / "broken_site.py").write_text(BROKEN)
        with self.daemon(place, "key_store broken\npolicy broken\n") as daemon:
            daemon.forgive_errors()
            with Raw(ADDRESS, daemon.ports.control, Mode.ENCRYPTED) as client:
                self.assertEqual(client.refused(), AcceptType.REJECT)
            with opened(ADDRESS, daemon.ports.control) as client:
                self.assertEqual(self.asked(client), AcceptType.REJECT)
                self.assertGreater(client.time().time, 0)
            self.assertEqual(daemon.log().count(" plugin.failed "), 2, daemon.log())
        with self.daemon(place, "result_sink broken\n") as daemon:
            daemon.forgive_errors()
            ran = run_ours("-c", daemon.node, "-s", daemon.node, "-T", "thrulay", "-t", "1")
            self.assertEqual(ran.status, 0, ran.report)
            self.assertEqual(daemon.log().count(" plugin.failed "), 2, daemon.log())
