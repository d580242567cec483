"""A tester as a child process under its guard. Source: ecosystem.md section 6; testers.md 4."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport, IReactorProcess
from twisted.internet.protocol import ProcessProtocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

import bwctl.embedded
from bwctl.net.kept import Kept
from bwctl.net.once import Once
from bwctl.net.outlived import MARK, kill_outlived
from bwctl.net.timers import Timer, Timers

MAX_OUTPUT = 4 * 1024 * 1024  # octets kept of what a tester writes
_RUN = str(Path(bwctl.embedded.__file__).with_name("run.py"))
_LIFELINE = 3
_BETWEEN_SIGNALS_S = 0.3
_SWEEP_S = 0.05  # between looks for what outlived a guard
_SWEEPS = 100
_GRACE_S = 1.0  # from the last gentle signal to the lifeline's end, and from that to KILL
_PASSED_ON = {name: os.environ[name] for name in ("TMPDIR",) if name in os.environ}
_ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **_PASSED_ON}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a tester ended, and all that is kept of what it wrote."""

    exit_status: int | None  # None: ended by a signal
    signal: int | None
    output: bytes
    stopped: bool  # we asked it to end

    @property
    def clean(self) -> bool:
        """Whether it ended by itself with status 0."""
        return self.exit_status == 0


def is_guard(command_line: bytes) -> bool:
    """Whether a command line as /proc has it is that of a guard."""
    return f"{_RUN}\0guard\0".encode() in command_line


class TesterProcess(ProcessProtocol):
    """Runs one command line, keeps its output, and ends it for certain.

    Ending is done in steps: the tester's gentle signals, then the end of the lifeline (the guard
    kills all below it), then KILL to the guard. What a guard that was killed has left is killed
    here. `ended` fires when the process has been reaped and nothing is left below it.
    """

    log: ClassVar[Logger] = Logger()
    running: ClassVar[set[TesterProcess]] = set()  # all of this program that have not ended
    transport: IProcessTransport

    def __init__(
        self,
        timers: Timers,
        *,
        stop_signals: Sequence[str] = ("TERM",),
        max_output: int = MAX_OUTPUT,
        on_output: Callable[[bytes], None] | None = None,
    ) -> None:
        self.ended: Once[Ended] = Once()
        self._timers = timers
        self._stop_signals = tuple(stop_signals)
        self._on_output = on_output
        self._kept = Kept(max_output)
        self._stopping = False
        self._tied = True  # the lifeline is there
        self._exited = False  # the guard is gone, though its pipes may be open
        self._mark = secrets.token_hex(8)
        self._guard = 0  # its process id
        self._closed: Failure | None = None  # how it ended, once its pipes are closed too
        self._sweep: Timer | None = None
        self._step: Timer | None = None

    def start(
        self,
        reactor: IReactorProcess,
        command: Sequence[str],
        *,
        cpus: str | None = None,
        top_only: bool = False,
        private_directory: str = "",
    ) -> None:
        """Run a command line; no shell is involved.

        Args:
            cpus: numbers of those that it may use, with commas.
            top_only: signals are for its first process, not for its group.
            private_directory: word in the command line for the path of a directory made for it.
        Raises:
            OSError: no process or descriptor is to be had.
        """
        options = ["--cpus", cpus] if cpus else []
        options += ["--top-only"] if top_only else []
        options += ["--private-directory", private_directory] if private_directory else []
        guard = [sys.executable, "-I", "-S", _RUN, "guard", *options, "--", *command]
        reactor.spawnProcess(
            self,
            guard[0],
            guard,
            env={**_ENVIRONMENT, MARK: self._mark},
            childFDs={0: "w", 1: "r", 2: "r", _LIFELINE: "w"},
        )
        self.running.add(self)
        self._guard = self.pid or 0

    def is_of(self, timers: Timers) -> bool:
        """Whether it runs for the daemon with these timers."""
        return self._timers is timers

    @property
    def pid(self) -> int | None:
        """Of the guard, until that has ended."""
        pid: int | None = self.transport.pid
        return pid

    def connectionMade(self) -> None:
        """The guard runs; a tester reads nothing."""
        self.transport.closeStdin()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Keep output and errors in the order of their arrival, up to the bound."""
        self._kept.add(data)
        if self._on_output is not None:
            self._on_output(data)

    def childConnectionLost(self, childFD: int) -> None:
        """A pipe is closed; the lifeline's when the guard has ended."""
        if childFD == _LIFELINE:
            self._tied = False

    @property
    def output(self) -> bytes:
        """What has been written so far."""
        return self._kept.octets

    def stop(self) -> None:
        """Ask the tester to end; called again it changes nothing."""
        if not self._stopping and not self._exited:
            self._stopping = True
            self._signal_next(list(self._stop_signals))

    def kill(self) -> None:
        """End the tester at once, with all that it started."""
        if not self._exited:
            self._stopping = True
            self._cut_lifeline()

    def _later(self, delay: float, call: Callable[..., None], *args: object) -> None:
        if self._step is not None:
            self._step.cancel()
        self._step = self._timers.after(delay, call, *args)

    def _signal_next(self, names: list[str]) -> None:
        self._signal(names.pop(0))
        if names:
            self._later(_BETWEEN_SIGNALS_S, self._signal_next, names)
        else:
            self._later(_GRACE_S, self._cut_lifeline)

    def _cut_lifeline(self) -> None:
        if self._tied:
            self._tied = False
            self.transport.closeChildFD(_LIFELINE)
        self._later(_GRACE_S, self._kill_guard)

    def _kill_guard(self) -> None:
        self.log.warn("a guard did not end; killing it", event="tester.guard_killed")
        self._signal("KILL")

    def _signal(self, name: str) -> None:
        try:
            self.transport.signalProcess(name)
        except ProcessExitedAlready:
            return

    def processExited(self, reason: Failure = connectionDone) -> None:
        """The guard is gone; if somebody else keeps its pipes open, we close them soon.

        It ends by KILL as its tester does, or because somebody has killed it.
        """
        self._exited = True
        self._later(_GRACE_S, self._close_pipes)
        if getattr(reason.value, "signal", None) == signal.SIGKILL:
            self._kill_outlived(_SWEEPS)

    def _kill_outlived(self, times: int) -> None:
        """Again and again, until nothing is left of what the guard was to end."""
        self._sweep = None
        found = kill_outlived(self._guard, self._mark)
        if found and times:
            self._sweep = self._timers.after(_SWEEP_S, self._kill_outlived, times - 1)
            return
        if found:
            self.log.error(
                "processes {left} outlived their guard and do not die",
                left=found,
                event="tester.undead",
            )
        self._tell_end()

    def _close_pipes(self) -> None:
        self.log.warn("a tester outlived its guard", event="tester.guard_lost")
        if self._tied:
            self._tied = False
            self.transport.closeChildFD(_LIFELINE)
        self.transport.loseConnection()

    def processEnded(self, reason: Failure = connectionDone) -> None:
        """Reaped, and all pipes are closed."""
        self._exited = True
        if self._step is not None:
            self._step.cancel()
        self._closed = reason
        self._tell_end()

    def _tell_end(self) -> None:
        """Once nobody is left who reads, writes or runs."""
        if self._closed is None or self._sweep is not None:
            return
        self.running.discard(self)
        value = self._closed.value
        self.ended.fire(
            Ended(
                getattr(value, "exitCode", None),
                getattr(value, "signal", None),
                self._kept.octets,
                self._stopping,
            )
        )
