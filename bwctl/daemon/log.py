"""What the daemon writes about itself: which events, at which level, and where they go.

One `DaemonLog` is one observer of `twisted.logger`. Run as `twistd bwctld` it takes the place of
twistd's own, and honours twistd's --nodaemon, --logfile and --syslog. In another application it
leaves that application's log alone, and adds the file of `log_file` if there is one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    globalLogPublisher,
)
from twisted.python.components import Componentized
from zope.interface import implementer

from bwctl.daemon.config import Settings
from bwctl.daemon.log_format import json_line, message, text_line
from bwctl.daemon.log_sinks import FileSink, Sink, StreamSink, SyslogSink, journal_reads
from bwctl.net.eventlog import EventLog, everything

LEVELS: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""Names of levels, the gravest first; the place is the number that syslog gives it."""

ACCESS_EVENTS: Final = frozenset(
    {
        "control.opened",
        "control.turned_away",
        "control.no_service",
        "reservation.made",
        "reservation.refused",
        "reservation.expired",
        "test.refused",
        "test.ended",
    }
)
"""Decisions about clients: one line each, at the level `access_priority`."""

_NOTHING: Final = -1  # the priority `none`
_WARNING: Final = LEVELS.index("warning")
_DEBUG: Final = LEVELS.index("debug")
_SEVERITY: Final = {
    LogLevel.critical: LEVELS.index("crit"),
    LogLevel.error: LEVELS.index("err"),
    LogLevel.warn: _WARNING,
    LogLevel.info: LEVELS.index("info"),
    LogLevel.debug: _DEBUG,
}

