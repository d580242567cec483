"""The client role: sends blocks, reads their echoes, and measures. It has the result of a test.

One thread and one poll for all streams; sending and reading never wait for each other.
Source: thrulay.md sections 3, 10 and 12.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from bwctl.embedded import report, sockets
from bwctl.embedded.echo import HEADER_FORMAT, EchoChecker
from bwctl.embedded.options import Options, nanoseconds
from bwctl.embedded.protocol import (
    DEFAULT_WINDOW,
    GREETING,
    MAX_REASON,
    MAX_RESPONSE,
    Collector,
    ProtocolError,
    Refused,
    Response,
    TCPProposal,
    check_greeting,
    parse_response,
    printable,
)
from bwctl.embedded.stats import NEVER, Histogram, Marks

BATCH = 128 << 10  # octets: as many blocks go into one system call, one at least
TURN = 1 << 20  # octets that a stream may send before the others and the echoes get their turn
ECHO_BUFFER = 64 << 10
LINGER_S = 1.0  # for what is on its way at the end
_LONGEST_POLL_NS = 500_000_000


class ServerGone(Exception):
    """The server closed a connection in mid-test, or is silent."""


class Stopped(Exception):
    """A signal asked us to end; its name is the text."""


class Stream:
    """One connection with its blocks under way.

    The buffer holds a batch of blocks; `_at` octets of the `_end` to be sent are with the kernel.
    """

    def __init__(self, connection: socket.socket, block: int) -> None:
        self.connection = connection
        self.block = block
        self.sent_octets = 0
        self.times = Histogram()  # of the current interval
        self.all_times = Histogram()
        self.checker = EchoChecker()
        self.heard_at = time.monotonic_ns()
        self._number = 0  # of the next block
        self._batch = max(1, BATCH // block)
        self._buffer = bytearray(os.urandom(self._batch * block))  # not to be compressed
        self._view = memoryview(self._buffer)
        self._echoes = memoryview(bytearray(ECHO_BUFFER))
        self._at = self._end = 0
        self._zero_echoed = self._zero_sent = self._zero_retransmits = 0
        self._cut: tuple[int, int] = (0, 0)

    @property
    def echoed_octets(self) -> int:
        """Octets of blocks whose echo is complete."""
        return self.checker.echoed * self.block

    def fill(self) -> None:
        """Send until the kernel takes no more, or the turn is over."""
        budget = TURN
        view, send = self._view, self.connection.send
        while budget > 0:
            fresh = self._at == self._end
            stamp = self._stamp() if fresh else 0
            try:
                sent = send(view[self._at : self._end])
            except BlockingIOError:
                sent = 0
            self._at += sent
            self.sent_octets += sent
            budget -= sent
            full = self._at < self._end
            if fresh:
                self._begin(stamp)
            if full:
                return

    def _stamp(self) -> int:
        """Write the headers of a new batch."""
        stamp, number, pack = time.monotonic_ns(), self._number, HEADER_FORMAT.pack_into
        self._at, self._end = 0, len(self._buffer)
        for at in range(0, self._end, self.block):
            pack(self._buffer, at, stamp, number)
            number += 1
        return stamp

    def _begin(self, stamp: int) -> None:
        """Keep of a new batch the blocks that the kernel took, the last one perhaps in part."""
        begun = -(-self._at // self.block)
        self._end = begun * self.block
        self._number += begun
        if begun:
            self.checker.sent(stamp, begun)

    def drain(self) -> None:
        """Read and check the echoes that are there."""
        try:
            count = self.connection.recv_into(self._echoes)
        except BlockingIOError:
            return
        if not count:
            raise ServerGone("the server closed the connection in mid-test")
        self.heard_at = time.monotonic_ns()
        for rtt, blocks in self.checker.receive(self._echoes[:count], self.heard_at):
            self.times.add(rtt, blocks)

    def retransmits(self) -> int:
        """Segments sent again since the measured part began."""
        return max((sockets.retransmits_of(self.connection) or 0) - self._zero_retransmits, 0)

    def begin_measuring(self) -> None:
        """Forget the figures so far: they belong to the omitted start."""
        self.times = Histogram()
        self._zero_retransmits += self.retransmits()
        self._zero_echoed, self._zero_sent = self.echoed_octets, self.sent_octets
        self._cut = (0, 0)

    def end_interval(self) -> tuple[int, int]:
        """Octets and retransmits since the last call."""
        before, self._cut = self._cut, self.totals()
        self.all_times.merge(self.times)
        return self._cut[0] - before[0], self._cut[1] - before[1]

    def totals(self) -> tuple[int, int]:
        """Octets echoed and retransmits in the measured part."""
        return self.echoed_octets - self._zero_echoed, self.retransmits()

    def measured_sent_octets(self) -> int:
        """Octets handed to the kernel in the measured part."""
        return self.sent_octets - self._zero_sent

    def finish_block(self) -> bool:
        """Send the rest of the current block, then the end of the stream; False if not yet."""
        end = min(-(-self._at // self.block) * self.block, self._end)
        if self._at < end:
            self._at += self.connection.send(self._view[self._at : end])
        if self._at < end:
            return False
        self.connection.shutdown(socket.SHUT_WR)
        return True

    def discard(self) -> bool:
        """Read what is left of the echoes; True at their end."""
        return not self.connection.recv_into(self._echoes)


def connect(options: Options) -> socket.socket:
    """A connection that the server has greeted.

    Raises:
        OSError: no connection.
        Refused, ProtocolError: the server does not want us, or is another kind of server.
    """
    family, target = sockets.resolve(options.connect, options.port)
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(options.timeout)
        _prepare(connection, options)
        connection.connect(target)
        _read_greeting(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: socket.socket, options: Options) -> None:
    sockets.set_window(connection, options.window)
    sockets.set_tos(connection, options.tos)
    sockets.no_delay(connection)
    if options.mss:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, options.mss)
    if options.bind:
        connection.bind(sockets.resolve(options.bind, 0)[1])


def _read_greeting(connection: socket.socket) -> None:
    octets = b""
    while len(octets) < len(GREETING):
        octets += _receive(connection, len(GREETING) - len(octets))
    if not check_greeting(octets):
        raise Refused(printable(connection.recv(MAX_REASON)) or "no reason given")


def _receive(connection: socket.socket, size: int) -> bytes:
    octets = connection.recv(size)
    if not octets:
        raise ProtocolError("the server closed the connection before the test")
    return octets


def negotiate(connection: socket.socket, options: Options) -> Response:
    """Propose a TCP test; the server's response.

    Raises:
        OSError, ProtocolError: no response, or one that makes no sense.
    """
    proposal = TCPProposal(options.window or DEFAULT_WINDOW, options.block)
    connection.sendall(proposal.encode())
    collector = Collector(MAX_RESPONSE)
    while (text := collector.feed(_receive(connection, MAX_RESPONSE))) is None:
        pass
    return parse_response(text)


def _agreed(responses: list[Response]) -> Response:
    if len({response.block for response in responses}) != 1:
        raise ProtocolError("the server gave the streams different block sizes")
    return responses[0]


class Client:
    """A test as the client sees it: `run` it, then `facts` has the figures.

    Args:
        write: takes one line of text for people.
    """

    def __init__(self, options: Options, write: Callable[[str], None]) -> None:
        self.facts: dict[str, Any] = {
            "streams": options.streams,
            "duration": options.duration,
            "omit": options.omit,
        }
        self._options = options
        self._write = write
        self._streams: list[Stream] = []
        self._intervals: list[dict[str, Any]] = []
        self._poll = select.poll()
        self._begun_at = 0.0  # start of the current interval, seconds

    def run(self) -> str | None:
        """Do the test; what went wrong, if anything."""
        try:
            self._open()
            return self._measure()
        except (OSError, ProtocolError) as error:
            return _reason(error)
        except Refused as error:
            return f"server said: {error}"
        finally:
            for stream in self._streams:
                stream.connection.close()

    def _open(self) -> None:
        connections: list[socket.socket] = []
        try:
            for _ in range(self._options.streams):
                connections.append(connect(self._options))
            response = _agreed([negotiate(one, self._options) for one in connections])
        except BaseException:
            for connection in connections:
                connection.close()
            raise
        self._streams = [Stream(connection, response.block) for connection in connections]
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
            error = f"premature end of test: {_reason(problem)}"
        except Stopped as stop:
            error = f"stopped by {stop}"
        self._conclude(marks, time.monotonic_ns())
        if error is None:
            self._close_gently()
        return error

    def _exchange(self, marks: Marks) -> None:
        """The measured loop: until the end of the duration."""
        signals = sockets.StopSignals()
        streams = {stream.connection.fileno(): stream for stream in self._streams}
        duration, idle = nanoseconds(self._options.duration), nanoseconds(self._options.idle)
        for stream in self._streams:
            stream.connection.setblocking(False)
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

    def _check_idle(self, now: int, idle: int) -> int:
        """Give up on a server that does not echo; when to look again."""
        oldest = min(stream.heard_at for stream in self._streams)
        if now - oldest >= idle:
            raise ServerGone(f"no echo for {self._options.idle:g} s")
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
                _linger(stream, end)
            except OSError:  # reset, or time is over: no figure depends on it
                continue


def _linger(stream: Stream, end: float) -> None:
    for step in (stream.finish_block, stream.discard):
        while (left := end - time.monotonic()) > 0:
            stream.connection.settimeout(left)
            if step():
                break


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the server does not answer in time"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
