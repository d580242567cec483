"""bwctl-keys as users, scripts and C's aespasswd meet it. The keys are those of daemon.md 3.2."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import resource
import select
import signal
import stat
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from hashlib import md5
from io import StringIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import bwctl
from bwctl.cli import keys_file, keys_phrase
from bwctl.cli.keys import main
from bwctl.cli.keys_errors import KeysError
from bwctl.cli.keys_phrase import WEAK

ROOT = Path(bwctl.__file__).parent.parent
COMMAND = [sys.executable, "-m", "bwctl.cli.keys"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
ENVIRONMENT["PYTHONDONTWRITEBYTECODE"] = "1"  # one test limits the size of files
C_BIN = os.environ.get("BWCTL_C_BIN", "")
AESPASSWD = os.path.abspath(os.path.join(C_BIN, "aespasswd"))
NO_AESPASSWD = (
    ""
    if C_BIN and os.access(AESPASSWD, os.X_OK)
    else "BWCTL_C_BIN does not name a directory with C's aespasswd"
)

HORSE = "correct horse battery"
HORSE_KEY = "88e4ddd2402d92d50e1879d6ecd9ffd4"
X_KEY = "9dd4e461268c8034f5c8564e155c67a6"
LIMIT_S = 20.0


def process(
    *arguments: object, phrase: bytes = b"", **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run bwctl-keys in a process without a terminal."""
    ended = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=phrase,
        capture_output=True,
        timeout=LIMIT_S,
        env=ENVIRONMENT,
        start_new_session=True,
        **options,
    )
    out, err = ended.stdout.decode(), ended.stderr.decode()
    return subprocess.CompletedProcess(ended.args, ended.returncode, out, err)


class KeysTestCase(SynchronousTestCase):
    """A directory with a key file of one identity."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.file = self.directory / "keys"
        self.write(f"joe\t{HORSE_KEY}\n")

    def write(self, text: str) -> None:
        self.file.write_text(text)
        self.file.chmod(0o600)

    def keys(self, *arguments: object, phrase: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run bwctl-keys in this process, which is quicker."""
        words, out, err = list(map(str, arguments)), StringIO(), StringIO()
        with TemporaryFile() as file, redirect_stdout(out), redirect_stderr(err):
            file.write(phrase)
            file.seek(0)
            self.patch(keys_phrase, "INPUT", file.fileno())
            status = main(words)
        return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())

    def mode(self, path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    def assert_done(self, ended: subprocess.CompletedProcess[str]) -> None:
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))

    def assert_fails(
        self, ended: subprocess.CompletedProcess[str], *parts: str, status: int = 1
    ) -> None:
        """One line of complaint, that has some words, and nothing left behind."""
        self.assertEqual(ended.returncode, status, ended.stderr)
        self.assertEqual((ended.stdout, ended.stderr.count("\n")), ("", 1), ended.stderr)
        self.assertTrue(ended.stderr.startswith("bwctl-keys: "))
        for part in parts:
            self.assertIn(part, ended.stderr)
        self.assertEqual(self.names(), ["keys"])

    def names(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())


