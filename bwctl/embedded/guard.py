"""The guard: runs one tester and sees to it that nothing of it outlives the daemon.

    python -I -S run.py guard [--lifeline FD] [--cpus N[,N...]] [--top-only]
                              [--private-directory WORD] -- PROGRAM [ARG...]

The daemon holds the other end of the lifeline pipe. When that end closes, for whatever reason, or
when the tester ends, the guard kills all processes below itself, also those that called setsid or
were orphaned, and ends as the tester ended: with its exit status or by its signal. TERM, INT, HUP,
QUIT and USR1 are passed on to the tester's process group, with --top-only to the tester alone.

With --private-directory the guard makes a directory of mode 0700 below TMPDIR, runs the tester in
it, puts its path in place of every argument that is WORD, and removes it with all that is in it.

Exit statuses of the guard itself, each with a line on standard error: 64 bad command line,
71 fork, CPU affinity or directory refused, 127 the program cannot be run (written by the child).

Source: ecosystem.md section 6.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import time

from bwctl.embedded import processes, scratch
from bwctl.embedded.processes import Tester, attempt

USAGE_STATUS = 64  # EX_USAGE
SYSTEM_STATUS = 71  # EX_OSERR
NOT_RUN_STATUS = 127  # as in a shell

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)
_WATCHED = {*PASSED_ON, signal.SIGCHLD}


class UsageError(Exception):
    """The guard's command line makes no sense."""


class Options:
    """What the command line says."""

    def __init__(self) -> None:
        self.lifeline = 3
        self.cpus: set[int] = set()
        self.top_only = False
        self.word = ""  # that the private directory's path replaces; "": there is none
        self.command: list[str] = []


def complain(text: str) -> None:
    """Write one line to standard error in one write, which also works between fork and exec."""
    attempt(os.write, 2, f"bwctl: {text}\n".encode(errors="backslashreplace"))


def parse(arguments: list[str]) -> Options:
    """Options of a command line without the program's own name.

    Raises:
        UsageError: an unknown option, a wrong number, no program.
    """
    options = Options()
    rest = list(arguments)
    while rest and rest[0] != "--":
        _take_option(options, rest)
    options.command = rest[1:]
    if not options.command:
        raise UsageError("no program after --")
    return options


def _take_option(options: Options, rest: list[str]) -> None:
    name = rest.pop(0)
    if name == "--top-only":
        options.top_only = True
        return
    if name not in ("--lifeline", "--cpus", "--private-directory") or not rest:
        raise UsageError(f"unknown or incomplete option {name!r}")
    if name == "--private-directory":
        options.word = rest.pop(0)
        return
    numbers = _numbers(name, rest.pop(0))
    if name == "--cpus":
        options.cpus = set(numbers)
    elif len(numbers) == 1 and numbers[0] > 2:
        options.lifeline = numbers[0]
    else:
        raise UsageError("--lifeline wants one descriptor above 2")


def _numbers(name: str, text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and len(part) < 8 for part in parts):
        raise UsageError(f"{name} {text!r} is not a number")
    return [int(part) for part in parts]


def become_tester(options: Options, directory: str, guard: int, mask: set[signal.Signals]) -> None:
    """Turn the forked child into the tester. Never returns."""
    status, step = SYSTEM_STATUS, f"use CPUs {sorted(options.cpus)} for"
    try:
        os.setpgid(0, 0)
        processes.die_with_parent()
        if os.getppid() != guard:  # it died before the line above
            os._exit(status)
        if options.cpus:
            os.sched_setaffinity(0, options.cpus)
        if directory:
            os.chdir(directory)
        status, step = NOT_RUN_STATUS, "run"
        _reset_signals(mask)
        _close_all_but_standard()
        command = [directory if word == options.word else word for word in options.command]
        os.execvp(command[0], command)  # noqa: S606 (no shell is the point)
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
        reason = error.strerror if isinstance(error, OSError) else error
        complain(f"cannot {step} {options.command[0]}: {reason}")
    finally:
        os._exit(status)


def _reset_signals(mask: set[signal.Signals]) -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask - _WATCHED)


def _close_all_but_standard() -> None:
    try:
        numbers = [int(name) for name in os.listdir(f"{processes.PROC}/self/fd")]
    except OSError:
        numbers = list(range(4096))
    for number in numbers:
        if number > 2:
            attempt(os.close, number)


def watch_signals() -> int:
    """Let the watched signals arrive as octets on a pipe; its reading end."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _WATCHED:
        signal.signal(number, lambda *_: None)
    return reader


def start(options: Options, directory: str) -> Tester:
    """Fork the tester. Signals that come meanwhile are held back for both sides.

    Raises:
        OSError: no process could be made.
    """
    guard = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    mask = {number for number in before if isinstance(number, signal.Signals)}
    try:
        pid = os.fork()
        if pid == 0:
            become_tester(options, directory, guard, mask)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask - _WATCHED)
    attempt(os.setpgid, pid, pid)  # as the child does: the group has to be there for both
    return Tester(pid)


def watch(tester: Tester, options: Options, wakeup: int) -> None:
    """Wait until the tester ended or the lifeline closed, passing signals on."""
    poll = select.poll()
    poll.register(options.lifeline, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    send = os.kill if options.top_only else os.killpg
    while not processes.has_ended(tester):
        ready = [descriptor for descriptor, _ in poll.poll()]
        if wakeup in ready:
            for number in os.read(wakeup, 4096):
                if number in PASSED_ON:
                    attempt(send, tester.pid, number)
        if options.lifeline in ready and not _read(options.lifeline):
            return


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


def end_like(tester: Tester) -> int:
    """The tester's exit status; does not return if a signal ended the tester."""
    code = -signal.SIGKILL if tester.exit_code is None else tester.exit_code
    if code >= 0:
        return code
    if code != -signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
    os.kill(os.getpid(), -code)
    time.sleep(1.0)  # not reached: what ended the tester ends us
    return 128 - code


def prepare(options: Options) -> None:
    """Own session, no core files, adoption of orphans.

    Raises:
        UsageError: the lifeline is not open.
    """
    try:
        os.fstat(options.lifeline)
    except OSError as error:
        raise UsageError(f"lifeline {options.lifeline}: {error.strerror}") from None
    attempt(os.setsid)  # refused to a process group leader, as from a shell
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    processes.adopt_orphans()


def main(arguments: list[str]) -> int:
    """Guard a tester; its exit status, or one of our own."""
    try:
        options = parse(arguments)
        prepare(options)
    except UsageError as error:
        complain(f"guard: {error}")
        return USAGE_STATUS
    wakeup = watch_signals()
    directory = ""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        directory = scratch.make() if options.word else ""
        tester = start(options, directory)
    except OSError as error:
        complain(f"cannot start {options.command[0]}: {error.strerror}")
        scratch.remove(directory)
        return SYSTEM_STATUS
    os.dup2(null, 0)  # the tester alone holds what they were
    os.dup2(null, 1)
    watch(tester, options, wakeup)
    if not processes.kill_all(tester):
        complain(f"processes of {options.command[0]} do not die")
    if not scratch.remove(directory):
        complain(f"cannot remove {directory}")
    return end_like(tester)
