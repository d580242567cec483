"""Which events are written, and what a line looks like."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import IntEnum
from ipaddress import ip_address
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.application.service import Application, MultiService
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, Logger, LogLevel, LogPublisher, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from bwctl.daemon import log as log_module
from bwctl.daemon.config import Settings
from bwctl.daemon.log import DaemonLog
from bwctl.daemon.log_choice import ACCESS_EVENTS, LEVELS, Choice
from bwctl.daemon.log_format import LONGEST_FIELD, clean, json_line, quoted, text_line, timestamp
from bwctl.daemon.log_sinks import FileSink, Line, Sink
from bwctl.limits.keys import Key
from bwctl.net.eventlog import EventLog, everything
from bwctl.values import ntp_from_unix
from tests.wire.strategies import quiet

HOSTILE = "alice\n2026-01-01T00:00:00Z err fake \x1b[2J\r\x07\x9b\u202e\u2028\ud800\x00"
PRIORITIES = ("none", *LEVELS)
UNSAFE = [chr(code) for code in (*range(32), *range(127, 160), 0x2028, 0x2029, 0x202E, 0xD800)]


class Kept(Sink):
    """Keeps what it is given."""

    def __init__(self, *, timed: bool = True) -> None:
        self.timed = timed
        self.taken: list[tuple[int, str]] = []
        self.calls: list[str] = []
        self.writes = 0

    def write(self, lines: Sequence[Line]) -> None:
        self.taken += lines
        self.writes += 1

    def begin(self) -> None:
        self.calls.append("begin")

    def reopen(self) -> None:
        self.calls.append("reopen")
        raise OSError("gone")

    def hand_over(self, uid: int, gid: int) -> None:
        self.calls.append(f"{uid} {gid}")

    def close(self) -> None:
        self.calls.append("close")


class LogTestCase(SynchronousTestCase):
    """A daemon's log whose lines are kept."""

    def log_with(self, namespace: str = "bwctl.net", **settings: Any) -> tuple[Logger, Kept]:
        kept = Kept()
        self.patch(log_module, "choose_sink", lambda *_: kept)
        self.daemon_log = DaemonLog(Settings(**settings), {"nodaemon": True})
        return Logger(namespace, observer=LogPublisher(self.daemon_log.observer)), kept


def event(**fields: Any) -> dict[str, Any]:
    return {"log_time": 0.0, "log_level": LogLevel.info, "log_namespace": "bwctl.net", **fields}