class InputTests(KeysTestCase):
    """The passphrase from standard input."""

    def test_create(self) -> None:
        """A new file has the mode 0600 whatever the umask, and aespasswd's form."""
        file = self.directory / "new"
        phrase = f"{HORSE}\n".encode()
        for umask in (0, 0o777):
            self.assert_done(process("-n", "-f", file, "joe", phrase=phrase, umask=umask))
            self.assertEqual(file.read_text(), f"joe\t{HORSE_KEY}\n")
            self.assertEqual(self.mode(file), 0o600)
            file.unlink()

    def test_line(self) -> None:
        """One line counts, its end does not; what follows is left to the next program."""
        phrases = [f"{HORSE}\nanother line\n", f"{HORSE}\r\n", HORSE]
        for phrase in phrases:
            self.write("")
            self.assert_done(self.keys("-f", self.file, "joe", phrase=phrase.encode()))
            self.assertEqual(self.file.read_text(), f"joe\t{HORSE_KEY}\n", repr(phrase))
        with (self.directory / "phrases").open("w+b") as phrases_file:
            phrases_file.write(f"first of the phrases\n{HORSE}\n".encode())
            phrases_file.seek(0)
            for name in ("a", "b"):
                command = [*COMMAND, "-f", str(self.file), name]
                subprocess.run(command, stdin=phrases_file, env=ENVIRONMENT, check=True)
        self.assertTrue(self.file.read_text().endswith(f"b\t{HORSE_KEY}\n"))

    def test_utf_8(self) -> None:
        """A short passphrase is taken as it is, with a warning that says why."""
        for phrase, warned in (
            ("p\u00e4ssw\u00f6rd", True),
            ("p\u00e4ssw\u00f6rd-\u00e4\u00f6\u00fc", False),
        ):
            ended = self.keys("-f", self.file, "joe", phrase=phrase.encode())
            self.assertEqual(ended.stderr, f"bwctl-keys: {WEAK}\n" if warned else "")
            self.assertEqual(ended.returncode, 0)
            key = md5(phrase.encode(), usedforsecurity=False).hexdigest()
            self.assertEqual(self.file.read_text(), f"joe\t{key}\n")
        self.assertIn("unsalted MD5", WEAK)

    def test_refused(self) -> None:
        """No phrase, or one that C would cut, changes nothing."""
        table = [
            (b"", "no passphrase"),
            (b"\n", "empty"),
            (b"\r\n", "empty"),
            (b"x" * 1024, "1023"),
            (b"x" * 5000, "1023"),
            (b"two\rlines of it\n", "carriage return"),
            (b"a zero \0 octet\n", "zero octet"),
        ]
        for phrase, words in table:
            self.assert_fails(self.keys("-f", self.file, "joe", phrase=phrase), words)
            self.assertEqual(self.file.read_text(), f"joe\t{HORSE_KEY}\n")
        self.assert_done(self.keys("-f", self.file, "joe", phrase=b"x" * 1023))

    def test_closed(self) -> None:
        """Without any standard input there is no passphrase."""
        command = ["sh", "-c", '"$@" <&-', "sh", *COMMAND, "-f", str(self.file), "joe"]
        ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
        self.assert_fails(ended, "standard input")


class EditTests(KeysTestCase):
    """What becomes of the file."""

    TEXT = f"# ours\r\n\njoe  {X_KEY.upper()} # Joe, room 5\njim\t{X_KEY}\r\n# end"

    def test_replaced_in_place(self) -> None:
        """Comments, order, line ends and all other lines stay, to the octet."""
        self.write(self.TEXT)
        self.assert_done(self.keys("-f", self.file, "joe", phrase=HORSE.encode()))
        line = f"joe\t{HORSE_KEY} # Joe, room 5"
        text = self.TEXT.replace(self.TEXT.split("\n")[2], line) + "\n"
        self.assertEqual(self.file.read_bytes(), text.encode())
        self.assert_done(self.keys("-f", self.file, "jim", phrase=HORSE.encode()))
        text = text.replace(f"jim\t{X_KEY}", f"jim\t{HORSE_KEY}")
        self.assertEqual(self.file.read_bytes(), text.encode())

    def test_added_and_removed(self) -> None:
        """A new identity goes to the end; -d takes out its line; what is not there is an error."""
        self.write(self.TEXT)
        self.assert_done(self.keys("-f", self.file, "jo", phrase=HORSE.encode()))
        added = f"{self.TEXT}\njo\t{HORSE_KEY}\n"
        self.assertEqual(self.file.read_bytes(), added.encode())
        self.assert_done(self.keys("-d", "-f", self.file, "joe"))
        removed = added.replace(self.TEXT.split("\n")[2] + "\n", "")
        self.assertEqual(self.file.read_bytes(), removed.encode())
        self.assert_fails(self.keys("-f", self.file, "-d", "joe"), "no identity joe", "--list")

    def test_octets(self) -> None:
        """Octets that are no UTF-8 stay as they are."""
        odd = b"# \xff\nj\xf6e\t" + X_KEY.encode() + b"\n"
        self.file.write_bytes(odd)
        self.assert_done(self.keys("-f", self.file, "jim", phrase=HORSE.encode()))
        self.assertEqual(self.file.read_bytes(), odd + f"jim\t{HORSE_KEY}\n".encode())
        listed = subprocess.run(
            [*COMMAND, "-f", str(self.file), "--list"], env=ENVIRONMENT, capture_output=True
        )
        self.assertEqual(listed.stdout, b"j\xf6e\njim\n")

    def test_random(self) -> None:
        """--random prints a key once, on stdout and without anything else, and stores it."""
        printed = set()
        for _ in range(2):
            ended = self.keys("-f", self.file, "--random", "joe")
            self.assert_done(ended)
            self.assertRegex(ended.stdout, r"\A[0-9a-f]{32}\n\Z")
            self.assertEqual(self.file.read_text(), f"joe\t{ended.stdout}")
            printed.add(ended.stdout)
        self.assertEqual(len(printed), 2)

    def test_random_unprinted(self) -> None:
        """A key that could not be printed is an error, and nothing shows it."""
        for where in ("/dev/full", "&-"):
            command = ["sh", "-c", f'"$@" >{where}', "sh", *COMMAND, "-f", str(self.file)]
            ended = subprocess.run(
                [*command, "--random", "joe"], env=ENVIRONMENT, capture_output=True, text=True
            )
            self.assertEqual((ended.returncode, ended.stderr.count("\n")), (1, 1), ended.stderr)
            self.assertNotIn(self.file.read_text().split()[1], ended.stderr)

    def test_wrong_file(self) -> None:
        """A file with mistakes is not written; the first of them is told, and how to see all."""
        self.write(f"joe {HORSE_KEY}\n joe {X_KEY}\njim {X_KEY[:-1]}\n")
        before = self.file.read_bytes()
        for arguments in (["--random", "joe"], ["-d", "joe"], ["--list"]):
            ended = self.keys("-f", self.file, *arguments)
            self.assert_fails(ended, f"{self.file}:2: white space", "--check", "2 problems")
            self.assertNotIn(X_KEY[:8], ended.stderr)
            self.assertEqual(self.file.read_bytes(), before)


