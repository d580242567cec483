"""Where log lines go."""

from __future__ import annotations

import errno
import io
import os
import re
import resource
import signal
import syslog
import threading
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.daemon import log_sinks
from bwctl.daemon.config import Settings
from bwctl.daemon.config_values import FACILITIES
from bwctl.daemon.log import choose_sink
from bwctl.daemon.log_sinks import (
    MOST_WAITING,
    SYSLOG_FACILITIES,
    FileSink,
    Sink,
    StreamSink,
    SyslogSink,
    journal_reads,
)

INFO, ERR = 6, 3
PATIENCE_S = 5.0
_LOST = re.compile(r"(\d+) log lines were lost: syslog does not take them$")


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.sink = FileSink(str(self.path))

    def test_append(self) -> None:
        """Lines are added to what is there, and are there at once."""
        self.sink.write([(INFO, "one")])
        FileSink(str(self.path)).write([(ERR, "zwei \ud800 ☺")])
        self.assertEqual(self.path.read_text("utf-8"), "one\nzwei \\ud800 ☺\n")

    def test_mode(self) -> None:
        """Not for everybody to read."""
        self.assertEqual(self.path.stat().st_mode & 0o137, 0)

    def test_reopen(self) -> None:
        """After a rotation a new file is written."""
        self.sink.write([(INFO, "one")])
        old = self.path.rename(self.path.with_suffix(".1"))
        self.sink.write([(INFO, "two")])
        self.sink.reopen()
        self.sink.write([(INFO, "three")])
        self.assertEqual(old.read_text(), "one\ntwo\n")
        self.assertEqual(self.path.read_text(), "three\n")

    def test_reopen_fails(self) -> None:
        """The old file goes on."""
        self.path.unlink()
        self.path.mkdir()
        self.assertRaises(OSError, self.sink.reopen)
        self.sink.write([(INFO, "lost in an unlinked file, but no error")])

    def test_relative_path(self) -> None:
        """Stays the same file when the daemon changes its directory."""
        self.assertTrue(os.path.isabs(self.sink.path))

    def test_full_disk(self) -> None:
        """What cannot be written is counted, and told with the next line that can be."""
        sink = FileSink("/dev/full")
        sink.write([(INFO, "one")])
        sink.write([(INFO, "two")])
        sink._file = self.sink._file
        sink.write([(INFO, "three")])
        sink.write([(INFO, "four")])
        lost, *lines = self.path.read_text().splitlines()
        self.assertIn("2 log lines were lost: ", lost)
        self.assertEqual(lines, ["three", "four"])

    def fill(self, octets: int, *batches: list[str]) -> None:
        """Write batches of lines while the file can take so many octets."""
        old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
        try:
            for batch in batches:
                self.sink.write([(INFO, line) for line in batch])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, old)

    def lost(self, count: int) -> str:
        return f"{count} log lines were lost: [Errno {errno.EFBIG}] {os.strerror(errno.EFBIG)}\n"

    def test_disk_becomes_full(self) -> None:
        """A line that was cut ends there; it and those behind it are lost."""
        self.fill(6, ["one", "two", "three"], ["four"])
        self.sink.write([(INFO, "five")])
        self.sink.write([(INFO, "six")])
        self.assertEqual(self.path.read_text(), f"one\ntw\n{self.lost(3)}five\nsix\n")

    def test_losses_are_told_once(self) -> None:
        """Also if the disk is full again behind the words about them."""
        self.fill(0, ["one", "two"])
        self.fill(len(self.lost(2)) + 2, ["three"])
        self.sink.write([(INFO, "four")])
        expected = f"{self.lost(2)}th\n{self.lost(1)}four\n"
        self.assertEqual(self.path.read_text(), expected)

    def test_events_are_counted(self) -> None:
        """A lost traceback is one loss, whatever its length and wherever it is cut."""
        boom = "boom\n\t| a\n\t| b\n\t| c"
        for room in (4, 9, 14):
            self.path.write_text("")
            self.fill(room, ["one", boom])
            self.sink.write([(INFO, "two")])
            self.assertIn(self.lost(1), self.path.read_text())

    def test_cut_line_in_the_old_file(self) -> None:
        """A new file does not begin with an empty line for it."""
        self.fill(2, ["one"])
        self.path.rename(self.path.with_name("old"))
        self.sink.reopen()
        self.sink.write([(INFO, "two")])
        self.assertEqual(self.path.read_text(), f"{self.lost(1)}two\n")

    def test_hand_over(self) -> None:
        """The file becomes the user's; one who may not give it away goes on."""
        self.sink.hand_over(12345, 12345)
        expected = 12345 if os.getuid() == 0 else os.getuid()
        self.assertEqual(self.path.stat().st_uid, expected)

    def test_links(self) -> None:
        """Root writes through no link, and gives away no file that has another name."""
        target = self.path.with_name("target")
        target.write_text("theirs\n")
        link = self.path.with_name("link")
        link.symlink_to(target)
        if os.getuid() == 0:
            self.assertRaises(OSError, FileSink, str(link))
        second = self.path.with_name("second")
        os.link(target, second)
        sink = FileSink(str(second))
        self.addCleanup(sink.close)
        sink.hand_over(12345, 12345)
        self.assertEqual(target.stat().st_uid, os.getuid())
        self.assertEqual(target.read_text(), "theirs\n")


class StreamTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """As they are."""
        stream = io.TextIOWrapper(io.BytesIO(), "ascii")
        sink = StreamSink(stream)
        sink.write([(INFO, "one\n\t| two ☺")])
        self.assertEqual(self.octets(stream), b"one\n\t| two \\u263a\n")
        self.assertTrue(sink.timed)

    def octets(self, stream: io.TextIOWrapper) -> bytes:
        assert isinstance(stream.buffer, io.BytesIO)
        return stream.buffer.getvalue()

    def test_journal(self) -> None:
        """The journal has the time, and takes the level from a prefix of every line."""
        stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
        sink = StreamSink(stream, journal=True)
        sink.write([(ERR, "one\n\t| two")])
        self.assertEqual(self.octets(stream), b"<3>one\n<3>\t| two\n")
        self.assertFalse(sink.timed)

    def test_closed(self) -> None:
        """Nobody reads any more: no error."""
        stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
        stream.close()
        StreamSink(stream).write([(INFO, "one")])

    def test_journal_reads(self) -> None:
        """JOURNAL_STREAM counts only for the very stream that it names."""
        with open(os.devnull, "w", encoding="utf-8") as stream:
            end = os.fstat(stream.fileno())
            self.assertTrue(journal_reads(stream, f"{end.st_dev}:{end.st_ino}"))
            self.assertFalse(journal_reads(stream, f"{end.st_dev}:{end.st_ino}1"))
            self.assertFalse(journal_reads(stream, ""))
        self.assertFalse(journal_reads(io.TextIOWrapper(io.BytesIO()), "1:2"))


