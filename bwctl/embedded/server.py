"""The server role: admits a test's streams, swallows their blocks, and returns the headers.

One thread and one poll for all streams. Only the expected peer is let in, no more than the agreed
number of streams, and each step has its time.
Source: thrulay.md sections 2, 3, 10 and 11.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from bwctl.embedded import protocol, report, sockets
from bwctl.embedded.echo import header_pieces
from bwctl.embedded.options import Options, nanoseconds
from bwctl.embedded.protocol import Collector, ProtocolError
from bwctl.embedded.stats import Marks

READ_SIZE = 256 << 10  # octets per system call
PROPOSAL_S = 10.0
GRACE_S = 10.0  # beyond its duration, before a client that does not end is cut off
ENOUGH = 0.9  # of the duration: what ends before was cut short
MAX_TURNED_AWAY = 64  # connections; then the listener closes
_TICK_NS = 100_000_000


class Turned(Exception):
    """A connection that does not become a stream; the text says why."""


class Stream:
    """One admitted connection: first its proposal, then its blocks."""

    def __init__(self, connection: socket.socket, peer: str, now: int) -> None:
        self.connection = connection
        self.peer = peer
        self.collector = Collector(protocol.MAX_PROPOSAL)
        self.admitted_at = now
        self.answered_at = 0  # 0: no response yet
        self.heard_at = now
        self.ended_at = 0
        self.block = 0
        self.octets = 0
        self.pending = b""  # echoes that the kernel did not take yet; no more than of one read
        self._position = 0  # in the current block

    def receive(self, buffer: memoryview) -> bool:
        """Read a chunk and return its headers; False at the end of the stream."""
        try:
            count = self.connection.recv_into(buffer)
        except BlockingIOError:
            return True
        except OSError:  # reset is the usual end: the client leaves echoes unread
            return False
        if not count:
            return False
        self.heard_at = time.monotonic_ns()
        self.octets += count
        pieces = header_pieces(buffer[:count], self._position, self.block)
        self._position = (self._position + count) % self.block
        if pieces:
            self.pending = b"".join(pieces)
            return self.send()
        return True

    def send(self) -> bool:
        """Send echoes that wait; False if the client takes no more for good."""
        try:
            self.pending = self.pending[self.connection.send(self.pending) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


class Server:
    """A test as the server sees it: `run` it, then `facts` has the figures.

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
        self._peer = ""
        self._listener: socket.socket | None = None
        self._streams: dict[int, Stream] = {}  # living ones, by descriptor
        self._ended: list[Stream] = []  # those which had a response
        self._turned_away = 0
        self._window: int | None = None  # the first stream's, told to all
        self._poll = select.poll()
        self._buffer = memoryview(bytearray(READ_SIZE))
        self._marks: Marks | None = None  # from the first octet of data on
        self._octets = 0  # of streams that ended
        self._zero_octets = self._cut_octets = 0
        self._begun_at = 0.0
        self._heard_at = 0
        self._intervals: list[dict[str, Any]] = []
        self._error: str | None = None

    def run(self) -> str | None:
        """Serve one test; what went wrong, if anything."""
        try:
            self._listen()
            self._serve()
        except OSError as error:
            self._error = error.strerror or str(error)
        finally:
            self._close_all()
        self._conclude()
        return self._error

    def _listen(self) -> None:
        options = self._options
        if options.peer:
            self._peer = sockets.resolve(options.peer, 0)[1][0]
        self._listener = sockets.listen(options.bind, options.port, options.window)
        self._poll.register(self._listener, select.POLLIN)
        window = sockets.window_of(self._listener)
        self._write(
            f"# thrulay server started, listening on port {options.port} with window size {window}"
        )

    # The loop

    def _serve(self) -> None:
        signals = sockets.StopSignals()
        self._poll.register(signals.reader, select.POLLIN)
        begun = time.monotonic_ns()
        streams, poll, clock = self._streams, self._poll.poll, time.monotonic_ns
        tick = 0
        while not self._is_over():
            now = clock()
            if now >= tick:
                tick = self._tick(now, begun)
            for fd, events in poll(max(-(-(tick - now) // 1_000_000), 0)):
                stream = streams.get(fd)
                if stream is not None:
                    self._serve_stream(stream, events)
                elif fd == signals.reader:
                    self._error = f"stopped by {signals.name()}"
                elif self._listener is not None and fd == self._listener.fileno():
                    self._admit()

    def _is_over(self) -> bool:
        whole = len(self._ended) == self._options.streams
        return self._error is not None or (whole and not self._streams)

    def _serve_stream(self, stream: Stream, events: int) -> None:
        if not stream.answered_at:
            self._negotiate(stream)
            return
        if stream.pending:
            alive = stream.send() and not events & (select.POLLERR | select.POLLHUP)
        else:
            alive = stream.receive(self._buffer)
        if self._marks is None and stream.octets:
            self._begin(stream.heard_at)
        if not alive:
            self._end(stream)
            return
        if bool(stream.pending) != bool(events & select.POLLOUT):
            wanted = select.POLLOUT if stream.pending else select.POLLIN
            self._poll.modify(stream.connection, wanted)

    # Connections

    def _admit(self) -> None:
        """Take one connection; greet it as a stream, or turn it away."""
        assert self._listener is not None
        try:
            connection, address = self._listener.accept()
        except OSError:  # it is gone already, or descriptors are short: not for this test
            return
        connection.setblocking(False)
        reason = self._objection(address[0])
        if reason:
            self._turn_away(connection, address[0], reason)
            return
        sockets.no_delay(connection)
        self._write(f"# connection from {address[0]}")
        self._streams[connection.fileno()] = stream = Stream(
            connection, address[0], time.monotonic_ns()
        )
        self._poll.register(connection, select.POLLIN)
        if not _send_whole(connection, protocol.GREETING):
            self._drop(stream, "gone before the greeting")

    def _objection(self, address: str) -> str:
        if self._peer and address != self._peer:
            return "not expected"
        if len(self._streams) + len(self._ended) >= self._options.streams:
            return "busy"
        return ""

    def _turn_away(self, connection: socket.socket, address: str, reason: str) -> None:
        _send_whole(connection, protocol.refusal(reason))
        connection.close()
        self._turned_away += 1
        if self._turned_away == 1:
            self._write(f"# connection from {address} turned away: {reason}")
        if self._turned_away >= MAX_TURNED_AWAY:
            self._close_listener()

    def _negotiate(self, stream: Stream) -> None:
        try:
            self._answer(stream)
        except (Turned, ProtocolError, OSError) as problem:
            self._drop(stream, str(problem))

    def _answer(self, stream: Stream) -> None:
        try:
            octets = stream.connection.recv(protocol.MAX_PROPOSAL + 1)
        except BlockingIOError:
            return
        if not octets:
            raise Turned("no proposal")
        text = stream.collector.feed(octets)
        if text is None:
            return
        proposal = protocol.parse_proposal(text)
        if not isinstance(proposal, protocol.TCPProposal):
            _send_whole(stream.connection, protocol.UDP_REFUSAL)
            raise Turned("UDP tests are not supported")
        response = self._grant(stream.connection, proposal)
        stream.block = self.facts["block"] = response.block
        if not _send_whole(stream.connection, response.encode()):
            raise Turned("gone before the response")
        stream.answered_at = stream.heard_at = time.monotonic_ns()

    def _grant(
        self, connection: socket.socket, proposal: protocol.TCPProposal
    ) -> protocol.Response:
        sockets.set_window(connection, granted_window(proposal.window, self._options.window))
        if self._window is None:
            self._window = self.facts["window_local"] = sockets.window_of(connection)
            self.facts["mss"] = sockets.mss_of(connection)
        window = min(max(self._window, protocol.MIN_WINDOW), protocol.MAX_WINDOW)
        return protocol.Response(window, protocol.granted_block(proposal.block))

    def _drop(self, stream: Stream, reason: str) -> None:
        """Close a connection that did not become a stream; its place is free again."""
        self._forget(stream)
        self._write(f"# connection from {stream.peer} closed: {reason}")
        self._turned_away += 1
        if self._turned_away >= MAX_TURNED_AWAY:
            self._close_listener()

    def _end(self, stream: Stream) -> None:
        """A stream is over."""
        self._forget(stream)
        stream.ended_at = time.monotonic_ns()
        self._octets += stream.octets
        self._heard_at = max(self._heard_at, stream.heard_at)
        self._ended.append(stream)
        seconds = (stream.ended_at - stream.answered_at) / 1e9
        used = os.times()
        self._write(
            "# " + report.server_stream_line(seconds, stream.octets, used.user, used.system)
        )

    def _forget(self, stream: Stream) -> None:
        del self._streams[stream.connection.fileno()]
        self._poll.unregister(stream.connection)
        stream.connection.close()

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._poll.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _close_all(self) -> None:
        for stream in list(self._streams.values()):
            if stream.answered_at:
                self._end(stream)
            else:
                self._forget(stream)
        self._close_listener()

    # Time and figures

    def _begin(self, now: int) -> None:
        """The first data octets are here."""
        options = self._options
        self._marks = Marks(now, nanoseconds(options.omit), nanoseconds(options.interval))

    def _tick(self, now: int, begun: int) -> int:
        """Look at all that is a matter of time; when to look again."""
        for stream in list(self._streams.values()):
            self._check(stream, now)
        marks = self._marks
        if marks is None:
            self._check_arrivals(now - begun)
            return now + _TICK_NS
        if now >= marks.next:
            self._take_mark(marks, now)
        self._check_length(marks, now)
        return min(now + _TICK_NS, marks.next)

    def _check(self, stream: Stream, now: int) -> None:
        if not stream.answered_at:
            if now - stream.admitted_at >= nanoseconds(PROPOSAL_S):
                self._drop(stream, "no proposal in time")
        elif now - stream.heard_at >= nanoseconds(self._options.idle):
            self._error = f"the client was silent for {self._options.idle:g} s"

    def _check_arrivals(self, waited: int) -> None:
        missing = self._options.streams - len(self._streams) - len(self._ended)
        if missing and waited >= nanoseconds(self._options.deadline):
            self._error = f"{self._options.streams - missing} of {self._options.streams} streams"
            self._error += f" came within {self._options.deadline:g} s"

    def _check_length(self, marks: Marks, now: int) -> None:
        options = self._options
        omit = options.omit if marks.omitting else 0.0
        if now - marks.zero >= nanoseconds(omit + options.duration + GRACE_S):
            self._error = f"the client did not end {GRACE_S:g} s after its time"

    def _total(self) -> int:
        return self._octets + sum(stream.octets for stream in self._streams.values())

    def _take_mark(self, marks: Marks, now: int) -> None:
        if marks.omitting:
            self._zero_octets = self._cut_octets = self._total()
        else:
            self._end_interval((now - marks.zero) / 1e9)
        marks.take(now)

    def _end_interval(self, end: float) -> None:
        start, self._begun_at = self._begun_at, end
        before, self._cut_octets = self._cut_octets, self._total()
        entry = report.entry(start, end, self._cut_octets - before)
        self._intervals.append(entry)
        self._write(report.server_line(entry, final=False))

    def _conclude(self) -> None:
        """The last lines, facts, and whether it was a whole test."""
        seconds, octets = self._measured()
        total = report.entry(0.0, seconds, octets)
        self.facts |= {
            "seconds": total["end"],
            "bytes": octets,
            "bits_per_second": total["bits_per_second"],
            "intervals": self._intervals,
            "per_stream": [self._single(stream) for stream in self._ended],
        }
        if self._error is None and seconds < ENOUGH * self._options.duration:
            self._error = f"the client ended after {seconds:.3f} s"
        self._write(report.server_line(total, final=True))

    def _measured(self) -> tuple[float, int]:
        """Seconds from the begin of the measured part to the last octet, and its octets."""
        if self._marks is None or self._marks.omitting:
            return 0.0, 0
        seconds = max(self._heard_at - self._marks.zero, 0) / 1e9
        octets = self._octets - self._zero_octets
        if self._options.interval and octets > self._cut_octets - self._zero_octets:
            self._end_interval(seconds)
        return seconds, octets

    def _single(self, stream: Stream) -> dict[str, Any]:
        seconds = (stream.heard_at - stream.answered_at) / 1e9
        return {"peer": stream.peer, **report.entry(0.0, seconds, stream.octets)}


def granted_window(asked: int, limit: int) -> int:
    """The window to set for a proposal, octets; 0 leaves the buffers to the kernel.

    A client that asks for C's default when our own side has none was given none either: fixed
    buffers would then only switch the kernel's autotuning off.
    """
    if not limit and asked == protocol.DEFAULT_WINDOW:
        return 0
    asked = max(asked, protocol.MIN_WINDOW)
    return min(asked, max(limit, protocol.MIN_WINDOW)) if limit else asked


def _send_whole(connection: socket.socket, octets: bytes) -> bool:
    """Send a few octets on a new connection, whose buffer has room for them."""
    try:
        return connection.send(octets) == len(octets)
    except OSError:
        return False