class FileTests(KeysTestCase):
    """Modes, owners, links, and what is no file."""

    def test_exists_or_not(self) -> None:
        """-n wants no file, all else wants one; both say what to do."""
        self.assert_fails(
            self.keys("-n", "-f", self.file, "a", "--random"), "exists", "leave -n out"
        )
        missing = self.directory / "none"
        self.assert_fails(
            self.keys("-f", missing, "a", "--random"), "does not exist", "-n makes it"
        )
        for arguments in (["-d", "a"], ["--list"], ["--check"]):
            self.assert_fails(
                self.keys("-f", missing, *arguments), "does not exist", "check the name"
            )
        nowhere = missing / "keys"
        self.assert_fails(self.keys("-n", "-f", nowhere, "a"), str(missing), "made first")
        self.assert_fails(self.keys("-n", "-f", self.file / "keys", "a"), "Not a directory")

    def test_no_regular_file(self) -> None:
        """A directory, a FIFO or a device is not replaced, and does not make us wait."""
        os.mkfifo(self.directory.parent / "fifo")
        for path in (self.directory, self.directory.parent / "fifo", Path("/dev/null")):
            for arguments in (["a", "--random"], ["--check"]):
                self.assert_fails(self.keys("-f", path, *arguments), str(path))
        self.assertTrue(stat.S_ISCHR(Path("/dev/null").stat().st_mode))

    def test_mode_repaired(self) -> None:
        """A file that others may read becomes 0600, and that is told."""
        self.file.chmod(0o644)
        ended = self.keys("-f", self.file, "--random", "joe")
        self.assertEqual(self.mode(self.file), 0o600)
        self.assertIn("0644, now 0600", ended.stderr)

    def test_owner_kept(self) -> None:
        """Root leaves the file with its owner."""
        if os.geteuid():
            raise self.skipTest("only root can give files away")
        os.chown(self.file, 4823, 4824)
        self.assert_done(self.keys("-f", self.file, "--random", "joe"))
        self.assertEqual((self.file.stat().st_uid, self.file.stat().st_gid), (4823, 4824))

    def test_owner_lost(self) -> None:
        """Where the file cannot be given back to its owner, that is told."""

        def refuse(*_: object) -> None:
            raise PermissionError(errno.EPERM, "no")

        self.patch(os, "fchown", refuse)
        with keys_file.locked(str(self.file)) as file:
            old = file.read()
            assert old is not None
            remarks = file.replace(old.text, replace(old, owner=old.owner + 1))
        self.assertEqual(len(remarks), 1)
        self.assertIn(f"now belongs to user {old.owner}", remarks[0])

    def test_no_flush(self) -> None:
        """A disk that fails before the change leaves the old file; after it, that is told."""
        before, fsync, count = self.file.read_bytes(), os.fsync, [0]

        def fail(descriptor: int) -> None:
            count[0] += 1
            if count[0] != 2:
                raise OSError(errno.EIO, "no disk")
            fsync(descriptor)

        self.patch(os, "fsync", fail)
        self.assert_fails(self.keys("-f", self.file, "--random", "joe"), "no disk", "unchanged")
        self.assertEqual(self.file.read_bytes(), before)
        ended = self.keys("-f", self.file, "--random", "joe")
        self.assertEqual(ended.returncode, 0)
        self.assertIn("is changed, but a crash may undo it: no disk", ended.stderr)
        self.assertEqual(self.file.read_text(), f"joe\t{ended.stdout}")

    def test_symbolic_link(self) -> None:
        """A link is written through: its target is replaced where it is, the link stays."""
        elsewhere = self.directory.parent / "elsewhere"
        elsewhere.mkdir()
        target = self.file.rename(elsewhere / "target")
        self.file.symlink_to("link")
        (self.directory / "link").symlink_to(target.resolve())
        self.assert_done(self.keys("-f", self.file, "--random", "jim"))
        self.assertTrue(self.file.is_symlink())
        self.assertEqual(target.read_text().split()[::2], ["joe", "jim"])
        self.assertEqual((self.mode(target), len(list(elsewhere.iterdir()))), (0o600, 1))
        self.assertEqual(self.keys("-f", self.file, "--list").stdout, "joe\njim\n")

    def test_dangling_link(self) -> None:
        """A link to nothing is refused, with -n too."""
        self.file.unlink()
        self.file.symlink_to("nothing")
        for arguments in (["-n", "--random", "a"], ["--random", "a"], ["--list"]):
            self.assert_fails(self.keys("-f", self.file, *arguments), "symbolic link")
        self.file.unlink()
        self.file.symlink_to("keys")
        self.assert_fails(self.keys("-f", self.file, "--random", "a"), "symbolic links")

    def test_no_room(self) -> None:
        """A write that fails leaves the old file, and nothing else."""
        before = self.file.read_bytes()

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))

        ended = process("-f", self.file, "--random", "jim", preexec_fn=limit)
        self.assert_fails(ended, "cannot be written", "unchanged")
        self.assertEqual(self.file.read_bytes(), before)

    def test_lock(self) -> None:
        """Who waits too long for the lock is told so."""
        directory = os.open(self.directory, os.O_RDONLY)
        self.addCleanup(os.close, directory)
        fcntl.flock(directory, fcntl.LOCK_EX)
        self.patch(keys_file, "LOCK_LIMIT_S", 0.1)
        with self.assertRaises(KeysError) as caught, keys_file.locked(str(self.file)):
            pass
        self.assertIn("locked for 0.1 s", str(caught.exception))
        waiting = subprocess.Popen([*COMMAND, "-f", str(self.file), "-d", "joe"], env=ENVIRONMENT)
        time.sleep(0.4)
        self.assertIsNone(waiting.poll())
        fcntl.flock(directory, fcntl.LOCK_UN)
        self.assertEqual(waiting.wait(LIMIT_S), 0)


