"""Daemons and clients as real processes, ours and C BWCTL's, for end-to-end tests.

Everything here is synchronous: it blocks until it is done, or fails with an AssertionError that
shows what the programs wrote. No reactor is needed.

    def test_something(self) -> None:
        with running(start_ours("127.0.0.2"), start_ours("127.0.0.3")) as (one, two):
            ran = run_ours("-a", "0.1", "-c", one.node, "-s", two.node, "-t", "2")
            self.assertEqual(ran.status, 0, ran.report)

C BWCTL is used where the environment variable BWCTL_C_BIN names the directory of its programs.
"""

from __future__ import annotations

import atexit
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.ports import Block, take_block
from tests.support.processes import is_awake, is_busy
from tests.support.schema import read_results

C_BIN = os.path.abspath(os.environ.get("BWCTL_C_BIN", "")) if os.environ.get("BWCTL_C_BIN") else ""
NO_C = "" if C_BIN else "BWCTL_C_BIN does not name the directory of C BWCTL's bwctl and bwctld"
"""Why tests with C programs are skipped; empty where they are not."""


OPTIONS = "allow_unsync\nroot_folly\n"
LIMITS = """\
limit root with duration=0, bandwidth=0, allow_udp=on, allow_tcp=on, allow_open_mode=on
assign default root
"""
USER = "testuser"
KEYS = f"{USER} 91b4306547f50105c7c9a23e505cd458\n"  # the passphrase is "golden passphrase"

START_S = 60.0  # patience; C looks for all its testers before it listens
STOP_S = 30.0
CLIENT_S = 90.0

_TWISTD = "import sys; from twisted.scripts.twistd import run; sys.exit(run())"
_CLIENT = "import sys; from bwctl.cli import main; sys.exit(main.{}())"
_OURS_READY = "testers known"
_LOG_COMPLAINT = re.compile(r"Traceback|Unhandled|#critical\]|#error\]|Z (crit|err|emerg|alert) ")
_STATUS, _VIOLATION = "daemon.status", "daemon.violation"  # events
_STOPPED = (0, -signal.SIGTERM)  # twistd ends by the signal that stopped it


def until(condition: Callable[[], object], patience_s: float, pause_s: float = 0.02) -> bool:
    """Wait for a condition; whether it came true in time."""
    end = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause_s)
    return True


# -- daemons -----------------------------------------------------------------------------------


@dataclass
class Daemon:
    """A daemon in a directory of its own. `stop` checks that nothing of it is left."""

    kind: str  # "ours" or "C"
    address: str
    ports: Block
    directory: Path
    process: subprocess.Popen[bytes] = field(init=False)
    errors_expected: bool = False

    @property
    def node(self) -> str:
        """Address and port, as -c and -s take them."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.ports.control}"

    @property
    def name(self) -> str:
        """For messages."""
        return f"daemon {self.kind} {self.node}"

    @property
    def auth(self) -> tuple[str, str, str]:
        """The words that follow the mode's letters after a host, for the user of KEYS."""
        return ("AESKEY", USER, str(self.directory / "bwctl-server.keys"))

    @property
    def run_directory(self) -> Path:
        """The current directory of the daemon, and by inheritance of all its processes."""
        return self.directory / "run"

    def log(self, start: int = 0) -> str:
        """What it has to tell up to now, from an octet on.

        It writes what a turn of its reactor told when that turn ends, which may be a moment after
        a client was answered; when it sleeps everything is written.
        """
        until(lambda: not is_busy(self.process.pid), 0.5, 0.001)
        with (self.directory / "log").open("rb") as file:
            file.seek(start)
            return file.read().decode("utf-8", "replace")

    def complaint(self) -> str:
        """The first error in its log with what follows it; empty if there is none."""
        text = self.log()
        found = _LOG_COMPLAINT.search(text)
        return text[max(0, found.start() - 200) :][:4000] if found else ""

    def testers(self) -> dict[int, str]:
        """Its processes other than itself: guards and testers, orphans too; command line by pid."""
        return {pid: line for pid, line in self._processes().items() if pid != self.process.pid}

    def _processes(self) -> dict[int, str]:
        return dict(_processes_in(str(self.run_directory)))

    def assert_idle(self, patience_s: float = 5.0) -> None:
        """Fail unless all its tests' processes are gone in time."""
        if not until(lambda: not self.testers(), patience_s):
            raise AssertionError(f"{self.name}: processes are left: {self.testers()}\n{self.log()}")

    def violations(self) -> list[str]:
        """What it has found wrong with itself (bwctl.net.invariants); it looks now, if it lives."""
        if self.kind == "ours" and self._is_awake():
            before = self.log().count(_STATUS)
            self.process.send_signal(signal.SIGUSR1)
            answered = lambda: self.log().count(_STATUS) > before  # noqa: E731
            if not until(lambda: answered() or not self._is_awake(), STOP_S):
                return ["it does not answer USR1"]
        return [line for line in self.log().splitlines() if _VIOLATION in line]

    def _is_awake(self) -> bool:
        """Whether it runs and is not stopped by a signal."""
        return self.process.poll() is None and is_awake(self.process.pid)

    def stop(self) -> None:
        """TERM, then see that it ended well and that nothing of it is left; frees its ports.

        Raises:
            AssertionError: with every complaint, and the log.
        """
        try:
            complaints = list(self._stop())
            if complaints:
                raise AssertionError("\n".join([f"{self.name}:", *complaints, self.log()]))
        finally:
            self._kill()

    def _stop(self) -> Iterator[str]:
        if self.process.poll() is not None:
            yield f"it had ended by itself with status {self.process.returncode}"
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            yield f"it did not end within {STOP_S:.0f} s"
            return
        if status not in _STOPPED:
            yield f"it ended with status {status}"
        if left := self.testers():
            yield f"it left processes behind: {left}"
        if taken := self.ports.taken():
            yield f"somebody still uses its ports {taken}"
        if self.kind == "ours":
            yield from self._complaints_of_ours()

    def _complaints_of_ours(self) -> Iterator[str]:
        yield from self.violations()  # it has looked when TERM came and when all was over
        if not self.errors_expected and self.complaint():
            yield "its log has an error"
        if files := [path.name for path in self.run_directory.iterdir()]:
            yield f"it left files behind: {files}"

    def forgive_errors(self) -> None:
        """The log may have errors: the test made them on purpose."""
        self.errors_expected = True

    def kill(self) -> None:
        """End it and all its processes at once; remove its directory.

        Raises:
            AssertionError: it lived, and says that it has leaked something.
        """
        try:
            found = self.violations() if self.directory.exists() else []
            if found:
                raise AssertionError("\n".join([f"{self.name}:", *found, self.log()]))
        finally:
            self._kill()

    def _kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.testers():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        shutil.rmtree(self.directory, ignore_errors=True)
        self.ports.release()
        atexit.unregister(self._kill)


