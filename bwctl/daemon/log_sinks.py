"""Where log lines go. Writing never raises: what cannot be written is counted and told later."""

from __future__ import annotations

import os
import queue
import stat
import syslog
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate, starmap
from typing import Final, TextIO

MOST_WAITING: Final = 1000  # lines that wait for syslog; more are dropped
_PATIENCE_S: Final = 1.0

# fmt: off
_FACILITIES: Final = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp",
)
# fmt: on
SYSLOG_FACILITIES: Final = {name: place << 3 for place, name in enumerate(_FACILITIES)} | {
    f"local{number}": (16 + number) << 3 for number in range(8)
}


Line = tuple[int, str]
"""Severity as syslog counts, 0 emerg ... 7 debug, and the text of one event; a line feed in it
begins a line that belongs to it."""


def lost_line(count: int, why: str) -> str:
    """The text about lines that were lost."""
    return f"{count} log lines were lost: {why}"


class Sink:
    """Takes lines; this one drops them. What a sink does not need to know, it need not override."""

    timed = True  # whether a line has to begin with the time
    lost_line: Callable[[int, str], str] = staticmethod(lost_line)
    """Who makes the other lines makes this one too."""

    def write(self, lines: Sequence[Line]) -> None:
        """Take some lines, the oldest first."""

    def begin(self) -> None:
        """The process is the daemon now: nothing forks it any more."""

    def reopen(self) -> None:
        """Somebody may have moved the file away.

        Raises:
            OSError: it cannot be opened; what was open stays so.
        """

    def hand_over(self, uid: int, gid: int) -> None:
        """The process is about to become this user."""

    def close(self) -> None:
        """Write what waits; what comes after is written at once, or lost."""


class _Losses:
    """Lines that could not be written, to be told when it works again."""

    def __init__(self) -> None:
        self._count = 0
        self._why = ""

    def add(self, why: str, count: int = 1) -> None:
        self._count += count
        self._why = why

    def lines(self, sink: Sink) -> list[Line]:
        """What is to be told before the next line."""
        if not self._count:
            return []
        return [(syslog.LOG_WARNING, sink.lost_line(self._count, self._why))]

    def clear(self) -> None:
        self._count = 0


class StreamSink(Sink):
    """Standard output.

    Args:
        stream: the real one, not twistd's replacement of it.
        journal: whether systemd's journal reads it: that has the time, and takes `<LEVEL>`.
    """

    def __init__(self, stream: TextIO, *, journal: bool = False) -> None:
        self.timed = not journal
        self._stream = stream
        self._journal = journal
        self._losses = _Losses()

    def write(self, lines: Sequence[Line]) -> None:
        """Take some lines."""
        told = [*self._losses.lines(self), *lines]
        texts = starmap(_marked, told) if self._journal else (line for _, line in told)
        text = "\n".join(texts) + "\n"
        if not text.isascii():
            encoding = self._stream.encoding or "utf-8"
            text = text.encode(encoding, "backslashreplace").decode(encoding)
        try:
            self._stream.write(text)
            self._stream.flush()
            self._losses.clear()
        except (OSError, ValueError) as error:  # ValueError: it is closed
            self._losses.add(str(error), len(lines))


def _marked(severity: int, line: str) -> str:
    """A line, or more, with the level as systemd's journal takes it."""
    return "\n".join(f"<{severity}>{part}" for part in line.split("\n"))


class FileSink(Sink):
    """A file that is only appended to, so that it may be cut or moved away meanwhile.

    Its directory mostly belongs to the daemon's user. So root, who may open the file first, neither
    follows a symbolic link there nor gives away what has other names.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._losses = _Losses()
        self._cut = False  # the last line that was written has no end
        self._file = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        if os.getuid() == 0 and not self.path.startswith("/dev/"):
            flags |= os.O_NOFOLLOW
        return os.open(self.path, flags, 0o640)

    def write(self, lines: Sequence[Line]) -> None:
        """Take some lines."""
        told = "".join(f"{line}\n" for _, line in self._losses.lines(self))
        parts = [_octets("\n" * self._cut + told), *(_octets(f"{line}\n") for _, line in lines)]
        octets, done = b"".join(parts), 0
        try:
            while done < len(octets):
                done += os.write(self._file, octets[done:])
            self._losses.clear()
            self._cut = False
        except OSError as error:  # which a disk that becomes full gives after it took a part
            end_of_told, *ends = accumulate(map(len, parts))
            if done >= end_of_told:
                self._losses.clear()
            self._losses.add(str(error), sum(end > done for end in ends))
            if done:
                self._cut = octets[done - 1 : done] != b"\n"

    def reopen(self) -> None:
        """Go on in a new file; see `Sink.reopen`."""
        old, self._file = self._file, self._open()
        self._cut = False
        os.close(old)

    def hand_over(self, uid: int, gid: int) -> None:
        """Give the file to the user who may have to open it again."""
        status = os.fstat(self._file)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            with suppress(OSError):
                os.fchown(self._file, uid, gid)


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


class SyslogSink(Sink):
    """The system's log, through the `syslog` module.

    Its call waits where the system's logger does, so from `begin` on a thread makes it; before,
    lines are written at once, as a fork would lose the thread. When too many lines wait, new ones
    are dropped.
    """

    timed = False

    def __init__(
        self,
        facility: str,
        name: str = "bwctld",
        call: Callable[[int, str], object] = syslog.syslog,
    ) -> None:
        # opened now: the process may lose sight of /dev/log by chroot
        syslog.openlog(name, syslog.LOG_PID | syslog.LOG_NDELAY, SYSLOG_FACILITIES[facility])
        self._call = call
        self._losses = _Losses()
        self._waiting: queue.Queue[tuple[int, str] | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._stuck = False

    def write(self, lines: Sequence[Line]) -> None:
        """Take some lines."""
        for severity, line in lines:
            for part in line.split("\n"):
                if self._thread is not None:
                    self._put(severity, _sendable(part))
                elif not self._stuck:
                    self._call(severity, _sendable(part))

    def _put(self, severity: int, part: str) -> None:
        if self._waiting.qsize() > MOST_WAITING - 2:  # room for the line and for the losses
            self._losses.add("syslog does not take them")
            return
        for lost in self._losses.lines(self):
            self._waiting.put(lost)
        self._losses.clear()
        self._waiting.put((severity, part))

    def begin(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._drain, name="syslog", daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        while (item := self._waiting.get()) is not None:
            self._call(*item)

    def close(self) -> None:
        """Write what waits, for a moment at most; later lines only if syslog keeps up."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with suppress(queue.Full):
            self._waiting.put(None, timeout=_PATIENCE_S)
        thread.join(_PATIENCE_S)
        self._stuck = thread.is_alive()


def _sendable(line: str) -> str:
    """A line that the C library takes."""
    return line.replace("\0", "").encode("utf-8", "backslashreplace").decode()


def journal_reads(stream: TextIO, place: str) -> bool:
    """Whether a stream leads to the journal.

    Args:
        place: value of JOURNAL_STREAM: device and inode of the journal's end.
    """
    try:
        end = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return place == f"{end.st_dev}:{end.st_ino}"
