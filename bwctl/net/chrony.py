"""A clock whose error bound chrony tells, for hosts where chrony does not tell the kernel.

Source: ecosystem.md 5.2.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from bwctl.net.clock import SystemClock
from bwctl.net.once import Once
from bwctl.net.timers import Timer, Timers

INTERVAL_S = 16.0
TIMEOUT_S = 4.0
VALID_S = 3 * INTERVAL_S  # beyond this an answer no longer counts
COMMAND = ("chronyc", "-n", "-c", "tracking")  # -n: it looks for no names
_FIELDS = 14
_MAX_OUTPUT = 4096
_ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Tracking:
    """What chrony says of the clock."""

    synchronised: bool
    error_s: float


def parse_tracking(output: bytes) -> Tracking:
    """Read the one line of `chronyc -c tracking`.

    The error bound is |system offset| + root dispersion + half the root delay.

    Raises:
        ValueError: it is something else.
    """
    fields = output.decode("ascii", "replace").strip().split(",")
    if len(fields) != _FIELDS:
        raise ValueError(f"{len(fields)} fields, not {_FIELDS}")
    offset, delay, dispersion = (float(fields[place]) for place in (4, 10, 11))
    error_s = abs(offset) + dispersion + delay / 2
    if not math.isfinite(error_s) or error_s < 0:
        raise ValueError("an error that is no number of seconds")
    return Tracking(fields[13] != "Not synchronised" and fields[2] != "0", error_s)


class ChronyClock(SystemClock, Service):
    """The host's clock, with what chrony knows of it; asked beside everything else.

    Until chrony has answered, and when it no longer does, the clock is not synchronised. The time
    is the system's: chrony slews it, and what is left of the offset is in the bound.
    """

    name = "chrony"
    log: ClassVar[Logger] = Logger()

    def __init__(
        self, reactor: Any, sync_fuzz: float = 0.0, *, command: Sequence[str] = COMMAND
    ) -> None:
        super().__init__(sync_fuzz)
        self._reactor = reactor
        self._command = tuple(command)
        self._told = Tracking(False, 0.0)
        self._told_at = -math.inf
        self._timers = Timers(reactor, self)
        self._next: Timer | None = None
        self._asking: _Answer | None = None
        self._state_logged: bool | None = None

    def _state(self) -> tuple[bool, int, int]:
        if not self._told.synchronised or self.mono() - self._told_at > VALID_S:
            return False, 0, 0
        return True, math.ceil(self._told.error_s * 1e6), 0

    def startService(self) -> None:
        """Ask now, and then every 16 seconds."""
        super().startService()
        self._ask()

    def stopService(self) -> Deferred[None] | None:
        """Ask no more; fires when the last process is gone."""
        super().stopService()
        if self._next is not None:
            self._next.cancel()
        if self._asking is None:
            return None
        self._asking.kill()
        return self._asking.ended.wait().addCallback(lambda _: None)

    def _ask(self) -> None:
        self._next = self._timers.after(INTERVAL_S, self._ask)
        if self._asking is None:
            Deferred.fromCoroutine(self._read()).addErrback(self._broken)

    async def _read(self) -> None:
        answer = self._asking = _Answer()
        timer = self._timers.after(TIMEOUT_S, answer.kill)
        try:
            self._reactor.spawnProcess(answer, self._command[0], self._command, env=_ENVIRONMENT)
            output = await answer.ended.wait()
            self._told, self._told_at = parse_tracking(output), self.mono()
        except (OSError, ValueError) as error:
            self._tell(str(error) or type(error).__name__)
        else:
            self._tell("")
        finally:
            timer.cancel()
            self._asking = None

    def _tell(self, trouble: str) -> None:
        """Log when chrony changes its mind, not every time."""
        synchronised = self.synchronised()
        if not self.running or synchronised is self._state_logged:
            return
        self._state_logged = synchronised
        if synchronised:
            self.log.info(
                "chrony: the clock is right to within {error_s:.6f} s",
                error_s=self._told.error_s,
                event="clock.synchronised",
            )
            return
        self.log.warn(
            "chrony does not say that the clock is synchronised ({trouble}): tests are refused "
            "unless allow_unsync is set",
            trouble=trouble or "it is not",
            event="clock.unsynchronised",
        )

    def _broken(self, failure: Failure) -> None:
        self.log.failure("asking chrony failed", failure=failure, event="clock.broken")


class _Answer(ProcessProtocol):
    """One run of chronyc."""

    transport: IProcessTransport

    def __init__(self) -> None:
        self.ended: Once[bytes] = Once()  # fires with what it wrote
        self._output = b""

    def outReceived(self, data: bytes) -> None:
        """A line, or the start of a flood."""
        self._output = (self._output + data)[:_MAX_OUTPUT]
        if len(self._output) == _MAX_OUTPUT:
            self.kill()

    def kill(self) -> None:
        """It takes too long, or writes too much; a child of it may hold its pipes."""
        self.transport.loseConnection()
        try:
            self.transport.signalProcess("KILL")
        except ProcessExitedAlready:
            return

    def processEnded(self, reason: Failure = connectionDone) -> None:
        """It is reaped."""
        self.ended.fire(self._output)
