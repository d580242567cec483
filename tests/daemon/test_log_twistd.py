"""The log under the real twistd, in all the ways in which it is told where to write."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

# A service that logs a little and stops; it treats its log as `twistd bwctld` does.
PROGRAM = """
import sys, syslog, types
syslog.openlog = lambda *args: None
syslog.syslog = lambda severity, line: print(severity, line, file=open("syslog", "a"))

from twisted import plugin
from twisted.application.service import IServiceMaker, Service
from twisted.logger import Logger
from twisted.python import usage
from zope.interface import implementer
from bwctl.daemon.config import Settings
from bwctl.daemon.log import DaemonLog

class Options(usage.Options):
    def postOptions(self):
        settings = Settings(priority="info", access_priority="notice")
        self.daemon_log = DaemonLog(settings, self.parent)

class Trial(Service):
    log = Logger(namespace="bwctl.trial")

    def __init__(self, daemon_log):
        self.daemon_log = daemon_log

    def setServiceParent(self, parent):
        self.daemon_log.attach(parent)
        super().setServiceParent(parent)

    def startService(self):
        from twisted.internet import protocol, reactor
        self.daemon_log.begin(reactor)
        self.log.info("hello {name}", name="a\\nb", event="test.ended")
        self.log.debug("not shown", event="a.b")
        print("printed")
        reactor.listenTCP(0, protocol.ServerFactory(), interface="127.0.0.1")
        reactor.callLater(0, reactor.stop)

    def stopService(self):
        self.log.info("bye", event="daemon.stopped")
        self.daemon_log.end()

@implementer(IServiceMaker, plugin.IPlugin)
class Maker:
    tapname, description, options = "trial", "a trial", Options

    def makeService(self, options):
        Trial.log.warn("early", event="daemon.configuration")
        return Trial(options.daemon_log)

found = plugin.getPlugins
plugin.getPlugins = lambda kind, *args: (
    [Maker()] if kind is IServiceMaker else found(kind, *args)
)
program = sys.argv.pop(1)
from twisted.scripts.twistd import run
if program == "twist":
    from twisted.application.twist import _options, _twist
    _options.getPlugins = plugin.getPlugins
    _twist.Twist.main(["twist", *sys.argv[1:]])
else:
    run()
"""

TIME = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ "
EXPECTED = [
    "warning daemon.configuration early",
    "notice test.ended hello a\\nb",
    "info stdout printed",
    "info daemon.stopped bye",
]


class TwistdTests(SynchronousTestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="bwctl-test-")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def run_twistd(self, *arguments: str, program: str = "twistd") -> str:
        """What it wrote to standard output."""
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, program, *arguments, "trial"],
            cwd=self.directory,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                # Twisted never closes its reserve descriptor, and Python would say so here.
                "PYTHONWARNINGS": "error,ignore::ResourceWarning",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        self.assertEqual(ran.returncode, 0, ran.stdout)
        return ran.stdout

    def assert_log(self, text: str, prefix: str = TIME) -> None:
        """Our lines and no noise; the last words of twistd may follow."""
        lines = text.splitlines()
        for line in lines:
            self.assertRegex(line, f"^{prefix}(warning|notice|info) ")
        bare = [re.sub(f"^{prefix}", "", line) for line in lines]
        self.assertEqual([line for line in bare if "log_legacy" not in line], EXPECTED, text)
        self.assertNotIn("starting on", text)

    def test_foreground(self) -> None:
        """--nodaemon: standard output."""
        self.assert_log(self.run_twistd("--nodaemon", "--pidfile="))
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_logfile(self) -> None:
        """--logfile, in the background; from before the fork to the end."""
        path = self.directory / "log"
        self.assertEqual(self.run_twistd("--pidfile=pid", "--logfile=log"), "")
        self.wait_for_end()
        self.assert_log(path.read_text())

    def test_syslog(self) -> None:
        """--syslog, in the background: no time, the level as a number, every line once."""
        self.assertEqual(self.run_twistd("--pidfile=pid", "--syslog"), "")
        self.wait_for_end()
        text = (self.directory / "syslog").read_text()
        self.assert_log(text, prefix="[456] ")
        self.assertIn("5 notice test.ended", text)

    def wait_for_end(self) -> None:
        """Until the daemon has removed its pid file, and has said its last words."""
        from tests.support.daemons import until

        self.assertTrue(until(lambda: not (self.directory / "pid").exists(), 30.0))

    def test_logger(self) -> None:
        """An observer that the user names with --logger takes its place."""
        (self.directory / "theirs.py").write_text(
            "import sys\n"
            "from twisted.logger import jsonFileLogObserver\n"
            "def observer(): return jsonFileLogObserver(sys.__stdout__, '')\n"
        )
        program = "--logger=theirs.observer"
        output = self.run_twistd("--nodaemon", "--pidfile=", program)
        formats = [json.loads(line)["log_format"] for line in output.splitlines()]
        self.assertIn("hello {name}", formats)
        self.assertIn("not shown", formats)

    def test_twist(self) -> None:
        """The other runner keeps its own log."""
        output = self.run_twistd("--log-format=text", program="twist")
        self.assertIn("hello a", output)
        self.assertNotIn("notice test.ended", output)
