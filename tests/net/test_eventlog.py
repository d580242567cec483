"""The logger of connections and requests is as Twisted's, but makes nothing that nobody hears."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from bwctl.net import eventlog
from bwctl.net.eventlog import EventLog


class Talker:
    log: ClassVar[EventLog] = EventLog()


class Formatted:
    """Counts how often somebody wants it as text."""

    times = 0

    def __str__(self) -> str:
        self.times += 1
        return "text"


class EventLogTests(SynchronousTestCase):
    def test_event(self) -> None:
        """An event has what Twisted's has, the class of the logger as its namespace too."""
        with capturedLogs() as events:
            Talker().log.info("hello {name}", name="you", event="a.b")
        (event,) = events
        self.assertEqual((event["event"], event["name"]), ("a.b", "you"))
        self.assertEqual(event["log_format"], "hello {name}")
        self.assertIs(event["log_level"], LogLevel.info)
        self.assertEqual(event["log_namespace"], f"{__name__}.Talker")
        self.assertIsInstance(event["log_time"], float)

    def test_failure(self) -> None:
        """Failures are logged as ever."""
        with capturedLogs() as events:
            try:
                raise ValueError("x")
            except ValueError:
                Talker.log.failure("broken", event="a.broken")
        self.assertIs(events[0]["log_level"], LogLevel.critical)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_nobody_hears(self) -> None:
        """What is not heard is neither made nor formatted; the rest is."""
        asked: list[Any] = []

        def hears(level: Any, event: str) -> bool:
            asked.append((level, event))
            return event == "a.heard"

        self.patch(EventLog, "hears", hears)
        silent, heard = Formatted(), Formatted()
        with capturedLogs() as events:
            Talker.log.debug("{thing}", thing=silent, event="a.silent")
            Talker.log.info("{thing}", thing=heard, event="a.heard")
        self.assertEqual([event["event"] for event in events], ["a.heard"])
        self.assertEqual(asked, [(LogLevel.debug, "a.silent"), (LogLevel.info, "a.heard")])
        self.assertEqual(silent.times, 0)

    def test_everything_by_default(self) -> None:
        """As long as nobody owns the log of the process, everything is told."""
        self.assertIs(EventLog.hears, eventlog.everything)