class ReportTests(KeysTestCase):
    """--list and --check."""

    BROKEN = f"joe {HORSE_KEY}\njoe {X_KEY}\n\tjim {X_KEY}\n{X_KEY}\tjim\n"

    def test_list(self) -> None:
        """Identities in the order of the file, and no key."""
        self.write(f"# c\nzoe {X_KEY}\njoe {HORSE_KEY} # c\n")
        self.assertEqual(self.keys("--list", "-f", self.file).stdout, "zoe\njoe\n")
        found = json.loads(self.keys("--list", "--json", "-f", self.file).stdout)
        self.assertEqual(found["schema"], "bwctl.keys/1")
        self.assertEqual(found["identities"], ["zoe", "joe"])

    def test_check(self) -> None:
        """A good file passes."""
        ended = self.keys("--check", "-f", self.file)
        self.assert_done(ended)
        self.assertEqual(ended.stdout, f"{self.file}: no problem, identities: 1\n")
        self.file.chmod(0o644)
        ended = self.keys("--check", "-f", self.file)
        self.assertEqual(ended.returncode, 0)
        self.assertIn("others may read", ended.stdout)

    def test_problems(self) -> None:
        """All problems with their lines, exit status 1, and no key."""
        self.write(self.BROKEN)
        self.file.chmod(0o620)
        ended = self.keys("--check", "-f", self.file)
        self.assertEqual((ended.returncode, ended.stderr), (1, ""))
        places = [line.split(" ")[0] for line in ended.stdout.splitlines()]
        self.assertEqual(places, [f"{self.file}:", *(f"{self.file}:{n}:" for n in (2, 3, 4))])
        self.assertNotIn(X_KEY[:6], ended.stdout)
        ended = self.keys("--check", "--json", "-f", self.file)
        found = json.loads(ended.stdout)
        self.assertEqual((ended.returncode, found["status"]), (1, "failed"))
        self.assertEqual([p.get("line") for p in found["problems"]], [None, 2, 3, 4])
        self.assertNotIn(X_KEY[:6], ended.stdout)

    def test_json_of_a_failure(self) -> None:
        """A failure is an object too."""
        ended = self.keys("--check", "--json", "-f", self.directory / "none")
        error = json.loads(ended.stdout)["error"]
        self.assertEqual((ended.returncode, error["code"]), (1, "missing"))


