"""--check tells what the files mean, as the daemon will read them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.daemon.config_files import KEYS_FILE, LIMITS_FILE, SETTINGS_FILE
from tests.daemon.config_examples import PUBLIC_CONF
from tests.limits.examples import PUBLIC_KEYS, PUBLIC_LIMITS

TWISTD = (sys.executable, "-c", "import sys; from twisted.scripts.twistd import run; run()")
HOST_LINES = ("user", "group", "var_dir")  # of a host where bwctl is installed


class CheckTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp())
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

    def test_clock(self) -> None:
        """The clock's state in plain words; the status tells it too."""
        status, text = self.twistd("--check-clock")
        self.assertEqual(status, 0 if "is synchronised" in text else 1)
        self.assertIn("The kernel says", text)
