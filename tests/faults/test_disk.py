"""No room on a disk, or one that nothing can be written to: results, quotas, logs, pid files."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time

from tests.faults.promises import DAEMON_DISK, LONG, RESULT_DISK
from tests.faults.scene import RECEIVER, SENDER, Scene
from tests.support import daemons
from tests.support.daemons import (
    LIMITS,
    Client,
    client_ours,
    run_ours,
    start_ours,
    until,
)
from tests.support.disks import small_disk

_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
from bwctl.cli.main import bwctl
sys.exit(bwctl())
"""
_RETRIES_SOON = """
import sys
from bwctl.daemon import quota_file
quota_file.RETRY_S = 0.5
from twisted.scripts.twistd import run
sys.exit(run())
"""
SHORT = ("-T", "thrulay", "-t", "1")


class ResultFileTests(Scene):
    def test_result_files(self) -> None:
        """The user hears of the disk; no half of a file stays, and the next test is made."""
        if LONG or os.geteuid() != 0:
            self.limited()
        with small_disk() as disk:
            where = ("-p", "-d", str(disk.path))
            disk.fill()
            words = (*where, "-n", "2", "--streaming", *self.ends(), *SHORT)
            client = client_ours(*words)
            client.await_word("cannot write the results")
            disk.empty()
            ran = client.wait()
            self.assert_told(ran, 15, "cannot write the results: .*: No space left on device")
            files = [str(one) for one in disk.path.iterdir()]
            self.assert_free(RESULT_DISK, *self.daemons.values())
            self.assertEqual(files, ran.stdout.splitlines(), ran.report)

            client = client_ours(*where, *self.ends(), *SHORT)
            client.await_word("running")
            disk.write_protect()
            ran = client.wait()
            self.assert_told(ran, 15, "cannot write the results: .*: Read-only file system")
            self.assert_free(RESULT_DISK, *self.daemons.values())
            self.assertEqual([str(one) for one in disk.path.iterdir()], files)
            ran = run_ours(*where, *self.ends(), *SHORT)
            self.assert_told(ran, 2, "no directory in which files can be made")
            self.assertNotIn("connecting", ran.stderr)
        self.assert_well()

    def limited(self) -> None:
        """The same where nothing can be mounted: files may not become long."""
        client = Client([sys.executable, "-c", _LIMITED], ["-p", *self.ends(), *SHORT])
        ran = client.wait()
        self.assert_told(ran, 15, "cannot write the results: .*: File too large")


class DaemonFileTests(Scene):
    def setUp(self) -> None:
        self.daemons = {}

    def test_full_disk(self) -> None:
        """A daemon all of whose files are on a full disk goes on; later it tells what it lost."""
        with small_disk() as disk:
            self.patch(tempfile, "tempdir", str(disk.path))
            self.start_with_quotas(f"{disk.path}/quota")
            self.patch(tempfile, "tempdir", None)
            disk.fill()
            ran = run_ours(*self.ends(), *SHORT)
            self.assertEqual(ran.status, 0, ran.report)
            self.assertTrue(until(self.log_is_full, 60), self.receiver.log())
            disk.empty()
            self.assert_free(DAEMON_DISK, *self.daemons.values())
            self.assert_quotas_work()
            self.assertIn("log lines were lost: [Errno 28] No space", self.receiver.log())
            self.stop()

    def test_read_only(self) -> None:
        """Quotas are counted in memory until their file can be written."""
        with small_disk() as disk:
            disk.write_protect()
            self.start_with_quotas(f"{disk.path}/quota")
            ran = run_ours(*self.ends(), *SHORT)
            self.assertEqual(ran.status, 0, ran.report)
            self.assert_free(DAEMON_DISK, *self.daemons.values())
            self.assertIn("quota.file_failed", self.receiver.log())
            disk.write_protect(False)
            self.assert_quotas_work()
            self.stop()

    def start_with_quotas(self, file: str) -> None:
        self.patch(daemons, "_TWISTD", _RETRIES_SOON)
        limits = LIMITS.replace("limit root with ", "limit root with tests_per_day=100, ")
        daemon = start_ours(RECEIVER, f"quota_file {file}\n", limits=limits)
        self.addCleanup(daemon.kill)
        self.daemons = {RECEIVER: daemon, SENDER: self.start(SENDER)}

    def log_is_full(self) -> bool:
        """Whether the last page of the log has no room for a line more."""
        before = self.receiver.log()
        self.receiver.process.send_signal(signal.SIGUSR1)
        time.sleep(0.1)
        return self.receiver.log() == before

    def assert_quotas_work(self) -> None:
        works = until(lambda: "quota.file_works" in self.receiver.log(), 20)
        self.assertTrue(works, self.receiver.log())

    def stop(self) -> None:
        for daemon in self.daemons.values():
            daemon.stop()

    def test_pid_file(self) -> None:
        """Without its pid file a daemon does not start, and says why."""
        with small_disk() as disk:
            disk.fill()
            for make, why in (
                (disk.fill, "bwctl-server.pid: No space left on device"),
                (disk.write_protect, f"{disk.path} is no directory that bwctld may write"),
            ):
                make()
                with self.assertRaises(AssertionError) as caught:
                    start_ours(RECEIVER, f"var_dir {disk.path}\n")
                self.assertIn(why, str(caught.exception))
                self.assertNotIn("Traceback", str(caught.exception))
