from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from unittest import TestCase, mock

from bwctl.embedded import guard
from tests.embedded.programs import PATIENCE_S, PREFIX, RUN, alive, descriptors, run, start, until

ORPHAN = """
    import os, sys, time, signal
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if os.fork() == 0:
            with open(sys.argv[1] + ".new", "w") as file:
                file.write(str(os.getpid()))
            os.rename(sys.argv[1] + ".new", sys.argv[1])
            time.sleep(60)
        os._exit(0)
"""  # leaves a process in a session of its own, its parent gone, deaf to TERM
WAIT_FOR_FILE = """
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
"""
DEAF = """
    import os, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(60)
"""
POLITE = """
    import os, signal, sys, time
    def told(number, frame):
        os.write(1, b"told " + signal.Signals(number).name.encode())
        os._exit(40 + number)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, told)
    os.write(1, b"ready\\n")
    time.sleep(60)
"""
HOLDER = """
    import os, subprocess, sys
    reader, writer = os.pipe()
    command = [*sys.argv[2:5], sys.argv[5], "guard", "--lifeline", str(reader), "--", *sys.argv[6:]]
    child = subprocess.Popen(command, pass_fds=[reader])
    os.close(reader)
    with open(sys.argv[1], "w") as file:
        file.write(str(child.pid))
    child.wait()
"""  # a daemon reduced to what the guard sees of it


