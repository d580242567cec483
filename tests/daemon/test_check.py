"""--check tells what the files mean, as the daemon will read them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from bwctl.daemon.build import Configuration
from bwctl.daemon.check import report
from bwctl.daemon.clock_check import clock_report
from bwctl.daemon.config import parse_settings
from bwctl.daemon.config_files import KEYS_FILE, LIMITS_FILE, SETTINGS_FILE
from bwctl.limits.keys import KeyRing, parse_keys
from bwctl.limits.parser import parse_limits
from bwctl.net.host import EVERYTHING
from tests.daemon.config_examples import PUBLIC_CONF
from tests.limits.examples import PUBLIC_KEYS, PUBLIC_LIMITS
from tests.support.certificates import Authority

TWISTD = (sys.executable, "-c", "import sys; from twisted.scripts.twistd import run; run()")
HOST_LINES = ("user", "group", "var_dir")  # of a host where bwctl is installed


class CheckTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir(parents=True)
        here = [line for line in PUBLIC_CONF.splitlines() if not line.startswith(HOST_LINES)]
        (self.place / SETTINGS_FILE).write_text("\n".join(here))
        (self.place / LIMITS_FILE).write_text(PUBLIC_LIMITS)
        (self.place / KEYS_FILE).write_text(PUBLIC_KEYS)
        (self.place / KEYS_FILE).chmod(0o600)

    def twistd(self, *words: str) -> tuple[int, str]:
        command = [*TWISTD, "bwctld", "-c", str(self.place), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def test_report(self) -> None:
        """All settings, all classes, and who gets which."""
        status, text = self.twistd("--check")
        self.assertEqual(status, 0, text)
        for line in (
            "peer_port 6001-6200",
            "assign default guest",
            "assign net 198.51.100.0/24 partner",
            "assign user alice staff",
        ):
            self.assertIn(line, text.splitlines())
        self.assertIn("limit guest with parent=root, duration=20, bandwidth=50000000", text)

    def test_who_gets_what(self) -> None:
        """--as names a class and its ancestors for an address or a user."""
        for who, answer in (
            ("198.51.100.7", "198.51.100.7: class partner < root"),
            ("203.0.113.200", "203.0.113.200: class closed < root"),
            ("192.0.2.1", "192.0.2.1: class guest < root"),
            ("user:alice", "user:alice: class staff < root"),
        ):
            status, text = self.twistd("--check", "--as", who)
            self.assertEqual((status, text.splitlines()[0]), (0, answer))
        status, text = self.twistd("--check", "--as", "bob")
        self.assertEqual(status, 1)
        self.assertIn("not an address, user:NAME or cert:NAME", text)
        self.assertNotIn("Usage", text)

    def test_command_line(self) -> None:
        """A mistake in the command line is one sentence, not the list of all options."""
        for words, sentence in (
            (("--nonsense",), "option --nonsense not recognized"),
            (("extra",), "Wrong number of arguments"),
        ):
            status, text = self.twistd(*words)
            self.assertEqual(status, 1)
            self.assertEqual(
                text, f"bwctld: {sentence}; `twistd bwctld --help` lists the options\n"
            )

    def test_errors(self) -> None:
        """Every mistake of a file with its line, and status 1."""
        (self.place / SETTINGS_FILE).write_text("peer_prot 1-2\nsync_fuzz -1\n")
        status, text = self.twistd("--check")
        self.assertEqual(status, 1)
        self.assertIn(f"{SETTINGS_FILE}:1: unknown option 'peer_prot'; did you mean", text)
        self.assertIn(f"{SETTINGS_FILE}:2: ", text)
        (self.place / LIMITS_FILE).write_text("limit root with duraton=1\n")
        (self.place / KEYS_FILE).write_text("alice 12\n")
        _, text = self.twistd("--check")
        for file in (SETTINGS_FILE, LIMITS_FILE, KEYS_FILE):
            self.assertIn(f"{file}:1: ", text)

    def test_host(self) -> None:
        """What the files name and this host does not have is told too."""
        status, text = self.twistd("--check", "-R", "/no/such/directory")
        self.assertEqual(status, 1)
        self.assertIn("/no/such/directory", text)

    def test_all_at_once(self) -> None:
        """Mistakes of the files and of the host are told together, each with file and line."""
        conf, limits = self.place / SETTINGS_FILE, self.place / LIMITS_FILE
        conf.write_text(
            "tls_cert /nowhere\nlog_file /nonexistent/dir/log\npost_hook /no/such/hook\n"
            f"key_store nosuchstore\ntls_client_ca {__file__}\n"
        )
        limits.write_text("limit root with duraton=1\n")
        status, text = self.twistd("--check", "-R", "/no/such/directory")
        self.assertEqual(status, 1)
        for line in (
            f"{conf}:1: tls_cert: certificate file /nowhere: No such file or directory",
            f"{conf}:2: log_file: cannot write the log /nonexistent/dir/log: "
            "No such file or directory",
            f"{conf}:3: post_hook /no/such/hook: No such file or directory",
            f"{conf}:5: tls_client_ca: CA file {__file__}: no certificate in it",
            "command line: var_dir: /no/such/directory is no directory that bwctld may write",
        ):
            self.assertIn(line, text.splitlines())
        self.assertIn("there is no plug-in named nosuchstore", text)
        self.assertIn(f"{limits}:1: unknown limit 'duraton'", text)

    def test_tls_that_asks_nobody(self) -> None:
        """tls_require_client is nothing that a daemon may fail to do; what is idle is told."""
        conf = self.place / SETTINGS_FILE
        certificate = Authority(self.place).issue("127.0.8.2", file="daemon.pem")
        for lines, message in (
            ("tls_require_client\n", ":1: tls_require_client: without tls_cert there is no TLS"),
            (
                f"tls_cert {certificate}\ntls_require_client\n",
                ":2: tls_require_client: needs tls_client_ca",
            ),
        ):
            conf.write_text(lines)
            for words in (("--check",), ()):
                status, text = self.twistd(*words)
                self.assertEqual(status, 1, text)
                self.assertIn(f"{conf}{message}", text)
        conf.write_text("tls_key /k\ntls_client_ca /c\n")
        status, text = self.twistd("--check")
        self.assertEqual(status, 0, text)
        self.assertIn(f"warning: {conf}:1: tls_key: has no effect without tls_cert", text)
        self.assertIn(f"warning: {conf}:2: tls_client_ca: has no effect without tls_cert", text)

    def test_clock(self) -> None:
        """The clock's state in plain words; the status tells it too."""
        status, text = self.twistd("--check-clock")
        self.assertEqual(status, 0 if "is synchronised" in text else 1)
        self.assertIn("The kernel says", text)


