"""The examples of doc/admin/examples: every file is one that works."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from ipaddress import ip_address
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import bwctl
from bwctl.daemon.config import Settings
from bwctl.daemon.config_files import (
    KEYS_FILE,
    LIMITS_FILE,
    SETTINGS_FILE,
    load_keys,
    load_limits,
    load_settings,
)
from bwctl.daemon.tap import Options
from bwctl.limits.classes import Limits
from bwctl.limits.policy import classify, offered_modes
from bwctl.values import ToolID

EXAMPLES = Path(bwctl.__file__).parent.parent / "doc" / "admin" / "examples"
ALL_MODES = 7


class ExampleTestCase(SynchronousTestCase):
    def example(self, name: str) -> Path:
        if not EXAMPLES.exists():
            raise self.skipTest("the examples are not part of an installed package")
        return EXAMPLES / name


class ConfigurationTests(ExampleTestCase):
    """The directories that can be copied to /etc/bwctl."""

    def loaded(self, name: str) -> tuple[Settings, Limits]:
        """Settings and limits, which have to load without a warning."""
        directory = self.example(name)
        settings, warnings = load_settings(str(directory / SETTINGS_FILE), required=True)
        limits, more = load_limits(str(directory / LIMITS_FILE))
        self.assertEqual(warnings + more, [])
        return settings, limits

    def class_of(self, limits: Limits, address: str, user: str | None = None) -> str:
        return classify(limits, ip_address(address), user).name

    def test_public(self) -> None:
        """daemon.md 7.1: everybody is a guest."""
        settings, limits = self.loaded("public")
        self.assertEqual(settings.listen.port, 4823)
        self.assertFalse(settings.allow_unsync)
        self.assertEqual(settings.disabled, {"nuttcp"})
        self.assertEqual(settings.max_connections_per_host, 16)
        self.assertEqual(self.class_of(limits, "192.0.2.1"), "guest")
        self.assertEqual(self.class_of(limits, "2001:db8:4f::1"), "partner")
        self.assertEqual(self.class_of(limits, "203.0.113.200"), "closed")
        guest = limits.classes["guest"]
        self.assertEqual((guest.duration, guest.allow_udp, guest.pending), (20, False, 12))
        self.assertEqual(guest.testers, ToolID.IPERF3 | ToolID.PING | ToolID.TRACEROUTE)
        self.assertEqual(offered_modes(limits, ip_address("203.0.113.200"), ALL_MODES), 6)

    def test_public_users(self) -> None:
        """The lines for users, once the keys are there."""
        text = self.example(f"public/{LIMITS_FILE}").read_text()
        self.assertEqual(text.count("\n#assign user "), 2)
        path = self.mktemp()
        Path(path).write_text(text.replace("\n#assign", "\nassign"))
        limits, warnings = load_limits(path, users=["alice", "noc-mesh"])
        self.assertEqual(warnings, [])
        self.assertEqual(self.class_of(limits, "192.0.2.1", "alice"), "staff")
        self.assertEqual(self.class_of(limits, "192.0.2.1", "noc-mesh"), "partner")

    def test_public_keys(self) -> None:
        """No key that somebody might forget to replace."""
        path = self.mktemp()
        Path(path).write_text(self.example(f"public/{KEYS_FILE}").read_text())
        Path(path).chmod(0o600)
        self.assertEqual(load_keys(path), ({}, []))

    def test_lab(self) -> None:
        """daemon.md 7.2: the lab and nobody else."""
        settings, limits = self.loaded("lab")
        self.assertEqual(str(settings.listen), "192.168.40.11:4823")
        self.assertTrue(settings.allow_unsync)
        self.assertEqual((settings.sync_fuzz, settings.priority), (0.5, "debug"))
        for address in ("127.0.0.1", "::1", "192.168.43.255", "fd12:3456:789a::1"):
            self.assertEqual(self.class_of(limits, address), "lab")
        self.assertEqual(self.class_of(limits, "192.168.44.1"), "nobody")
        self.assertEqual(offered_modes(limits, ip_address("192.0.2.1"), ALL_MODES) & 1, 0)

    def test_default_limits(self) -> None:
        """Options for our daemon only stand together at the end, behind a remark."""
        text = self.example(f"public/{SETTINGS_FILE}").read_text()
        before, _, after = text.partition("# C BWCTL does not know these")
        for key in ("max_connections", "handshake_timeout", "control_timeout"):
            self.assertNotIn(key, before)
            self.assertIn(key, after)


class StartTests(ExampleTestCase):
    """Command lines of the unit and of the container."""

    def parsed(self, words: list[str]) -> Options:
        """The part for bwctld, read but not carried out."""
        self.patch(Options, "postOptions", lambda options: None)
        options = Options()
        options.parseOptions(words[words.index("bwctld") + 1 :])
        return options

    def unit(self) -> dict[str, str]:
        text = self.example("systemd/bwctld.service").read_text()
        return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))

    def test_command_lines(self) -> None:
        """Both name the same directories, and leave the foreground to their supervisor."""
        unit = shlex.split(self.unit()["ExecStart"])
        text = self.example("Containerfile").read_text()
        [command] = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
        for words in (unit, json.loads(command)):
            self.assertEqual(words[1:3], ["--nodaemon", "--pidfile="])
            options = self.parsed(words)
            self.assertEqual(options["config-dir"], "/etc/bwctl")
            self.assertEqual(options["var-dir"], "/run/bwctl")

    def test_hardening(self) -> None:
        """ping may be run, and the state of the clock may be read."""
        unit = self.unit()
        self.assertEqual(unit["Type"], "notify")
        for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
            self.assertEqual(unit[key], "CAP_NET_RAW")
        self.assertNotIn("ProtectClock", unit)
        allowed = unit["SystemCallFilter"].split()
        self.assertLessEqual({"@system-service", "adjtimex", "clock_adjtime"}, set(allowed))
        self.assertEqual(unit["SystemCallErrorNumber"], "EPERM")

    def test_stopping(self) -> None:
        """Running tests have die_by seconds, and systemd waits longer than that."""
        unit = self.unit()
        self.assertEqual(unit["KillMode"], "mixed")
        self.assertGreater(int(unit["TimeoutStopSec"]), Settings().die_by)
        text = self.example("Containerfile").read_text()
        self.assertIn(f"--stop-timeout {unit['TimeoutStopSec']} ", text)

    def test_descriptors(self) -> None:
        """Enough for all connections; the usual 1024 are not."""
        self.assertGreater(int(self.unit()["LimitNOFILE"]), 4 * Settings().max_connections)

    def test_systemd_agrees(self) -> None:
        """systemd-analyze finds nothing wrong, and would let nobody ask for more protection."""
        if not shutil.which("systemd-analyze"):
            raise self.skipTest("systemd-analyze is not installed here")
        text = self.example("systemd/bwctld.service").read_text()
        directory = Path(self.mktemp())
        directory.mkdir()
        unit = directory / "bwctld.service"
        lines = [line for line in text.splitlines() if not line.startswith("Documentation=")]
        unit.write_text("\n".join(lines).replace("/usr/bin/twistd", "/bin/true"))
        verify = ["systemd-analyze", "verify", str(unit)]
        ran = subprocess.run(verify, capture_output=True, text=True)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        security = ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(unit)]
        ran = subprocess.run(security, capture_output=True, text=True)
        self.assertEqual(ran.returncode, 0, ran.stdout[-2000:] + ran.stderr)

    def test_same_user(self) -> None:
        """The user of the unit is the one that is made."""
        made = self.example("systemd/sysusers.d/bwctl.conf").read_text()
        self.assertRegex(made, rf"(?m)^u {self.unit()['User']} ")
        for line in self.example("systemd/tmpfiles.d/bwctl.conf").read_text().splitlines():
            self.assertRegex(line, r"^(#|[dz] /\S+ +0\d{3} \w+ +\w+ +-$)")