class LevelTests(LogTestCase):
    """Settings `priority`, `access_priority` and `verbose`."""

    def written(self, **settings: Any) -> list[str]:
        """Which of one event per level, and of one access event, come through."""
        log, kept = self.log_with(**settings)
        for level in LogLevel.iterconstants():
            log.emit(level, level.name, event="some.event")
        log.warn("access", event="control.turned_away")
        return [line.split()[-1] for _, line in kept.taken]

    def test_priority(self) -> None:
        """The least severe level that is written; debug needs `verbose` besides."""
        everything = ["debug", "info", "warn", "error", "critical", "access"]
        self.assertEqual(self.written(priority="debug", verbose=True), everything)
        self.assertEqual(self.written(priority="debug"), everything[1:])
        self.assertEqual(self.written(priority="info", verbose=True), everything[1:])
        self.assertEqual(self.written(priority="notice"), ["warn", "error", "critical"])
        self.assertEqual(self.written(priority="warning"), ["warn", "error", "critical"])
        self.assertEqual(self.written(priority="err"), ["error", "critical"])
        self.assertEqual(self.written(priority="crit"), ["critical"])
        self.assertEqual(self.written(priority="alert"), [])
        self.assertEqual(self.written(priority="none"), [])

    def test_access_priority(self) -> None:
        """Decisions about clients are written at this level, whatever their own."""
        self.assertEqual(self.written(priority="err", access_priority="err")[-1], "access")
        self.assertEqual(self.written(priority="emerg", access_priority="emerg"), ["access"])
        self.assertNotIn("access", self.written(priority="info", access_priority="none"))
        self.assertNotIn("access", self.written(priority="none", access_priority="none"))

    def test_access_level_is_told(self) -> None:
        """The line and the system's log have the level of the setting."""
        log, kept = self.log_with(priority="info", access_priority="notice")
        for name in sorted(ACCESS_EVENTS):
            log.info("something", event=name)
            severity, line = kept.taken.pop()
            self.assertEqual(severity, LEVELS.index("notice"))
            self.assertIn(f" notice {name} something", line)

    def test_noise(self) -> None:
        """What Twisted says of its ports and factories is for `verbose`; warnings are not noise."""
        for verbose in (True, False):
            log, kept = self.log_with("twisted.scripts", priority="info", verbose=verbose)
            log.info("starting up")
            legacy = Logger("log_legacy", observer=log.observer)
            legacy.info("{text}", text="Doorway starting on 4823")
            legacy.info("{text}", text="(TCP Port 4823 Closed)")
            self.assertEqual(len(kept.taken), 3 * verbose)
            kept.taken.clear()
            log.warn("careful")
            legacy.info("{text}", text="Received SIGTERM, shutting down.")
            self.assertEqual(len(kept.taken), 2)

    def test_reload(self) -> None:
        """New levels and another format hold at once; a file that cannot be opened is told."""
        log, kept = self.log_with(priority="err")
        self.patch(self.daemon_log, "log", log)
        log.info("not yet", event="a.b")
        self.daemon_log.reload(Settings(priority="info", log_location=True))
        log.info("now", event="a.b")
        self.assertEqual(kept.calls, ["reopen"])
        self.assertIn(" err log.not_reopened ", kept.taken[0][1])
        self.assertIn(" a.b tests/daemon/test_log.py:", kept.taken[1][1])
        self.assertEqual(len(kept.taken), 2)

    def test_heard_is_wanted(self) -> None:
        """An event is made if and only if it is written, whatever the settings."""
        for access, priority, verbose in product(PRIORITIES, PRIORITIES, (True, False)):
            settings = Settings(access_priority=access, priority=priority, verbose=verbose)
            choice = Choice.of(settings)
            for level, name in product(LogLevel.iterconstants(), ("a.b", *ACCESS_EVENTS)):
                made = event(log_level=level, event=name)
                self.assertEqual(
                    choice.hears(level, name),
                    choice.wants(made, choice.severity(made)),
                    (made, settings),
                )

    def test_who_hears(self) -> None:
        """Only the log of the whole process spares events, from start to stop; a reload counts."""
        self.patch(log_module, "choose_sink", lambda *_: Kept())
        theirs = DaemonLog(Settings(priority="err"))
        theirs.begin(Clock())
        self.assertIs(EventLog.hears, everything)
        theirs.end()
        log = DaemonLog(Settings(priority="err"), {"nodaemon": True})
        self.addCleanup(log.end)
        self.assertIs(EventLog.hears, everything)
        log.begin(Clock())
        self.assertFalse(EventLog.hears(LogLevel.info, "a.b"))
        log.reload(Settings(priority="info"))
        self.assertTrue(EventLog.hears(LogLevel.info, "a.b"))
        log.end()
        self.assertIs(EventLog.hears, everything)

    def test_location(self) -> None:
        """`log_location` tells file and line of the call, not of a logger."""
        log, kept = self.log_with(priority="info", log_location=True)
        log.info("here", event="a.b")
        log.failure("broken", Failure(ValueError("x")), event="a.b")
        for _, line in kept.taken:
            self.assertRegex(line, r" a\.b tests/daemon/test_log\.py:\d+ ")

    def test_choice_without_new_settings(self) -> None:
        """Text is the format where the settings do not say."""
        self.assertFalse(Choice.of(Settings()).json)


