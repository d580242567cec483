"""From log events to lines: what one turn of the reactor tells is written together at its end."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from bwctl.daemon.log_choice import LEVELS, WARNING, Choice
from bwctl.daemon.log_format import json_line, text_line
from bwctl.daemon.log_sinks import Line, Sink

MOST_GATHERED: Final = 100  # events; a turn that brings more writes in between

_LOGGING_MODULES: Final = (
    "twisted.logger.",
    "twisted.python.log",
    "twisted.python.threadable",
    "bwctl.daemon.log",
    "bwctl.net.eventlog",
)


@implementer(ILogObserver)
class Observer:
    """Writes what `Choice.wants`, in the order in which it was told.

    Between `begin` and `end` the events of one turn of the reactor are gathered: lines made one
    after the other cost a quarter of what they cost one by one between other work, and one write
    does for all. Warnings and what is graver, and what another thread tells, do not wait.

    Args:
        choice: which events, and how; may be replaced at any time.
        sink: takes the lines.
        ours_only: whether to leave out other libraries' events.
    """

    def __init__(self, choice: Choice, sink: Sink, *, ours_only: bool) -> None:
        self._choice = choice
        self._sink = sink
        sink.lost_line = self._lost_line
        self._ours_only = ours_only
        self._gathered: deque[tuple[LogEvent, int, str]] = deque()  # event, severity, location
        self._lock = threading.Lock()
        self._writer = 0  # the thread that has it
        self._reactor: IReactorTime | None = None
        self._thread = 0  # of the reactor
        self._due: IDelayedCall | None = None

    @property
    def choice(self) -> Choice:
        """Which events, and how; what was told before a change is still written as it was then."""
        return self._choice

    @choice.setter
    def choice(self, choice: Choice) -> None:
        self.flush()
        self._choice = choice

    def __call__(self, event: LogEvent) -> None:
        if self._ours_only and not str(event.get("log_namespace", "")).startswith("bwctl."):
            return
        choice = self._choice
        severity = choice.severity(event)
        if not choice.wants(event, severity):
            return
        self._gathered.append((event, severity, _location() if choice.location else ""))
        if not self._may_wait(severity):
            self.flush()
        elif self._due is None:
            self._due = self._reactor.callLater(0, self._turn_ends)  # type: ignore[union-attr]

    def _may_wait(self, severity: int) -> bool:
        return (
            severity > WARNING
            and self._reactor is not None
            and len(self._gathered) < MOST_GATHERED
            and threading.get_ident() == self._thread
        )

    def begin(self, reactor: IReactorTime) -> None:
        """Gather from now on; to be called in the reactor's thread."""
        self._thread = threading.get_ident()
        self._reactor = reactor

    def end(self) -> None:
        """Write what was gathered, and from now on at once."""
        self._reactor = None
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self.flush()

    def _turn_ends(self) -> None:
        self._due = None
        self.flush()

    def flush(self) -> None:
        """Write what was gathered; any thread may ask. What is told meanwhile comes behind it."""
        if self._writer == threading.get_ident():  # told by what lines are made of
            return
        with self._lock:
            self._writer = threading.get_ident()
            try:
                while self._gathered:
                    self._sink.write(list(self._lines()))
            finally:
                self._writer = 0

    def _lines(self) -> Iterator[Line]:
        while self._gathered:
            event, severity, location = self._gathered.popleft()
            try:
                line = self._line(event, LEVELS[severity], location)
            except Exception as error:  # whatever is in an event: it must not cost other lines
                line = self._line(_unwritten(event, error), LEVELS[severity], location)
            yield severity, line

    def _line(self, event: LogEvent, level: str, location: str) -> str:
        if self._choice.json:
            return json_line(event, level, location)
        return text_line(event, level, location, time=self._sink.timed)

    def _lost_line(self, count: int, why: str) -> str:
        told = {
            "log_format": "{count} log lines were lost: {why}",
            "log_time": time.time(),
            "count": count,
            "why": why,
            "event": "log.lost",
        }
        return self._line(told, LEVELS[WARNING], "")


def _unwritten(event: LogEvent, error: Exception) -> LogEvent:
    """What to tell in place of an event of which no line can be made."""
    return {
        "log_format": "an event of {namespace} cannot be written: {why}",
        "log_time": time.time(),
        "namespace": str(event.get("log_namespace")),
        "why": type(error).__name__,
        "event": "log.unwritten",
    }


def _location() -> str:
    """Place in the source that logged the event at hand; empty if it was logged before."""
    frame = sys._getframe(1)
    while (module := str(frame.f_globals.get("__name__"))).startswith(_LOGGING_MODULES):
        if module == "twisted.logger._buffer" or frame.f_back is None:
            return ""
        frame = frame.f_back
    return f"{module.replace('.', '/')}.py:{frame.f_lineno}"
