"""The installed daemon, started as root and become an ordinary user, at work.

Users and groups of the test are made in a mount namespace, so that nothing of the system changes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from tests.support import installed
from tests.support.daemons import STOP_S, until
from tests.support.ports import Block, take_block
from tests.support.processes import descendants, is_alive
from tests.support.raw import Raw, request

ADDRESS = "127.0.0.75"
UID, EXTRA, OTHER = 61234, 61235, 61236  # of a user, and of groups, that no system has
USERS = f"bwctl-user:x:{UID}:{UID}::/nonexistent:/usr/sbin/nologin\n"
GROUPS = f"bwctl-user:x:{UID}:\nbwctl-extra:x:{EXTRA}:bwctl-user\nbwctl-other:x:{OTHER}:\n"
IN_NAMESPACE = 'mount --bind "$0" /etc/passwd && mount --bind "$1" /etc/group && shift && exec "$@"'
OPTIONS = """\
user bwctl-user
src_node {address}:{port}
peer_port {peer}
test_port {test}
var_dir {place}/var
log_file {place}/var/log
allow_unsync
overrun 4
{more}"""
KEYS = "testuser 91b4306547f50105c7c9a23e505cd458\n"


class DropTests(SynchronousTestCase):
    """One installation for all that is to be seen: it takes its time."""

    def setUp(self) -> None:
        if os.geteuid() != 0:
            raise SkipTest("only root can become another user")
        self.place = Path(tempfile.mkdtemp(prefix="bwctl-drop-"))
        self.addCleanup(shutil.rmtree, self.place, ignore_errors=True)
        self.place.chmod(0o755)
        if not installed.can_enter(self.place, UID):
            raise SkipTest(f"{self.place.parent} is not for ordinary users (TMPDIR)")
        if self.unshared("true").returncode != 0:
            raise SkipTest("no mount namespace can be made here, so no users for the test")
        self.ports: Block = take_block()
        self.addCleanup(self.ports.release)

    def unshared(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command where the users and groups of the test exist."""
        files = []
        for name, more in (("passwd", USERS), ("group", GROUPS)):
            file = self.place / name
            file.write_text(Path("/etc", name).read_text() + more)
            files.append(str(file))
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", IN_NAMESPACE, *files, *command],
            cwd=self.place,
            env=installed.bare_environment(self.place),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=installed.PATIENCE_S,
        )

    def test_as_an_ordinary_user(self) -> None:
        """Ids, groups, a test, a reload and the end, with and without a group of its own."""
        python = next(installed.pythons_for_all(UID), None)
        if python is None:
            raise SkipTest("there is no Python from 3.10 on that ordinary users can run")
        self.bin = installed.install(python, installed.build_wheel(self.place), self.place)
        for more, gid, groups in (
            ("", UID, {UID, EXTRA}),
            ("group bwctl-other\n", OTHER, {OTHER, EXTRA}),
        ):
            self.start(more)
            self.check_ids(self.pid, gid, groups)
            self.check_test(gid, groups)
            self.check_reload()
            self.check_unreadable()
            self.check_end()
        self.start("", limits_of=0)
        self.check_warning()
        self.check_end()

    def start(self, more: str, limits_of: int = UID) -> None:
        """Start a daemon as root, in the background, as an init script does."""
        conf, var = self.place / "conf", self.place / "var"
        for directory in (conf, var):
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            os.chown(directory, UID, UID)
        self.write("conf", self.options(more))
        self.write("limits", "limit root with duration=5\nassign default root\n", limits_of)
        self.write("keys", KEYS)
        pid_file = f"--pidfile={var}/twistd.pid"
        done = self.unshared(str(self.bin / "twistd"), pid_file, "bwctld", "-c", str(conf))
        self.assertEqual(done.returncode, 0, done.stdout)
        known = until(lambda: "tester.all_known" in self.log(), 60)
        self.assertTrue(known, done.stdout + self.log())
        self.pid = int((var / "bwctl-server.pid").read_text())
        self.addCleanup(self.kill, self.pid)

    def options(self, more: str) -> str:
        ports = {"port": self.ports.control, "peer": self.ports.peer, "test": self.ports.test}
        return OPTIONS.format(address=ADDRESS, place=self.place, more=more, **ports)

    def write(self, kind: str, text: str, owner: int = UID) -> None:
        """A file of the configuration that its owner alone may read."""
        file = self.place / "conf" / f"bwctl-server.{kind}"
        file.write_text(text)
        file.chmod(0o600)
        os.chown(file, owner, owner)

    def kill(self, pid: int) -> None:
        """For a test that failed."""
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)

    def log(self) -> str:
        path = self.place / "var" / "log"
        return path.read_text() if path.exists() else ""

    def signalled(self, event: str) -> str:
        """HUP; the line of the log that comes of it."""
        seen = self.log().count(f" {event} ")
        os.kill(self.pid, signal.SIGHUP)
        self.assertTrue(until(lambda: self.log().count(f" {event} ") > seen, 20), self.log())
        return [line for line in self.log().splitlines() if f" {event} " in line][-1]

    def check_ids(self, pid: int, gid: int, groups: set[int]) -> None:
        """Nothing of root is left: real, effective and saved ids, groups, capabilities."""
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        self.assertEqual(status["Uid"].split(), [str(UID)] * 4)
        self.assertEqual(status["Gid"].split(), [str(gid)] * 4)
        self.assertEqual(set(map(int, status["Groups"].split())), groups)
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            self.assertEqual(int(status[kind], 16), 0, kind)

    def check_test(self, gid: int, groups: set[int]) -> None:
        """A real test between both ends of this daemon, with a key; its testers are that user's."""
        keys = self.place / "conf" / "bwctl-server.keys"
        end = (f"{ADDRESS}:{self.ports.control}", "E", "AESKEY", "testuser", str(keys))
        words = ("-c", *end, "-s", *end, "-T", "thrulay", "-t", "1", "-a", "0.1")
        client = subprocess.Popen(
            [str(self.bin / "bwctl"), *words],
            cwd=self.place,
            env=installed.bare_environment(self.place),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        testers: set[int] = set()
        while client.poll() is None and not testers:
            testers = descendants(self.pid)
            for pid in testers:
                self.check_ids(pid, gid, groups)
        output, _ = client.communicate(timeout=60)
        self.assertEqual(client.returncode, 0, output + self.log())
        self.assertTrue(testers, "no tester was seen")
        self.assertIn("test.ended test ended: ACCEPT", self.log())

    def check_reload(self) -> None:
        """HUP reads files that only the user may read, and writes to the same log."""
        self.assertEqual(self.permitted(6), False)
        self.write("limits", "limit root with duration=6\nassign default root\n")
        self.signalled("daemon.reloaded")
        self.assertEqual(self.permitted(6), True)
        self.assertNotIn("daemon.unreadable", self.log())

    def check_unreadable(self) -> None:
        """A file that the user may not read: the old limits stay, and the log says why."""
        self.write("limits", "limit root with duration=7\nassign default root\n", owner=0)
        line = self.signalled("daemon.not_reloaded")
        self.assertIn("bwctl-server.limits: cannot be read: Permission denied", line)
        self.assertEqual((self.permitted(6), self.permitted(7)), (True, False))

    def check_warning(self) -> None:
        """That a reload will not be able to read a file is told at the start."""
        [line] = [one for one in self.log().splitlines() if " daemon.unreadable " in one]
        self.assertIn("bwctl-server.limits cannot be read by user bwctl-user", line)
        self.assertEqual((self.permitted(5), self.permitted(6)), (True, False))

    def permitted(self, duration: int) -> bool:
        with Raw(ADDRESS, self.ports.control) as client:
            client.open()
            now = client.time().time
            return not client.ask(request(now, server=ADDRESS, tool=4, duration=duration)).accept

    def check_end(self) -> None:
        """TERM ends it and removes both pid files; what is to last is left."""
        os.kill(self.pid, signal.SIGTERM)
        self.assertTrue(until(lambda: not is_alive(self.pid), STOP_S), self.log())
        left = {path.name for path in (self.place / "var").iterdir()}
        self.assertLessEqual(left, {"log", "bwctl-server.quota"})
        self.assertEqual(self.ports.taken(), [])
        self.assertIn("daemon.stopped", self.log())