class WriterTests(SynchronousTestCase):
    """Writers at the same time, and writers that are killed."""

    def watch(self, *arguments: object) -> dict[str, Any]:
        """What test_keys_writers saw."""
        directory = Path(self.mktemp())
        directory.mkdir()
        command = [sys.executable, "-m", "tests.cli.test_keys_writers", arguments[0]]
        ended = subprocess.run(
            [str(word) for word in (*command, directory.resolve(), *arguments[1:])],
            capture_output=True,
            cwd=ROOT,
            env=ENVIRONMENT,
            text=True,
            timeout=60,
        )
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        report: dict[str, Any] = json.loads(ended.stdout)
        self.assertEqual(report["wrong"], [])
        return report

    def test_race(self) -> None:
        """30 times two writers at once, some killed: all that was promised is in the file."""
        report = self.watch("race", 4823)
        self.assertEqual(report["finished"] + report["killed"], 2 * 30 + 6)
        self.assertGreater(report["killed"], 3)
        self.assertGreater(report["reads"], 30)

    def test_killed_anywhere(self) -> None:
        """Killed before any line of the code, a writer leaves the old file or the new one."""
        report = self.watch("kill")
        self.assertGreater(report["lines"], 40)
        self.assertGreater(report["left"], 0)  # else this tries nothing
        self.assertGreater(min(report["old"], report["new"]), 0)

    def test_stopped_anywhere(self) -> None:
        """A failure before any line of the code leaves no temporary file."""
        report = self.watch("stop")
        self.assertGreater(report["lines"], 40)
        self.assertEqual(report["left"], 0)


