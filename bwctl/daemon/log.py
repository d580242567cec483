"""What the daemon writes about itself: which events, at which level, and where they go.

One `DaemonLog` is one observer of `twisted.logger`. Run as `twistd bwctld` it takes the place of
twistd's own, and honours twistd's --nodaemon, --logfile and --syslog. In another application it
leaves that application's log alone, and adds the file of `log_file` if there is one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver, Logger, globalLogPublisher
from twisted.python.components import Componentized

from bwctl.daemon.config import Settings
from bwctl.daemon.log_choice import Choice
from bwctl.daemon.log_observer import Observer
from bwctl.daemon.log_sinks import FileSink, Sink, StreamSink, SyslogSink, journal_reads
from bwctl.net.eventlog import EventLog, everything


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
        self.observer = Observer(choice, self._sink, ours_only=self._twistd is None)

    def attach(self, application: object) -> None:
        """Become the observer that twistd begins to log with.

        Args:
            application: what twistd makes the parent of the service; it holds the observer as a
                component, for which twistd looks unless its --logger names another one.
        """
        if self._twistd is not None and isinstance(application, Componentized):
            application.setComponent(ILogObserver, self.observer)

    def begin(self, reactor: IReactorTime) -> None:
        """The service starts: the process is the daemon by now, and twistd forks no more."""
        self._sink.begin()
        self.observer.begin(reactor)
        if self._is_extra():
            globalLogPublisher.addObserver(self.observer)
        self._listen()

    def end(self) -> None:
        """The service has stopped; twistd says a few words more."""
        if self._is_extra():
            globalLogPublisher.removeObserver(self.observer)
        EventLog.hears = everything
        self.observer.end()
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