class AttachTests(LogTestCase):
    """Who the observer is given to; with real processes: test_log_twistd.py."""

    def test_twistd(self) -> None:
        """The application holds it, for twistd to find."""
        application = Application("bwctld")
        log = DaemonLog(Settings(), {"nodaemon": True})
        log.attach(application)
        self.assertIs(application.getComponent(ILogObserver), log.observer)

    def test_not_taken_over(self) -> None:
        """Another application's log, or the one that --logger names, stays as it is."""
        for runner in (None, {"logFile": "-"}, {"nodaemon": True, "logger": "their.observer"}):
            application = Application("theirs")
            log = DaemonLog(Settings(), runner)
            for parent in (application, MultiService()):
                log.attach(parent)
            self.assertIsNone(application.getComponent(ILogObserver, None))
            log.begin(Clock())
            self.addCleanup(log.end)
            self.assertNotIn(log.observer, globalLogPublisher._observers)

    def test_file_in_other_application(self) -> None:
        """The file gets what is the daemon's, from start to stop."""
        path = self.mktemp()
        self.patch(log_module, "choose_sink", lambda *_: FileSink(path))
        log = DaemonLog(Settings(priority="info"))
        Logger("bwctl.net").info("before", event="a.b")
        log.begin(Clock())
        Logger("bwctl.net").info("mine", event="a.b")
        Logger("theirs").info("not mine")
        log.end()
        Logger("bwctl.net").info("after", event="a.b")
        with open(path, encoding="utf-8") as file:
            self.assertEqual([line.split()[-1] for line in file], ["mine"])

    def test_life(self) -> None:
        """The sink is told what happens to the process."""
        _, kept = self.log_with()
        self.daemon_log.begin(Clock())
        self.daemon_log.hand_over(7, 8)
        self.daemon_log.end()
        self.assertEqual(kept.calls, ["begin", "7 8", "close"])


class TextTests(SynchronousTestCase):
    """Lines for people."""

    def test_line(self) -> None:
        """Time, level, event, message, and the fields that the message does not show."""
        made = event(
            log_format="reservation for {client}, {role!r}",
            client=ip_address("192.0.2.7"),
            role="sender",
            start=ntp_from_unix(1_800_000_000.25),
            user="a b",
            event="reservation.made",
        )
        rest = (
            "info reservation.made reservation for 192.0.2.7, 'sender' "
            'start=2027-01-15T08:00:00.250Z user="a b"'
        )
        self.assertEqual(text_line(made, "info"), f"1970-01-01T00:00:00.000Z {rest}")
        self.assertEqual(text_line(made, "info", time=False), rest)

    def test_foreign_event(self) -> None:
        """Other libraries' events: their module in place of a name, and no fields."""
        line = text_line(event(log_format="hello", thing=object()), "info", time=False)
        self.assertEqual(line, "info bwctl.net hello")

    def test_traceback(self) -> None:
        """A traceback follows; none of its lines can be taken for one of the log."""
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            failed = event(log_format="broken", log_failure=Failure(), event="agent.broken")
        first, *rest = text_line(failed, "crit").split("\n")
        self.assertTrue(first.endswith("crit agent.broken broken"))
        self.assertIn("\t| Traceback (most recent call last):", rest)
        for line in rest:
            self.assertTrue(line.startswith("\t| "), line)
            self.assertTrue(line[1:].isprintable(), line)

    def test_hostile_text(self) -> None:
        """Remote text in message and fields stays in its line and is harmless."""
        for template in ("user {user}", "somebody"):
            line = text_line(event(log_format=template, user=HOSTILE, event="a.b"), "info")
            self.assertTrue(line.isprintable(), line)
            self.assertIn("alice\\n2026", line)

    @quiet
    @given(st.text(), st.text(), st.binary())
    def test_any_text(self, first: str, second: str, third: bytes) -> None:
        """Whatever it is."""
        made = event(log_format="{first}", first=first, second=second, third=third, event="a.b")
        self.assertTrue(text_line(made, "info").isprintable())
        line = json_line(made, "info")
        self.assertTrue(line.isascii() and line.isprintable())
        self.assertEqual(json.loads(line)["level"], "info")

    def test_broken_events(self) -> None:
        """No event of others can break the log."""

        class Rude:
            def __repr__(self) -> str:
                raise RuntimeError("no")

        for broken in (
            event(log_format="{nothing}", event="a.b"),
            event(log_format="{", event="a.b"),
            event(log_format="{rude}", rude=Rude(), event="a.b"),
            event(log_format="x", rude=Rude(), event="a.b"),
            event(log_format=None, event=7),
            {"log_namespace": "x"},
            {},
        ):
            for write in (text_line, json_line):
                self.assertTrue(write(dict(broken), "info").isprintable())

    def test_clean(self) -> None:
        """Printable text stays, in all languages; the rest is shown."""
        self.assertEqual(clean("Grüße, 世界 ☺"), "Grüße, 世界 ☺")
        for character in UNSAFE:
            self.assertTrue(clean(character).isprintable(), repr(character))
        self.assertEqual(clean("x" * 50, 10), "x" * 10 + "...")

    def test_quoted(self) -> None:
        """A field cannot pretend to be two."""
        cases = {
            "plain-1.2:3/4": "plain-1.2:3/4",
            "": '""',
            "a b": '"a b"',
            "a=b": '"a=b"',
            'say "x"': '"say \\"x\\""',
            "back\\slash": '"back\\\\slash"',
            "two\nlines": '"two\\nlines"',
        }
        for value, expected in cases.items():
            self.assertEqual(quoted(value), expected)
        self.assertEqual(quoted(b"\xff\x00"), '"\\\\xff\\x00"')
        self.assertLess(len(quoted("x" * 10_000)), LONGEST_FIELD + 10)

    def test_secrets(self) -> None:
        """A value whose name says that it is secret is nowhere in a line."""
        names = ("key", "session_key", "password", "passphrase", "secret", "token", "tls_key")
        for name in names:
            made = event(log_format=f"it is {{{name}}}", event="a.b", **{name: "hunter2"})
            made["other"] = {name: "hunter2"}
            self.assertNotIn("hunter2", json_line(made, "info"))
            del made["other"]
            self.assertNotIn("hunter2", text_line(made, "info"))
        made = event(log_format="", whose=Key(b"hunter2 hunter2 "), event="a.b")
        for write in (text_line, json_line):
            self.assertNotIn("hunter2", write(made, "info"))
        self.assertIn("monkey=1", text_line(event(log_format="", monkey=1, event="a.b"), "info"))

    def test_timestamp(self) -> None:
        """RFC 3339, milliseconds."""
        self.assertEqual(timestamp(1_800_000_000.0), "2027-01-15T08:00:00.000Z")
        self.assertEqual(timestamp(1_800_000_000.9999), "2027-01-15T08:00:00.999Z")