class TerminalTests(KeysTestCase):
    """The passphrase from a terminal."""

    def setUp(self) -> None:
        super().setUp()
        self.write("")
        self.seen = b""

    def start(self, *arguments: str) -> None:
        """Run bwctl-keys on a terminal of its own."""
        command = [*COMMAND, "-f", str(self.file), *arguments]
        process, self.terminal = pty.fork()
        if process == 0:
            try:
                os.execve(command[0], command, ENVIRONMENT)
            finally:
                os._exit(99)
        self.process = process
        self.addCleanup(os.close, self.terminal)

    def read_until(self, words: bytes) -> None:
        """Wait for a prompt; empty: for the end."""
        end = time.monotonic() + LIMIT_S
        while not words or words not in self.seen:
            if not select.select([self.terminal], [], [], max(0, end - time.monotonic()))[0]:
                self.fail(f"no {words!r} after {self.seen!r}")
            try:
                self.seen += os.read(self.terminal, 4096)
            except OSError:  # the other end is closed
                if words:
                    self.fail(f"no {words!r} after {self.seen!r}")
                return

    def answer(self, prompt: bytes, phrase: str) -> None:
        self.read_until(prompt)
        os.write(self.terminal, f"{phrase}\n".encode())

    def end(self) -> int:
        """Exit status; negative: the signal that ended the program."""
        self.read_until(b"")
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    def test_twice(self) -> None:
        """The passphrase is asked twice and not shown."""
        self.start("joe")
        self.answer(b"Passphrase for joe: ", HORSE)
        self.answer(b"The same again: ", HORSE)
        self.assertEqual(self.end(), 0)
        self.assertEqual(self.file.read_text(), f"joe\t{HORSE_KEY}\n")
        self.assertEqual(self.seen.split(), b"Passphrase for joe: The same again: ".split())

    def test_differ(self) -> None:
        """Two passphrases that differ change nothing, and neither is shown."""
        self.start("joe")
        self.answer(b"joe: ", HORSE)
        self.answer(b"again: ", f"{HORSE}?")
        self.assertEqual(self.end(), 1)
        self.assertEqual(self.file.read_text(), "")
        self.assertIn(b"differ", self.seen)
        self.assertNotIn(b"horse", self.seen)

    def test_empty(self) -> None:
        """An empty passphrase is refused at once; a short one is warned about."""
        self.start("joe")
        self.answer(b"joe: ", "")
        self.assertEqual(self.end(), 1)
        self.assertIn(b"empty", self.seen)
        self.start("joe")
        self.seen = b""
        self.answer(b"joe: ", "x")
        self.answer(b"again: ", "x")
        self.assertEqual(self.end(), 0)
        self.assertIn(b"warning: ", self.seen)
        self.assertEqual(self.file.read_text(), f"joe\t{X_KEY}\n")

    def test_interrupted(self) -> None:
        """^C and TERM at the prompt end the program; the terminal echoes again."""
        for stop, number in (
            (self.press_interrupt, signal.SIGINT),
            (self.terminate, signal.SIGTERM),
        ):
            self.seen = b""
            self.start("joe")
            self.read_until(b"joe: ")
            self.assertFalse(self.echoes())
            stop()
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1]), -number)
            self.assertTrue(self.echoes())
        self.assertEqual((self.file.read_text(), self.names()), ("", ["keys"]))

    def press_interrupt(self) -> None:
        os.write(self.terminal, b"\x03")

    def terminate(self) -> None:
        os.kill(self.process, signal.SIGTERM)

    def echoes(self) -> bool:
        flags: int = termios.tcgetattr(self.terminal)[3]
        return bool(flags & termios.ECHO)

    def test_told_before_asked(self) -> None:
        """What is wrong with the file or the identity is told before anything is typed."""
        for arguments in (["-n", "joe"], ["a" * 17], ["-d", "nobody"]):
            self.start(*arguments)
            self.assertIn(self.end(), (1, 2))
            self.assertNotIn(b"Passphrase", self.seen)

    def test_hostile_identity(self) -> None:
        """An identity of the file cannot steer the terminal."""
        self.file.write_text(f"j\u009b31m\t{X_KEY}\n")
        self.start("--list")
        self.assertEqual(self.end(), 0)
        self.assertEqual(self.seen, b"j\\x9b31m\r\n")


class AespasswdTests(KeysTestCase):
    """C's program and ours on one file."""

    skip = NO_AESPASSWD or None

    def aespasswd(self, *arguments: str, phrase: str = "") -> None:
        command = [AESPASSWD, "-f", str(self.file), *arguments]
        subprocess.run(
            command, input=phrase.encode(), check=True, start_new_session=True, capture_output=True
        )

    def test_same_file(self) -> None:
        """Both write the same octets for the same commands."""
        self.file.unlink()
        programs: list[Callable[..., object]] = [
            lambda *words, phrase="": self.assert_done(
                process("-f", self.file, *words, phrase=phrase.encode())
            ),
            self.aespasswd,
        ]
        texts = []
        for program in programs:
            program("-n", "joe", phrase=f"{HORSE}\n")
            program("a" * 16, phrase="p\u00e4ssw\u00f6rd f\u00fcr alle\n")
            program("-d", "joe")
            program("jim", phrase="something that is long\n")
            program("a" * 16, phrase=f"{HORSE}\n")
            texts.append(self.file.read_bytes())
            self.file.unlink()
        self.assertEqual(texts[0], texts[1])

    def test_each_reads_the_other(self) -> None:
        """Each edits what the other wrote, comments included."""
        self.write(f"# ours\njoe\t{HORSE_KEY} # Joe\n")
        self.aespasswd("jim", phrase="x\n")
        self.assert_done(process("-f", self.file, "joe", phrase=b"something that is long\n"))
        self.aespasswd("-d", "jim")
        self.assert_done(process("-f", self.file, "bob", phrase=HORSE.encode()))
        ended = self.keys("-f", self.file, "--list")
        self.assertEqual((ended.stdout, self.mode(self.file)), ("joe\nbob\n", 0o600))
        self.assertTrue(self.file.read_text().startswith("# ours\njoe\t"))
