"""The examples of doc/integrating.md, run as they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from twisted.trial.unittest import SynchronousTestCase

import bwctl
from tests.support.daemons import LIMITS, until
from tests.support.ports import take_block
from tests.support.processes import children, descendants, is_alive

ADDRESS = "127.0.0.95"
DOC = Path(bwctl.__file__).parent.parent / "doc"
_TWISTD = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"


class IntegratingTests(SynchronousTestCase):
    def setUp(self) -> None:
        if not DOC.is_dir():
            raise self.skipTest("the documentation is not part of an installed package")
        self.before = descendants()
        self.ports = take_block()
        self.addCleanup(self.ports.release)
        self.place = Path(self.mktemp()).absolute()
        (self.place / "conf").mkdir(parents=True)
        (self.place / "run").mkdir()
        (self.place / "conf" / "bwctl-server.limits").write_text(LIMITS)
        (self.place / "conf" / "bwctl-server.conf").write_text(
            f"src_node {ADDRESS}:{self.ports.control}\npeer_port {self.ports.peer}\n"
            f"test_port {self.page_port + 1}-{self.page_port + 20}\nallow_unsync\nroot_folly\n"
        )

    @property
    def page_port(self) -> int:
        return self.ports.first + 20

    def start(self) -> subprocess.Popen[bytes]:
        page = f"tcp:{self.page_port}:interface={ADDRESS}"
        application = DOC / "examples" / "daemon_and_page.tac"
        with (self.place / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _TWISTD, "--nodaemon", "--pidfile=", "-y", str(application)],
                cwd=self.place / "run",
                env=os.environ | {"CONF": str(self.place / "conf"), "PAGE": page},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def log(self) -> str:
        return (self.place / "log").read_text("utf-8", "replace")

    def page(self) -> str:
        """The page; empty if nobody answers."""
        try:
            with urlopen(f"http://{ADDRESS}:{self.page_port}/", timeout=10) as answer:
                text: str = answer.read().decode()
                return text
        except URLError:
            return ""

    def test_examples(self) -> None:
        """A daemon and a page in one application, a test by a program, and nothing left."""
        process = self.start()
        self.assertTrue(until(lambda: "thrulay" in self.page(), 30), self.log())
        self.assertIn("0 connections, 0 reservations", self.page())
        port = str(self.ports.control)
        program = [sys.executable, str(DOC / "examples" / "run_a_test.py")]
        ran = subprocess.run(
            [*program, ADDRESS, port, ADDRESS, port], capture_output=True, text=True, timeout=60
        )
        self.assertEqual((ran.returncode, ran.stderr), (0, ""), ran.stdout)
        self.assertRegex(ran.stdout, r"(?s)^negotiating\n.*running, 2.0 s\n.*[0-9.]+ Mbit/s\n$")
        self.assertTrue(until(lambda: self.page().count("<td>ACCEPT</td>") == 2, 5), self.page())
        for cell in ("sender", "receiver", "THRULAY"):
            self.assertIn(f"<td>{cell}</td>", self.page())
        self.assertRegex(self.page(), r"<td>[0-9.]+ Mbit/s</td>")
        self.assertFalse({one for one in children(process.pid) if is_alive(one)})
        process.send_signal(signal.SIGTERM)
        self.assertIn(process.wait(20), (0, -signal.SIGTERM))
        self.assertNotIn("Traceback", self.log())
        self.assertEqual(self.page(), "")
        self.assertEqual(descendants() - self.before, set())
        self.assertEqual(self.ports.taken(), [])

    def test_failure(self) -> None:
        """The program tells why there is no result, and ends as the command line would."""
        program = [sys.executable, str(DOC / "examples" / "run_a_test.py")]
        ran = subprocess.run(program, capture_output=True, text=True, timeout=60)
        usage = "usage: run_a_test.py RECEIVER PORT SENDER PORT\n"
        self.assertEqual((ran.returncode, ran.stderr), (1, usage))
        ran = subprocess.run(
            [*program, ADDRESS, "9", ADDRESS, "9"], capture_output=True, text=True, timeout=60
        )
        self.assertEqual((ran.returncode, ran.stderr), (5, ""))
        self.assertIn("refused: no daemon listens", ran.stdout)

    def test_the_page_about_it(self) -> None:
        """doc/integrating.md names the examples, every interface and every option."""
        text = (DOC / "integrating.md").read_text()
        for name in ("daemon_and_page.tac", "run_a_test.py", "example_site.py"):
            self.assertIn(f"examples/{name}" if "site" not in name else name, text)
        for name in ("IKeyStore", "IPolicy", "IClock", "IResultSink", "ITester"):
            self.assertIn(name, text)
        for option in ("key_store", "policy", "clock_source", "result_sink"):
            self.assertIn(f"`{option}", text)
