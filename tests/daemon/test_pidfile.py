"""One daemon per directory, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.daemon.pidfile import INFO_FILE, PID_FILE, PidFileError, PidFiles
from bwctl.values import NTPTime, ntp_from_unix

STARTED = ntp_from_unix(1_800_000_000)

# Takes the directory, says so, and lives until its input ends.
HOLDER = """
import sys
from bwctl.daemon.pidfile import PidFiles
files = PidFiles(sys.argv[1])
files.take(7)
print("taken", flush=True)
sys.stdin.read()
files.drop()
"""


class PidFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.files = PidFiles(str(self.directory))
        self.addCleanup(self.files.drop)

    def holder(self) -> subprocess.Popen[str]:
        """Another process that has the directory."""
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self.end, process)
        assert process.stdout is not None
        self.assertEqual(process.stdout.readline(), "taken\n")
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            process.kill()
            process.communicate()

    def listing(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())

    def test_contents(self) -> None:
        """As C writes them."""
        self.files.check()
        self.files.take(STARTED)
        self.assertEqual((self.directory / PID_FILE).read_text(), f"{os.getpid()}\n")
        self.assertEqual(
            (self.directory / INFO_FILE).read_text(),
            f"START={STARTED:020d}\nPID={os.getpid()}\n",
        )
        self.assertEqual(len(f"{STARTED:020d}"), 20)

    def test_readable(self) -> None:
        """For scripts of every user, whatever umask twistd has set."""
        self.addCleanup(os.umask, os.umask(0o077))
        self.files.take(STARTED)
        modes = {(self.directory / name).stat().st_mode & 0o777 for name in self.listing()}
        self.assertEqual(modes, {0o644})

    def test_drop(self) -> None:
        """Both are gone; twice does no harm, and the directory can be taken again."""
        for _ in range(2):
            self.files.take(STARTED)
            self.files.take(STARTED)
            self.files.drop()
            self.files.drop()
            self.assertEqual(self.listing(), [])

    def test_second_daemon(self) -> None:
        """It is refused, told who is there, and leaves the files alone."""
        process = self.holder()
        for attempt in (self.files.check, lambda: self.files.take(STARTED)):
            error = self.assertRaises(PidFileError, attempt)
            self.assertEqual(
                str(error),
                f"another bwctld (pid {process.pid}) runs in {self.directory.absolute()}; "
                "give this one a var_dir of its own",
            )
        self.files.drop()
        self.assertEqual((self.directory / PID_FILE).read_text(), f"{process.pid}\n")
        self.assertEqual(self.listing(), [INFO_FILE, PID_FILE])

    def test_first_daemon_ends(self) -> None:
        """Its files go with it, and the next one can start."""
        process = self.holder()
        self.assertRaises(PidFileError, self.files.take, STARTED)
        process.communicate()
        self.assertEqual(self.listing(), [])
        self.files.take(STARTED)

    def test_stale_files(self) -> None:
        """What a killed daemon left is taken over, all of it."""
        self.end(self.holder())
        self.assertEqual(self.listing(), [INFO_FILE, PID_FILE])
        self.files.check()
        self.files.take(STARTED)
        self.assertEqual((self.directory / PID_FILE).read_text(), f"{os.getpid()}\n")
        self.assertIn(f"PID={os.getpid()}\n", (self.directory / INFO_FILE).read_text())

    def test_longer_contents(self) -> None:
        """Whatever was in the files is replaced."""
        for name in (PID_FILE, INFO_FILE):
            (self.directory / name).write_text("x" * 1000)
        self.files.take(STARTED)
        self.assertEqual((self.directory / PID_FILE).read_text(), f"{os.getpid()}\n")
        self.assertEqual(len((self.directory / INFO_FILE).read_text().splitlines()), 2)

    def test_child_does_not_remove(self) -> None:
        """A forked process that ends leaves its parent's files, and the lock."""
        self.files.take(STARTED)
        child = os.fork()
        if child == 0:
            self.files.drop()
            os._exit(0)
        os.waitpid(child, 0)
        self.assertEqual(self.listing(), [INFO_FILE, PID_FILE])
        program = HOLDER.replace("files.take(7)", "files.check()")
        second = subprocess.run(
            [sys.executable, "-c", program, str(self.directory)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.assertIn(f"another bwctld (pid {os.getpid()}) runs in", second.stderr)

    def test_file_of_another(self) -> None:
        """A pid file that somebody put in the place of ours stays."""
        self.files.take(STARTED)
        (self.directory / PID_FILE).unlink()
        (self.directory / PID_FILE).write_text("1\n")
        self.files.drop()
        self.assertEqual((self.directory / PID_FILE).read_text(), "1\n")

    def test_race_with_removal(self) -> None:
        """The lock of a file that its owner is just removing does not count."""
        other = PidFiles(str(self.directory))
        opened = self.files._locked()
        (self.directory / PID_FILE).unlink()
        self.addCleanup(os.close, opened)
        fresh = other._locked()
        self.addCleanup(os.close, fresh)
        self.assertNotEqual(os.fstat(opened).st_ino, os.fstat(fresh).st_ino)
        self.assertEqual(os.fstat(fresh).st_ino, (self.directory / PID_FILE).stat().st_ino)

    def test_unusable(self) -> None:
        """A directory that is not there, a file in its way, a link in the file's place."""
        missing = PidFiles(str(self.directory / "missing"))
        self.assertIn(
            "missing is no directory", str(self.assertRaises(PidFileError, missing.check))
        )
        error = self.assertRaises(PidFileError, missing.take, STARTED)
        self.assertIn(f"missing/{PID_FILE}: No such file or directory", str(error))
        (self.directory / PID_FILE).symlink_to("/etc/passwd")
        for attempt in (self.files.check, lambda: self.files.take(STARTED)):
            self.assertIn(PID_FILE, str(self.assertRaises(PidFileError, attempt)))

    def test_hard_link(self) -> None:
        """A file of another's that somebody linked into the directory is not written."""
        for name in (PID_FILE, INFO_FILE):
            other = self.directory.parent / f"other-{name}"
            other.write_text("theirs")
            os.link(other, self.directory / name)
            files = PidFiles(str(self.directory))
            error = self.assertRaises(PidFileError, files.take, STARTED)
            self.assertIn("Too many links", str(error))
            self.assertEqual(other.read_text(), "theirs")
            files.drop()
            (self.directory / name).unlink(missing_ok=True)
            other.unlink()

    def test_check_changes_nothing(self) -> None:
        """Neither files nor locks."""
        self.files.check()
        self.assertEqual(self.listing(), [])
        self.end(self.holder())
        before = (self.directory / PID_FILE).read_text()
        self.files.check()
        self.assertEqual((self.directory / PID_FILE).read_text(), before)
        self.holder()

    def test_hand_over(self) -> None:
        """Both files become the user's whom root becomes."""
        if os.getuid() != 0:
            raise self.skipTest("only root gives files away")
        self.files.hand_over(12345, 12345)
        self.files.take(NTPTime(1))
        self.files.hand_over(12345, 12345)
        owners = {(self.directory / name).stat().st_uid for name in self.listing()}
        self.assertEqual(owners, {12345})