def start_ours(
    address: str,
    options: str = "",
    *,
    limits: str = LIMITS,
    keys: str = KEYS,
    arguments: Sequence[str] = (),
    inside: Sequence[str] = (),
) -> Daemon:
    """Start one of our daemons; back when it listens and knows its testers.

    Args:
        address: of loopback, 127.0.0.2 and so on. The ports are free ones.
        options: more lines for bwctl-server.conf, after OPTIONS, the address and the port ranges.
        limits, keys: text of those files.
        arguments: more of the command line.
        inside: a command that becomes the one given as its arguments, say in `NetHost.inside`.
    """
    daemon = _prepare("ours", address, options, limits, keys)
    command = [*inside, sys.executable, "-c", _TWISTD, "--nodaemon", "--pidfile=", "bwctld"]
    return _start(daemon, [*command, "-c", str(daemon.directory), *arguments], _ours_is_ready)


def start_c(
    address: str,
    options: str = "",
    *,
    limits: str = LIMITS,
    keys: str = KEYS,
    arguments: Sequence[str] = (),
) -> Daemon:
    """Start a C daemon; the same arguments as `start_ours`. Only where NO_C is empty."""
    assert C_BIN, NO_C
    daemon = _prepare("C", address, "log_location\n" + options, limits, keys)
    folders = ["-c", str(daemon.directory), "-R", str(daemon.run_directory)]
    return _start(daemon, [f"{C_BIN}/bwctld", *folders, "-f", "-Z", *arguments], _c_is_ready)


def start(kind: str, address: str, options: str = "", *, limits: str = LIMITS) -> Daemon:
    """`start_ours` or `start_c`, by "ours" or "C"."""
    return {"ours": start_ours, "C": start_c}[kind](address, options, limits=limits)


@contextmanager
def running(*daemons: Daemon) -> Iterator[tuple[Daemon, ...]]:
    """Stop daemons at the end, with all checks; only end them if the test has failed already."""
    try:
        yield daemons
        for daemon in daemons:
            daemon.stop()
    finally:
        with ExitStack() as ends:
            for daemon in daemons:
                ends.callback(daemon.kill)


def _prepare(kind: str, address: str, options: str, limits: str, keys: str) -> Daemon:
    directory = Path(tempfile.mkdtemp(prefix="bwctl-test-"))
    daemon = Daemon(kind, address, take_block(), directory)
    daemon.run_directory.mkdir()
    ports = daemon.ports
    where = f"src_node {daemon.node}\npeer_port {ports.peer}\ntest_port {ports.test}\n"
    (directory / "bwctl-server.conf").write_text(OPTIONS + where + options)
    (directory / "bwctl-server.limits").write_text(limits)
    (directory / "bwctl-server.keys").write_text(keys)
    (directory / "bwctl-server.keys").chmod(0o600)
    return daemon