class SyslogTests(SynchronousTestCase):
    """The C library is not called; what it would get is kept."""

    def setUp(self) -> None:
        self.got: list[tuple[int, str]] = []
        self.opened: list[tuple[object, ...]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.addCleanup(self.gate.set)
        self.patch(log_sinks.syslog, "openlog", lambda *args: self.opened.append(args))

    def call(self, severity: int, line: str) -> None:
        self.gate.wait(PATIENCE_S)
        self.got.append((severity, line))

    def sink(self) -> SyslogSink:
        sink = SyslogSink("local5", "bwctld", self.call)
        self.addCleanup(sink.close)
        return sink

    def test_before_the_start(self) -> None:
        """At once, each line for itself; what C cannot take is changed."""
        self.sink().write([(ERR, "one\n\t| two\0 \ud800")])
        self.assertEqual(self.got, [(ERR, "one"), (ERR, "\t| two \\ud800")])
        options = syslog.LOG_PID | syslog.LOG_NDELAY
        self.assertEqual(self.opened, [("bwctld", options, syslog.LOG_LOCAL5)])

    def test_never_waits(self) -> None:
        """A system's logger that hangs does not hang the daemon; what was dropped is told."""
        sink = self.sink()
        sink.begin()
        self.gate.clear()
        begin = time.monotonic()
        for number in range(MOST_WAITING + 500):
            sink.write([(INFO, f"line {number}")])
        self.assertLess(time.monotonic() - begin, 2.0)
        self.gate.set()
        while sink._waiting.qsize():
            time.sleep(0.01)
        sink.write([(INFO, "last")])
        sink.close()
        lines = [line for _, line in self.got]
        self.assertEqual(lines[0], "line 0")
        self.assertEqual(lines[-1], "last")
        told = [_LOST.match(line) for line in lines]  # twice where the thread began late
        lost = sum(int(one[1]) for one in told if one)
        self.assertIsNotNone(told[-2])
        self.assertIn(lost, range(495, 510))

    def test_close(self) -> None:
        """Everything that waits is written, and what comes after is too."""
        sink = self.sink()
        sink.begin()
        for number in range(100):
            sink.write([(INFO, str(number))])
        sink.close()
        sink.write([(INFO, "goodbye")])
        self.assertEqual([line for _, line in self.got], [*map(str, range(100)), "goodbye"])

    def test_close_does_not_wait_for_ever(self) -> None:
        """The daemon ends though the system's logger hangs."""
        self.patch(log_sinks, "_PATIENCE_S", 0.05)
        sink = self.sink()
        sink.begin()
        self.gate.clear()
        sink.write([(INFO, "one")])
        sink.close()
        sink.write([(INFO, "dropped")])
        self.assertEqual(self.got, [])

    def test_begin_again(self) -> None:
        """A service that is started again logs again."""
        sink = self.sink()
        for line in ("one", "two"):
            sink.begin()
            sink.write([(INFO, line)])
            sink.close()
        self.assertEqual(self.got, [(INFO, "one"), (INFO, "two")])

    def test_facilities(self) -> None:
        """Each that the option takes, with the system's number."""
        for name in FACILITIES.values():
            number = getattr(syslog, f"LOG_{name.upper()}", SYSLOG_FACILITIES[name])
            self.assertEqual(SYSLOG_FACILITIES[name], number, name)


class ChoiceTests(SynchronousTestCase):
    """`choose_sink`: as the file says, else as twistd was told."""

    def chosen(self, **twistd: object) -> Sink:
        self.patch(log_sinks.syslog, "openlog", lambda *args: None)
        return choose_sink(Settings(), {"nodaemon": False, **twistd})

    def test_foreground(self) -> None:
        """Standard output."""
        self.assertIsInstance(self.chosen(nodaemon=True), StreamSink)
        self.assertIsInstance(self.chosen(nodaemon=True, logfile="-"), StreamSink)
        self.assertIsInstance(self.chosen(debug=True), StreamSink)

    def test_logfile(self) -> None:
        """--logfile, in the foreground too."""
        path = self.mktemp()
        for nodaemon in (True, False):
            sink = self.chosen(logfile=path, nodaemon=nodaemon)
            assert isinstance(sink, FileSink)
            self.assertEqual(sink.path, os.path.abspath(path))

    def test_syslog(self) -> None:
        """--syslog beats --logfile, as in twistd."""
        path = self.mktemp()
        self.assertIsInstance(self.chosen(syslog=True, logfile=path), SyslogSink)
        self.assertFalse(os.path.exists(path))

    def test_background(self) -> None:
        """Like C the system's log; without one twistd's usual file."""
        self.patch(os.path, "exists", lambda path: path == "/dev/log")
        self.assertIsInstance(self.chosen(), SyslogSink)
        self.patch(os.path, "exists", lambda path: False)
        directory = self.mktemp()
        os.mkdir(directory)
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(directory)
        sink = self.chosen()
        assert isinstance(sink, FileSink)
        self.assertEqual(os.path.basename(sink.path), "twistd.log")

    def test_other_application(self) -> None:
        """Nothing of ours."""
        self.assertIs(type(choose_sink(Settings(), None)), Sink)

    def test_unusable_file(self) -> None:
        """Is told to whoever starts the daemon."""
        path = os.path.join(self.mktemp(), "missing", "log")
        self.assertRaises(OSError, self.chosen, logfile=path)