def python(source: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", textwrap.dedent(source), *arguments]


class GuardTestCase(TestCase):
    def setUp(self) -> None:
        self.reader, self.writer = os.pipe()
        self.addCleanup(self.close_lifeline)
        self.addCleanup(os.close, self.reader)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name, "pid")

    def close_lifeline(self) -> None:
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def guarded(
        self, command: list[str], *options: str, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        arguments = ["guard", "--lifeline", str(self.reader), *options, "--", *command]
        process = start(arguments, pass_fds=[self.reader], stdin=stdin)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            self.addCleanup(stream.close)
        self.addCleanup(self.end, process)
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        self.close_lifeline()
        process.wait(PATIENCE_S)

    def outcome(self, command: list[str], *options: str) -> tuple[int, str, str]:
        process = self.guarded(command, *options)
        output, errors = process.communicate(timeout=PATIENCE_S)
        return process.returncode, output, errors

    def wait_ready(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.assertEqual(process.stdout.readline(), "ready\n")

    def pid_in_file(self) -> int:
        self.assertTrue(until(self.file.exists))
        return int(self.file.read_text())


class EndTests(GuardTestCase):
    """The guard ends as its tester ended."""

    def test_exit_status_passes(self) -> None:
        """The tester's exit status and output come through unchanged."""
        self.assertEqual(self.outcome(["sh", "-c", "echo hello; exit 7"]), (7, "hello\n", ""))

    def test_success_passes(self) -> None:
        self.assertEqual(self.outcome(["true"]), (0, "", ""))

    def test_signals_pass(self) -> None:
        """A tester ended by a signal makes the guard end by the same signal."""
        for number in (signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM, signal.SIGPIPE):
            status, _, errors = self.outcome(["sh", "-c", f"kill -{int(number)} $$"])
            self.assertEqual((status, errors), (-number, ""), msg=number.name)

    def test_not_to_be_found(self) -> None:
        """A program that is not there gives a line that names it, and status 127."""
        self.assertEqual(
            self.outcome(["no-such-tester", "-c"]),
            (127, "", "bwctl: cannot run no-such-tester: No such file or directory\n"),
        )

    def test_not_executable(self) -> None:
        status, _, errors = self.outcome(["/etc/passwd"])
        self.assertEqual(status, 127)
        self.assertEqual(errors, "bwctl: cannot run /etc/passwd: Permission denied\n")

    def test_no_shell(self) -> None:
        """Arguments reach the program as they are."""
        hostile = ["$HOME", "a b", "; exit 3", "--", ""]
        status, output, _ = self.outcome(["printf", "%s|", *hostile])
        self.assertEqual((status, output), (0, "$HOME|a b|; exit 3|--||"))


class CommandLineTests(GuardTestCase):
    """A command line that makes no sense is refused before anything runs."""

    def test_refused(self) -> None:
        for arguments in (
            [],
            ["--"],
            ["--lifeline"],
            ["--lifeline", "0", "--", "true"],
            ["--lifeline", "-1", "--", "true"],
            ["--lifeline", "4,5", "--", "true"],
            ["--cpus", "x", "--", "true"],
            ["--cpus", "", "--", "true"],
            ["--shell", "yes", "--", "true"],
            ["--private-directory"],
            ["true"],
        ):
            self.assertRaises(guard.UsageError, guard.parse, arguments)

    def test_status(self) -> None:
        done = run("guard", "--cpus")
        self.assertEqual(done.returncode, 64)
        self.assertEqual(done.stderr, "bwctl: guard: unknown or incomplete option '--cpus'\n")

    def test_lifeline_not_open(self) -> None:
        """Without a lifeline nothing is started: descriptor 3 is the default."""
        done = run("guard", "--", "echo", "started")
        self.assertEqual((done.returncode, done.stdout), (64, ""))
        self.assertIn("lifeline 3", done.stderr)

    def test_unknown_program(self) -> None:
        self.assertEqual(run("nonsense").returncode, 64)
        self.assertEqual(run().returncode, 64)


class SurroundingsTests(GuardTestCase):
    """What the tester finds when it starts."""

    def test_descriptors(self) -> None:
        """The tester has three descriptors; the guard keeps neither its input nor its output."""
        show = "import os; print(*os.listdir('/proc/self/fd'), flush=True); os.read(0, 1)"
        process = self.guarded(python(show), stdin=subprocess.PIPE)
        assert process.stdin is not None and process.stdout is not None
        listed = sorted(map(int, process.stdout.readline().split()))
        self.assertEqual(listed, [0, 1, 2, 3])  # 3: the folder that it lists
        kept = descriptors(process.pid)
        self.assertEqual((kept[0], kept[1]), ("/dev/null", "/dev/null"))
        process.stdin.close()

    def test_group_and_session(self) -> None:
        """The guard leads a session, the tester a process group in it."""
        show = "import os; print(os.getpid(), os.getpgrp(), os.getsid(0), os.getppid())"
        process = self.guarded(python(show))
        output, _ = process.communicate(timeout=PATIENCE_S)
        pid, group, session, parent = map(int, output.split())
        self.assertEqual((group, session, parent), (pid, process.pid, process.pid))

    def test_signals_are_default(self) -> None:
        """Signals that the daemon or Python ignore are default in the tester, none is blocked."""
        command = ["grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"]
        ignored = ["sh", "-c", 'trap "" HUP INT; exec "$@"', "sh", *PREFIX, "guard"]
        done = subprocess.run(
            [*ignored, "--lifeline", str(self.reader), "--", *command],
            pass_fds=[self.reader],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        own = 0b11 << 31  # 32 and 33 belong to the C library, which lets nobody set them
        masks = [int(line.split()[1], 16) & ~own for line in done.stdout.splitlines()]
        self.assertEqual(masks, [0, 0])

    def test_no_core_files(self) -> None:
        show = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"
        self.assertEqual(self.outcome(python(show))[:2], (0, "(0, 0)\n"))

    def test_affinity(self) -> None:
        """--cpus pins the tester."""
        cpu = str(min(os.sched_getaffinity(0)))
        show = "import os; print(*os.sched_getaffinity(0))"
        self.assertEqual(self.outcome(python(show), "--cpus", cpu)[:2], (0, f"{cpu}\n"))

    def test_no_such_cpu(self) -> None:
        status, output, errors = self.outcome(["echo", "ran"], "--cpus", "1000")
        self.assertEqual((status, output), (71, ""))
        self.assertEqual(errors, "bwctl: cannot use CPUs [1000] for echo: Invalid argument\n")

    def test_fork_refused(self) -> None:
        """No process to be had: a line and status 71."""
        source = """
            import os, sys
            sys.path.append(sys.argv[1])
            from bwctl.embedded import guard
            def fork():
                raise BlockingIOError(11, "Resource temporarily unavailable")
            os.fork = fork
            sys.exit(guard.main(["--lifeline", sys.argv[2], "--", "true"]))
        """
        done = subprocess.run(
            python(source, str(Path(RUN).parents[2]), str(self.reader)),
            pass_fds=[self.reader],
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 71)
        self.assertEqual(
            done.stderr, "bwctl: cannot start true: Resource temporarily unavailable\n"
        )


class SignalTests(GuardTestCase):
    """Signals to the guard reach the tester."""

    def test_passed_on(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            process = self.guarded(python(POLITE))
            self.wait_ready(process)
            process.send_signal(number)
            output, _ = process.communicate(timeout=PATIENCE_S)
            self.assertEqual((process.returncode, output), (40 + number, f"told {number.name}"))

    def test_default_action(self) -> None:
        """A tester without an opinion on TERM ends by it, and so does the guard."""
        process = self.guarded(["sh", "-c", "echo ready; exec sleep 60"])
        self.wait_ready(process)
        process.terminate()
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGTERM)

    def test_whole_group(self) -> None:
        """The tester's children in its group get the signal too."""
        process = self.guarded(["sh", "-c", "trap 'exit 5' TERM; (echo ready; exec sleep 60)"])
        self.wait_ready(process)
        process.terminate()
        self.assertEqual(process.wait(PATIENCE_S), 5)

    def test_top_only(self) -> None:
        """With --top-only the tester's children do not get it."""
        child = "(trap 'echo told' TERM; echo ready; while :; do sleep 0.05; done)"
        source = f"trap 'sleep 0.5; exit 6' TERM; {child} & wait"
        process = self.guarded(["sh", "-c", source], "--top-only")
        self.wait_ready(process)
        process.terminate()
        output, _ = process.communicate(timeout=PATIENCE_S)
        self.assertEqual((process.returncode, output), (6, ""))

    def test_early_signal_is_not_lost(self) -> None:
        """TERM while the tester is being started ends it as well."""
        process = self.guarded(["sleep", "60"])
        process.terminate()
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGTERM)

    def test_idle_guard_uses_no_cpu(self) -> None:
        """Waiting is not spinning, not even with data on the lifeline."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.write(self.writer, b"still here")
        self.outcome(["sleep", "1"])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.assertLess(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 0.5)


class PrivateDirectoryTests(GuardTestCase):
    """A directory of the tester's own, which is gone with it."""

    def setUp(self) -> None:
        super().setUp()
        self.place = self.file.parent
        self.set_tmpdir(self.place)

    def set_tmpdir(self, place: Path) -> None:
        patch = mock.patch.dict(os.environ, {"TMPDIR": str(place)})
        patch.start()
        self.addCleanup(patch.stop)

    def left(self) -> list[str]:
        return [path.name for path in self.place.iterdir() if path.name != "pid"]

    def test_place_and_mode(self) -> None:
        """It is empty, nobody else may enter it, and its path stands for the word."""
        source = 'pwd; echo "$1"; stat -c %a .; ls -A; mkdir -p a/b; touch a/b/c; chmod 0 a/b/c'
        command = ["sh", "-c", source, "sh", "PLACE"]
        status, output, errors = self.outcome(command, "--private-directory", "PLACE")
        self.assertEqual((status, errors), (0, ""))
        where, word, mode = output.splitlines()
        self.assertEqual((word, mode), (where, "700"))
        self.assertTrue(where.startswith(f"{self.place}/bwctl-"), where)
        self.assertEqual(self.left(), [])

    def test_links(self) -> None:
        """What a link in it leads to stays."""
        self.file.write_text("precious")
        source = f"ln -s {self.place} link; ln -s {self.file} other"
        self.outcome(["sh", "-c", source], "--private-directory", "X")
        self.assertEqual((self.file.read_text(), self.left()), ("precious", []))

    def test_removed_with_the_lifeline(self) -> None:
        """However the tester ends, and also where it cannot be run."""
        process = self.guarded(python(DEAF), "--private-directory", "X")
        self.wait_ready(process)
        self.assertEqual(len(self.left()), 1)
        self.close_lifeline()
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGKILL)
        self.assertEqual(self.left(), [])

    def test_not_run(self) -> None:
        """A program that is not there leaves nothing behind."""
        status, _, _ = self.outcome(["no-such-tester"], "--private-directory", "X")
        self.assertEqual((status, self.left()), (127, []))

    def test_cannot_be_made(self) -> None:
        """No place for it: a line and status 71, and nothing runs."""
        self.set_tmpdir(self.place / "missing")
        status, output, errors = self.outcome(["echo", "ran"], "--private-directory", "X")
        self.assertEqual((status, output), (71, ""))
        self.assertEqual(errors, "bwctl: cannot start echo: No such file or directory\n")


class NothingLeftTests(GuardTestCase):
    """Whatever a tester starts, nothing survives tester or daemon."""

    def test_orphan_killed_with_the_tester(self) -> None:
        """A process that left session and parent is killed when the tester ends."""
        status, _, _ = self.outcome(python(ORPHAN + WAIT_FOR_FILE, str(self.file)))
        self.assertEqual(status, 0)
        self.assertFalse(alive(self.pid_in_file()))

    def test_orphan_killed_with_the_lifeline(self) -> None:
        process = self.guarded(python(ORPHAN + "    time.sleep(60)", str(self.file)))
        orphan = self.pid_in_file()
        self.assertTrue(alive(orphan))
        self.close_lifeline()
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGKILL)
        self.assertFalse(alive(orphan))

    def test_background_children(self) -> None:
        """A shell's background children hold no pipe open after the tester's end."""
        self.assertEqual(self.outcome(["sh", "-c", "sleep 60 & sleep 60 & exit 3"])[0], 3)

    def test_deaf_tester(self) -> None:
        """A tester that ignores TERM is killed when the lifeline closes."""
        process = self.guarded(python(DEAF))
        self.wait_ready(process)
        process.terminate()
        self.assertIsNone(process.poll())
        self.close_lifeline()
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGKILL)

    def test_stopped_tester(self) -> None:
        """A tester in state T is killed too."""
        process = self.guarded(["sh", "-c", "echo ready; kill -STOP $$"])
        self.wait_ready(process)
        self.close_lifeline()
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGKILL)

    def test_lifeline_closed_from_the_start(self) -> None:
        self.close_lifeline()
        self.assertEqual(self.guarded(["sleep", "60"]).wait(PATIENCE_S), -signal.SIGKILL)

    def test_many(self) -> None:
        """Processes that fork while they are being killed do not get away."""
        source = "for i in 1 2 3 4 5 6 7 8; do (while :; do sleep 0.01; done) & done; exit 0"
        process = self.guarded(["sh", "-c", source])
        self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_without_proc(self) -> None:
        """Where /proc is missing the tester's group is still killed."""
        source = """
            import sys
            sys.path.append(sys.argv[1])
            from bwctl.embedded import guard, processes
            processes.PROC = "/nonexistent"
            shell = "sleep 60 & echo $!; sleep 60"
            guard.main(["--lifeline", sys.argv[2], "--", "sh", "-c", shell])
        """
        command = python(source, str(Path(RUN).parents[2]), str(self.reader))
        process = subprocess.Popen(
            command, pass_fds=[self.reader], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        background = int(process.stdout.readline())
        self.close_lifeline()
        self.assertEqual(process.wait(PATIENCE_S), -signal.SIGKILL)
        self.assertFalse(alive(background))

    def test_daemon_killed(self) -> None:
        """SIGKILL of the process that holds the lifeline ends guard, tester and orphans."""
        guard_file = self.file.with_name("guard")
        tester = python(ORPHAN + "    time.sleep(60)", str(self.file))
        daemon = subprocess.Popen(python(HOLDER, str(guard_file), *PREFIX, *tester))
        self.addCleanup(daemon.wait)
        orphan = self.pid_in_file()
        guard_pid = int(guard_file.read_text())
        daemon.kill()
        self.assertTrue(until(lambda: not alive(guard_pid) and not alive(orphan)))

    def test_guard_killed(self) -> None:
        """SIGKILL of the guard takes the tester along by its parent-death signal."""
        process = self.guarded(["sh", "-c", "echo ready; echo $$; exec sleep 60"])
        self.wait_ready(process)
        assert process.stdout is not None
        tester = int(process.stdout.readline())
        process.kill()
        self.assertTrue(until(lambda: not alive(tester)))