def _start(daemon: Daemon, command: Sequence[str], ready: Callable[[Daemon], bool]) -> Daemon:
    with (daemon.directory / "log").open("wb") as log:
        daemon.process = subprocess.Popen(
            command,
            cwd=daemon.run_directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"TMPDIR": str(daemon.run_directory)},
        )
    atexit.register(daemon._kill)  # for a test that fails before it can stop the daemon
    is_over = lambda: daemon.process.poll() is not None or ready(daemon)  # noqa: E731
    in_time = until(is_over, START_S)
    if not in_time or daemon.process.poll() is not None:
        text = f"{daemon.name} did not start, status {daemon.process.poll()}:\n{daemon.log()}"
        daemon._kill()
        raise AssertionError(text)
    return daemon


def _ours_is_ready(daemon: Daemon) -> bool:
    return _OURS_READY in daemon.log()


def _c_is_ready(daemon: Daemon) -> bool:
    """Whether it listens; it knows its testers by then."""
    return daemon.ports.control in _listening_ports() and not daemon.testers()


def _listening_ports() -> set[int]:
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    texts = [table.read_text("ascii") for table in tables if table.exists()]
    fields = [row.split() for text in texts for row in text.splitlines()[1:]]
    return {int(one[1].split(":")[1], 16) for one in fields if one[3] == "0A"}


def _processes_in(directory: str) -> Iterator[tuple[int, str]]:
    """Pid and command line of processes with a current directory; those that ended do not count."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if os.readlink(entry / "cwd") == directory:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                yield int(entry.name), line.decode("utf-8", "replace").strip()
        except OSError:  # gone meanwhile, a zombie, or another user's
            continue


# -- clients -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """How a client ended, and what it wrote."""

    arguments: tuple[str, ...]
    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def report(self) -> str:
        """All of it, for the message of a failed test."""
        return (
            f"bwctl {' '.join(self.arguments)}\nstatus {self.status} after {self.seconds:.1f} s\n"
            f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
        )


class Client:
    """A client that runs. Its home directory is an empty one.

    What it prints with --json has to keep to the published schema, in every test.
    """

    def __init__(self, command: Sequence[str], arguments: Sequence[str]) -> None:
        self._arguments = tuple(arguments)
        self._began = time.monotonic()
        self._home = tempfile.mkdtemp(prefix="bwctl-test-home-")
        environment = {key: value for key, value in os.environ.items() if key != "BWCTLRC"}
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=self._home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment | {"HOME": self._home, "TMPDIR": self._home},
        )
        self._said = b""  # what was read of its stderr
        atexit.register(self._give_up)  # for a test that does not wait for its end

    def await_word(self, word: str, patience_s: float = START_S) -> None:
        """Wait until it has said something on stderr.

        Raises:
            AssertionError: it did not.
        """
        assert self.process.stderr is not None
        stderr, end = self.process.stderr.fileno(), time.monotonic() + patience_s
        while word.encode() not in self._said:
            ready, _, _ = select.select([stderr], [], [], max(0.0, end - time.monotonic()))
            octets = os.read(stderr, 65536) if ready else b""
            assert octets, f"it never said {word!r}, but {self._said!r}"
            self._said += octets

    def wait(self, patience_s: float = CLIENT_S) -> Ran:
        """Its end.

        Raises:
            AssertionError: it did not come in time; the client was killed.
        """
        try:
            out, err = self.process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            ran = self._ran(*self.process.communicate())
            raise AssertionError(f"killed after {patience_s:.0f} s: {ran.report}") from None
        return self._ran(out, err)

    def end(self, number: int = signal.SIGKILL) -> Ran:
        """Send it a signal and wait for its end."""
        self.process.send_signal(number)
        return self.wait(STOP_S)

    def _give_up(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self._home, ignore_errors=True)

    def _ran(self, out: bytes, err: bytes) -> Ran:
        atexit.unregister(self._give_up)
        until(lambda: not dict(_processes_in(self._home)), 3.0)
        left = dict(_processes_in(self._home))
        shutil.rmtree(self._home, ignore_errors=True)
        assert not left, f"the client left processes behind: {left}"
        ran = Ran(
            self._arguments,
            self.process.returncode,
            out.decode("utf-8", "replace"),
            (self._said + err).decode("utf-8", "replace"),
            time.monotonic() - self._began,
        )
        if "--json" in self._arguments and "check" not in self._arguments and ran.status >= 0:
            assert read_results(ran.stdout), f"no result: {ran.report}"
        return ran


def client_ours(*arguments: str, program: str = "bwctl") -> Client:
    """Start our client: bwctl, bwping or bwtraceroute."""
    return Client([sys.executable, "-c", _CLIENT.format(program)], arguments)


def client_c(*arguments: str, program: str = "bwctl") -> Client:
    """Start C's client. Only where NO_C is empty."""
    return Client([f"{C_BIN}/{program}"], arguments)


def run_ours(*arguments: str, patience_s: float = CLIENT_S) -> Ran:
    """Run our client to its end."""
    return client_ours(*arguments).wait(patience_s)


def run_c(*arguments: str, patience_s: float = CLIENT_S) -> Ran:
    """Run C's client to its end. Only where NO_C is empty."""
    return client_c(*arguments).wait(patience_s)