class ReportTests(SynchronousTestCase):
    """What the reports say, without a twistd around them."""

    def report(self, conf: str = "", limits: str = "", requester: str = "") -> str:
        settings, _ = parse_settings(conf, "conf")
        keys = parse_keys(PUBLIC_KEYS, "keys")
        parsed, _ = parse_limits(limits or PUBLIC_LIMITS, "limits", users=keys)
        return report(Configuration(settings, parsed, keys), requester)

    def test_loadable(self) -> None:
        """What is printed of classes and rules is itself a limits file that means the same."""
        text = self.report()
        lines = text.splitlines()
        begin = lines.index("# limit classes")
        end = lines.index("# testers that the daemon looks for when it starts")
        self.assertEqual(self.report(limits="\n".join(lines[begin:end])), text)

    def test_testers(self) -> None:
        """Which programs it looks for; a class without `testers` may use what is not disabled."""
        conf = "disable_nuttcp\niperf_cmd /opt/iperf2\n"
        text = self.report(conf)
        for line in ("# iperf3: iperf3 -v", "# iperf: /opt/iperf2 -v", "# thrulay: built in"):
            self.assertIn(line, text.splitlines())
        self.assertNotIn("nuttcp", text.replace("disable_nuttcp", ""))
        text = self.report(conf, requester="192.0.2.1")
        names = re.findall("  testers=(\\S+)", text)[0].split("+")
        self.assertLessEqual({"iperf3", "iperf", "thrulay"}, set(names))
        self.assertNotIn("nuttcp", names)
        on, free = (
            re.findall(f"  {words}: (.*)", text)[0].split(", ") for words in ("on", "no limit")
        )
        self.assertLessEqual({"allow_latency", "allow_trace"}, set(on))
        self.assertLessEqual({"hours", "days", "max_streams"}, set(free))
        self.assertNotIn("duration", free)

    def test_contradiction(self) -> None:
        """Of what a class says beyond its parent, what holds is shown."""
        limits = "limit root with\nlimit lab with parent=root, allow_udp=on\nassign default lab\n"
        text = self.report(limits=limits, requester="192.0.2.1")
        self.assertIn("  allow_udp=off", text.splitlines())

    def test_what_binds(self) -> None:
        """What an ancestor alone bounds, or bounds otherwise, is told with its name."""
        limits = (
            "limit root with duration=60, bandwidth=1g\n"
            "limit lab with parent=root, duration=20, bandwidth=0\nassign default lab\n"
        )
        lines = self.report(limits=limits, requester="192.0.2.1").splitlines()
        self.assertIn("  duration=20 (root: 60)", lines)
        self.assertIn("  bandwidth=1000000000 (from root)", lines)
        self.assertFalse([line for line in lines if line.endswith("=0")])

    def clock(self, conf: str) -> tuple[bool, str]:
        settings, _ = parse_settings(conf, "conf")
        return clock_report(Configuration(settings, EVERYTHING, KeyRing()))

    def test_nobodys_clock(self) -> None:
        """With clock_source none nobody is asked."""
        good, text = self.clock("clock_source none\nallow_unsync\n")
        self.assertFalse(good)
        self.assertIn("clock_source is none", text)
        self.assertIn("allow_unsync is set here", text)

    def test_chrony(self) -> None:
        """With clock_source chrony it is chrony that is asked, as the daemon does."""
        place = Path(self.mktemp()).absolute()
        place.mkdir(parents=True)
        line = "C0,ntp.example,2,1.0,0.000001,0,0,1,0,0,0.002,0.001,16,Normal"
        for says, good, words in (
            (f"echo '{line}'", True, "chrony says that the clock is synchronised, to within 0.002"),
            (f"echo '{line}' | sed 's/Normal/Not synchronised/'", False, "is not synchronised"),
            ("echo '506 Cannot talk to daemon'; exit 1", False, "(506 Cannot talk to daemon)"),
            ("exit 1", False, "(1 fields, not 14)"),
        ):
            (place / "chronyc").write_text(f"#!/bin/sh\n{says}\n")
            (place / "chronyc").chmod(0o755)
            with mock.patch.dict(os.environ, {"PATH": f"{place}:{os.environ['PATH']}"}):
                found, text = self.clock("clock_source chrony\n")
                beside = self.clock("")[1]
            self.assertEqual(found, good, text)
            self.assertIn(words, text)
            self.assertNotIn("STA_UNSYNC", text)
            if "STA_UNSYNC" in beside and good:
                self.assertIn("chrony runs here and says that it is right to within", beside)