class Colour(IntEnum):
    RED = 1


class JSONTests(SynchronousTestCase):
    """Lines for programs."""

    def test_object(self) -> None:
        """Fixed keys first, then the fields; moments are texts, and numbers under `_ntp`."""
        start = ntp_from_unix(1_800_000_000)
        made = event(
            log_format="for {client}",
            client=ip_address("2001:db8::1"),
            start=start,
            colour=Colour.RED,
            ok=True,
            count=3,
            share=0.5,
            odd=float("nan"),
            names=["a", "b\n"],
            nothing=None,
            event="reservation.made",
        )
        self.assertEqual(
            json.loads(json_line(made, "notice", "bwctl/net/broker.py:1")),
            {
                "time": "1970-01-01T00:00:00.000Z",
                "level": "notice",
                "event": "reservation.made",
                "location": "bwctl/net/broker.py:1",
                "message": "for 2001:db8::1",
                "client": "2001:db8::1",
                "start": "2027-01-15T08:00:00.000Z",
                "start_ntp": start,
                "colour": "RED",
                "ok": True,
                "count": 3,
                "share": 0.5,
                "odd": "nan",
                "names": ["a", "b\n"],
                "nothing": None,
            },
        )

    def test_fixed_keys_stay(self) -> None:
        """A field cannot take the place of the level."""
        made = event(log_format="x", level="none", message="y", time="z", event="a.b")
        entry = json.loads(json_line(made, "err"))
        self.assertEqual((entry["level"], entry["message"]), ("err", "x"))

    def test_traceback(self) -> None:
        """One line all the same."""
        made = event(log_format="x", log_failure=Failure(ZeroDivisionError("1/0")), event="a.b")
        line = json_line(made, "crit")
        self.assertNotIn("\n", line)
        self.assertIn("ZeroDivisionError", json.loads(line)["traceback"])

    def test_through_the_log(self) -> None:
        """`log_format json` chooses it."""
        kept = Kept()
        self.patch(log_module, "choose_sink", lambda *_: kept)
        self.patch(Choice, "of", classmethod(lambda cls, _: cls(6, 6, False, False, True)))
        log = Logger("bwctl.net", observer=DaemonLog(Settings()).observer)
        log.info("hello", event="a.b", user=HOSTILE)
        [(severity, line)] = kept.taken
        self.assertEqual(severity, LEVELS.index("info"))
        self.assertEqual(json.loads(line)["message"], "hello")
