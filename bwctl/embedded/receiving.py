"""One TCP stream of the server, and the figures of all of them.

Source: thrulay.md sections 3.3, 3.6 and 6.2.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from bwctl.embedded import report
from bwctl.embedded.echo import header_pieces
from bwctl.embedded.options import MAX_INTERVALS, Options, nanoseconds
from bwctl.embedded.stats import Marks


class ReceivingStream:
    """One connection whose blocks come.

    Args:
        block: octets.
    """

    def __init__(self, connection: socket.socket, peer: str, block: int) -> None:
        self.connection = connection
        self.peer = peer
        self.heard_at = self.answered_at = time.monotonic_ns()
        self.octets = 0
        self.pending = b""  # echoes that the kernel did not take yet; no more than of one read
        self._block = block
        self._position = 0  # in the current block

    def receive(self, buffer: memoryview) -> bool:
        """Read a chunk and return its headers; False at the end of the stream."""
        try:
            count = self.connection.recv_into(buffer)
        except BlockingIOError:
            return True
        except OSError:  # reset is the usual end: C clients leave echoes unread
            return False
        if not count:
            return False
        self.heard_at = time.monotonic_ns()
        self.octets += count
        pieces = header_pieces(buffer[:count], self._position, self._block)
        self._position = (self._position + count) % self._block
        if not pieces:
            return True
        self.pending = b"".join(pieces)
        return self.send()

    def send(self) -> bool:
        """Send echoes that wait; False if the client takes no more for good."""
        try:
            self.pending = self.pending[self.connection.send(self.pending) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def seconds(self) -> float:
        """From the response to the last octet."""
        return (self.heard_at - self.answered_at) / 1e9


class ReceiverFigures:
    """Octets of all streams over time: intervals, and the measured part as a whole.

    The clock starts with the first octet of data.

    Args:
        write: takes one line of text for people.
    """

    def __init__(self, options: Options, write: Callable[[str], None]) -> None:
        self.marks: Marks | None = None  # until the first octet of data
        self.intervals: list[dict[str, Any]] = []
        self._options = options
        self._write = write
        self._zero = 0  # octets before the measured part
        self._cut = 0  # octets before the current interval
        self._begun_at = 0.0  # start of the current interval, seconds

    def begin(self, now: int) -> None:
        """Data is there."""
        options = self._options
        self.marks = Marks(now, nanoseconds(options.omit), nanoseconds(options.interval))

    def take_mark(self, now: int, octets: int) -> None:
        """End the omitted start, or an interval; `octets` are all so far."""
        assert self.marks is not None
        if self.marks.omitting:
            self._zero = self._cut = octets
        else:
            self._end_interval(now, octets)
        self.marks.take(now)

    def _end_interval(self, now: int, octets: int) -> None:
        assert self.marks is not None
        start, self._begun_at = self._begun_at, (now - self.marks.zero) / 1e9
        entry = report.entry(start, self._begun_at, octets - self._cut)
        self._cut = octets
        if len(self.intervals) < MAX_INTERVALS:
            self.intervals.append(entry)
        self._write(report.server_line(entry, final=False))

    def conclude(self, heard_at: int, octets: int) -> dict[str, Any]:
        """The figures of the whole measured part, which ends with the last octet."""
        seconds = 0.0
        if self.marks is None or self.marks.omitting:
            octets = self._zero
        else:
            seconds = max(heard_at - self.marks.zero, 0) / 1e9
            if self._options.interval and octets > self._cut:
                self._end_interval(heard_at, octets)
        total = report.entry(0.0, seconds, octets - self._zero)
        self._write(report.server_line(total, final=True))
        return total
