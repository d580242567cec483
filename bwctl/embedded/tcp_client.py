"""The client of a TCP test: sends blocks, reads their echoes, and has the result.

One thread and one poll for all streams; sending and reading never wait for each other.
Source: thrulay.md sections 3, 10 and 12.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from typing import Any

from bwctl.embedded import report, sockets
from bwctl.embedded.failures import ServerGone, Stopped, reason_of
from bwctl.embedded.opening import open_streams
from bwctl.embedded.options import TCP, Options, nanoseconds
from bwctl.embedded.protocol import ProtocolError, Refused, Response
from bwctl.embedded.sending import BATCH, LEAST_BATCH, SendingStream, linger
from bwctl.embedded.stats import NEVER, Histogram, Marks

LINGER_S = 1.0  # for what is on its way at the end
_FIRST_BLOCKS, _FIRST_NS = 5, 2_000_000
_LONGEST_POLL_NS = 500_000_000


class TCPClient:
    """A test as the client sees it: `run` it, then `facts` has the figures.

    Args:
        write: takes one line of text for people.
    """

    def __init__(self, options: Options, write: Callable[[str], None]) -> None:
        self.facts: dict[str, Any] = {
            "protocol": TCP,
            "streams": options.streams,
            "duration": options.duration,
            "omit": options.omit,
        }
        self._options = options
        self._write = write
        self._streams: list[SendingStream] = []
        self._intervals: list[dict[str, Any]] = []
        self._poll = select.poll()
        self._begun_at = 0.0  # start of the current interval, seconds

    def run(self) -> str | None:
        """Do the test; what went wrong, if anything."""
        try:
            self._open()
            return self._measure()
        except (OSError, ProtocolError) as error:
            return reason_of(error)
        except Refused as error:
            return f"server said: {error}"
        finally:
            for stream in self._streams:
                stream.connection.close()

    def _open(self) -> None:
        connections, response = open_streams(self._options)
        batch = max(BATCH // len(connections), LEAST_BATCH)
        self._streams = [SendingStream(one, response.block, batch) for one in connections]
        self._describe(connections[0], response)

    def _describe(self, connection: socket.socket, response: Response) -> None:
        self.facts |= {
            "block": response.block,
            "window_local": sockets.window_of(connection),
            "window_remote": response.window,
            "mtu": sockets.mtu_of(connection),
            "mss": sockets.mss_of(connection),
        }
        options = self._options
        for line in report.client_header(self.facts, options.block, options.interval):
            self._write(line)

    def _measure(self) -> str | None:
        error: str | None = None
        now = time.monotonic_ns()
        marks = Marks(now, nanoseconds(self._options.omit), nanoseconds(self._options.interval))
        try:
            self._exchange(marks)
        except (ServerGone, ProtocolError, OSError) as problem:
            error = f"premature end of test: {reason_of(problem)}"
        except Stopped as stop:
            error = f"stopped by {stop}"
        self._conclude(marks, time.monotonic_ns())
        if error:
            return error
        self._close_gently()
        return None if self.facts["bytes"] else "no block came back"

    def _exchange(self, marks: Marks) -> None:
        """The measured loop: until the end of the duration."""
        signals = sockets.StopSignals()
        streams = {stream.connection.fileno(): stream for stream in self._streams}
        duration, idle = nanoseconds(self._options.duration), nanoseconds(self._options.idle)
        self._first_round_trips(streams)
        for stream in self._streams:
            self._poll.register(stream.connection, select.POLLIN | select.POLLOUT)
        self._poll.register(signals.reader, select.POLLIN)
        poll, clock = self._poll.poll, time.monotonic_ns
        end = NEVER if marks.omitting else marks.zero + duration
        quiet_at = 0
        while True:
            now = clock()
            if now >= marks.next or now >= end:
                if now >= end:
                    return
                self._take_mark(marks, now)
                end = marks.zero + duration
            if now >= quiet_at:
                quiet_at = self._check_idle(now, idle)
            wait = min(marks.next, end, quiet_at) - now
            for fd, events in poll(-(-wait // 1_000_000)):
                if fd not in streams:
                    raise Stopped(signals.name())
                if events & ~select.POLLOUT:
                    streams[fd].drain()
                if events & select.POLLOUT:
                    streams[fd].fill()

    def _first_round_trips(self, streams: dict[int, SendingStream]) -> None:
        """Blocks on each stream that no other goes before: their round trips are the path's.

        Only a moment is spent on that; where it is too short the path takes longer than queues do.
        """
        echoes = select.poll()
        for stream in self._streams:
            stream.connection.setblocking(False)
            echoes.register(stream.connection, select.POLLIN)
        end = time.monotonic_ns() + _FIRST_NS
        for _ in range(_FIRST_BLOCKS):
            for stream in self._streams:
                stream.fill(alone=True)
            while not all(stream.is_idle for stream in self._streams):
                left = end - time.monotonic_ns()
                if left <= 0:
                    return
                for fd, _ in echoes.poll(-(-left // 1_000_000)):
                    streams[fd].drain()

    def _check_idle(self, now: int, idle: int) -> int:
        """Give up on a server that neither reads nor echoes; when to look again."""
        oldest = min(stream.active_at for stream in self._streams)
        if now - oldest >= idle:
            raise ServerGone(f"the server was silent for {self._options.idle:g} s")
        return min(oldest + idle, now + _LONGEST_POLL_NS)

    def _take_mark(self, marks: Marks, now: int) -> None:
        if marks.omitting:
            for stream in self._streams:
                stream.begin_measuring()
            marks.take(now)
            return
        self._end_interval((now - marks.zero) / 1e9)
        marks.take(now)

    def _end_interval(self, end: float) -> None:
        start, self._begun_at = self._begun_at, end
        octets = retransmits = 0
        for number, stream in enumerate(self._streams):
            delta, again = stream.end_interval()
            octets += delta
            retransmits += again
            if self._options.interval:
                entry = report.entry(start, end, delta)
                self._write(report.client_line(number, entry, stream.times, final=False))
            stream.times = Histogram()
        if self._options.interval:
            self._intervals.append(report.entry(start, end, octets, retransmits=retransmits))

    def _conclude(self, marks: Marks, now: int) -> None:
        """Final lines and facts; a test that ended in its omitted start measured nothing."""
        if marks.omitting:
            for stream in self._streams:
                stream.begin_measuring()
            marks.take(now)
        seconds = (now - marks.zero) / 1e9
        self._end_interval(seconds)
        everything = Histogram()
        singles: list[dict[str, Any]] = []
        for number, stream in enumerate(self._streams):
            octets, retransmits = stream.totals()
            everything.merge(stream.all_times)
            single = report.entry(0.0, seconds, octets, retransmits=retransmits)
            singles.append({"id": number, **single})
            if len(self._streams) > 1:
                self._write(report.client_line(number, single, stream.all_times, final=True))
        total = report.entry(0.0, seconds, sum(single["bytes"] for single in singles))
        self._write(report.client_line(report.ALL, total, everything, final=True))
        self.facts |= {
            "seconds": total["end"],
            "bytes": total["bytes"],
            "sent_bytes": sum(stream.measured_sent_octets() for stream in self._streams),
            "bits_per_second": total["bits_per_second"],
            "retransmits": sum(single["retransmits"] for single in singles),
            "rtt_us": report.times_us(everything),
            "intervals": self._intervals,
            "per_stream": singles,
        }

    def _close_gently(self) -> None:
        """End at a block's end and read the echoes under way, for a second at most."""
        end = time.monotonic() + LINGER_S
        for stream in self._streams:
            try:
                linger(stream, end)
            except OSError:  # reset, or time is over: no figure depends on it
                continue