_PORT_NOISE: Final = (" starting on ", " Closed)")  # Twisted's words about ports, in its old log
_LOGGING_MODULES: Final = (
    "twisted.logger.",
    "twisted.python.log",
    "twisted.python.threadable",
    "bwctl.daemon.log",
    "bwctl.net.eventlog",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which events are written, and how; a reload replaces it."""

    worst: int  # least severe level that is written
    access: int  # level of ACCESS_EVENTS
    verbose: bool
    location: bool
    json: bool

    @classmethod
    def of(cls, settings: Settings) -> Choice:
        """What the settings say."""
        return cls(
            _severity_named(settings.priority),
            _severity_named(settings.access_priority),
            settings.verbose,
            settings.log_location,
            getattr(settings, "log_format", "text") == "json",
        )

    def severity(self, event: LogEvent) -> int:
        """The level of an event, as syslog counts."""
        if event.get("event") in ACCESS_EVENTS:
            return self.access
        return _SEVERITY.get(event.get("log_level", LogLevel.info), _WARNING)

    def hears(self, level: Any, event: str) -> bool:
        """Whether an event of ours is to be written, asked before it is made."""
        severity = self.access if event in ACCESS_EVENTS else _SEVERITY.get(level, _WARNING)
        return 0 <= severity <= self.worst and (self.verbose or severity != _DEBUG)

    def wants(self, event: LogEvent, severity: int) -> bool:
        """Whether an event of such a level is to be written."""
        if not 0 <= severity <= self.worst:
            return False
        return self.verbose or not (severity == _DEBUG or _is_noise(event, severity))


def _severity_named(priority: str) -> int:
    return _NOTHING if priority == "none" else LEVELS.index(priority)


def _is_noise(event: LogEvent, severity: int) -> bool:
    """Whether it is Twisted talking to itself."""
    if severity <= _WARNING:
        return False
    namespace = str(event.get("log_namespace", ""))
    if namespace == "log_legacy":
        return any(words in message(event) for words in _PORT_NOISE)
    return namespace.startswith("twisted.")


@implementer(ILogObserver)
class _Observer:
    """Writes what `Choice.wants`."""

    def __init__(self, choice: Choice, sink: Sink, *, ours_only: bool) -> None:
        self.choice = choice
        self._sink = sink
        self._ours_only = ours_only

    def __call__(self, event: LogEvent) -> None:
        if self._ours_only and not str(event.get("log_namespace", "")).startswith("bwctl."):
            return
        choice = self.choice
        severity = choice.severity(event)
        if not choice.wants(event, severity):
            return
        level, location = LEVELS[severity], _location() if choice.location else ""
        if choice.json:
            line = json_line(event, level, location)
        else:
            line = text_line(event, level, location, time=self._sink.timed)
        self._sink.write(severity, line)


class DaemonLog:
    """The log of one daemon: made when the options are read; the service attaches and begins it.

    Args:
        settings: levels, format and file.
        runner: the options of the program that runs us (`Options.parent`); None: there are none.
    Raises:
        OSError: the log file cannot be opened.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, settings: Settings, runner: Mapping[str, Any] | None = None) -> None:
        self._twistd = runner if runner is not None and _is_free_twistd(runner) else None
        self._sink = choose_sink(settings, self._twistd)
        choice = Choice.of(settings)
        self.observer = _Observer(choice, self._sink, ours_only=self._twistd is None)

    def attach(self, application: object) -> None:
        """Become the observer that twistd begins to log with.

        Args:
            application: what twistd makes the parent of the service; it holds the observer as a
                component, for which twistd looks unless its --logger names another one.
        """
        if self._twistd is not None and isinstance(application, Componentized):
            application.setComponent(ILogObserver, self.observer)

    def begin(self) -> None:
        """The service starts: the process is the daemon by now, and twistd forks no more."""
        self._sink.begin()
        if self._is_extra():
            globalLogPublisher.addObserver(self.observer)
        self._listen()

    def end(self) -> None:
        """The service has stopped; twistd says a few words more."""
        if self._is_extra():
            globalLogPublisher.removeObserver(self.observer)
        EventLog.hears = everything
        self._sink.close()

    def _listen(self) -> None:
        """Spare the making of events that are not written, where this is the process's log."""
        EventLog.hears = self.observer.choice.hears if self._twistd is not None else everything

    def _is_extra(self) -> bool:
        return self._twistd is None and type(self._sink) is not Sink

    def reload(self, settings: Settings) -> None:
        """Take over levels and format, and open the file again; the old one stays if that fails."""
        self.observer.choice = Choice.of(settings)
        self._listen()
        try:
            self._sink.reopen()
        except OSError as error:
            self.log.error(
                "the log file cannot be opened again: {why}",
                why=str(error),
                event="log.not_reopened",
            )

    def hand_over(self, uid: int, gid: int) -> None:
        """The process is about to become this user, to whom the log file has to belong."""
        self._sink.hand_over(uid, gid)


def _is_free_twistd(runner: Mapping[str, Any]) -> bool:
    """Whether twistd runs us, not `twist`, and its user has not named an observer."""
    return "nodaemon" in runner and not runner.get("logger")


def choose_sink(settings: Settings, twistd: Mapping[str, Any] | None) -> Sink:
    """Where lines go: as the file says, else as twistd was told, else as C does.

    Raises:
        OSError: the log file cannot be opened.
    """
    path: str | None = getattr(settings, "log_file", None)
    if path:
        return FileSink(path)
    if twistd is None:
        return Sink()
    if not twistd.get("syslog"):
        path = twistd.get("logfile")
        if path and path != "-":
            return FileSink(path)
        if twistd["nodaemon"] or twistd.get("debug"):
            place = os.environ.get("JOURNAL_STREAM", "")
            return StreamSink(sys.stdout, journal=journal_reads(sys.stdout, place))
        if not os.path.exists("/dev/log"):
            return FileSink("twistd.log")
    prefix = twistd.get("prefix", "twisted")
    return SyslogSink(settings.facility, "bwctld" if prefix == "twisted" else prefix)


def _location() -> str:
    """Place in the source that logged the event at hand; empty if it was logged before."""
    frame = sys._getframe(1)
    while (module := str(frame.f_globals.get("__name__"))).startswith(_LOGGING_MODULES):
        if module == "twisted.logger._buffer" or frame.f_back is None:
            return ""
        frame = frame.f_back
    return f"{module.replace('.', '/')}.py:{frame.f_lineno}"
