"""The server role: admits a test's streams, swallows their blocks, and returns the headers.

One thread and one poll for all streams. Only the expected peer is let in, no more than the agreed
number of streams, and each step has its time.
Source: thrulay.md sections 2, 3, 10 and 11.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from bwctl.embedded import protocol, report, sockets
from bwctl.embedded.options import Options, nanoseconds
from bwctl.embedded.protocol import ProtocolError
from bwctl.embedded.receiving import ReceiverFigures, ReceivingStream, send_whole

READ_SIZE = 512 << 10  # octets per system call
PROPOSAL_S = 10.0
GRACE_S = 10.0  # beyond its duration, before a client that does not end is cut off
SHORT = 0.1  # of the duration, but a second at least: what ends earlier by more was cut short
MAX_NOTES = 64  # lines about connections; as many are turned away during a test
_TICK_NS = 100_000_000


class Turned(Exception):
    """A connection that does not become a stream; the text says why."""


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
        self._figures = ReceiverFigures(options, write)
        self._peer = ""
        self._listener: socket.socket | None = None
        self._streams: dict[int, ReceivingStream] = {}  # living ones, by descriptor
        self._ended: list[ReceivingStream] = []  # those which had a response
        self._notes = 0
        self._window: int | None = None  # the first stream's, told to all
        self._poll = select.poll()
        self._buffer = memoryview(mmap.mmap(-1, READ_SIZE))  # page-aligned
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

    def _conclude(self) -> None:
        """The last lines, facts, and whether it was a whole test."""
        heard_at = max((stream.heard_at for stream in self._ended), default=0)
        total = self._figures.conclude(heard_at, self._octets())
        self.facts |= {
            "seconds": total["end"],
            "bytes": total["bytes"],
            "bits_per_second": total["bits_per_second"],
            "intervals": self._figures.intervals,
            "per_stream": [
                {"peer": stream.peer, **report.entry(0.0, stream.seconds(), stream.octets)}
                for stream in self._ended
            ],
        }
        duration = self._options.duration
        if self._error is None and total["end"] < duration - max(SHORT * duration, 1.0):
            self._error = f"the client ended after {total['end']:.3f} s"

    def _octets(self) -> int:
        everything = (*self._ended, *self._streams.values())
        return sum(stream.octets for stream in everything)

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
        return whole or self._error is not None

    def _serve_stream(self, stream: ReceivingStream, events: int) -> None:
        if not stream.answered_at:
            self._negotiate(stream)
            return
        if stream.pending:  # nothing is read before all echoes are out
            alive = not events & (select.POLLERR | select.POLLHUP) and stream.send()
        else:
            alive = stream.receive(self._buffer)
        if self._figures.marks is None and stream.octets:
            self._figures.begin(stream.heard_at)
        if not alive:
            self._end(stream)
        elif bool(stream.pending) != bool(events & select.POLLOUT):
            wanted = select.POLLOUT if stream.pending else select.POLLIN
            self._poll.modify(stream.connection, wanted)

    # Connections

    def _admit(self) -> None:
        """Take one connection; greet it as a stream, or turn it away."""
        assert self._listener is not None
        try:
            connection, (address, *_) = self._listener.accept()
        except (BlockingIOError, ConnectionError):  # it is gone already
            return
        reason = self._objection(address)
        connection.setblocking(False)
        if reason:
            send_whole(connection, protocol.refusal(reason))
            connection.close()
            self._note(f"connection from {address} turned away: {reason}")
            return
        sockets.no_delay(connection)
        self._note(f"connection from {address}")
        stream = self._streams[connection.fileno()] = ReceivingStream(connection, address)
        self._poll.register(connection, select.POLLIN)
        if not send_whole(connection, protocol.GREETING):
            self._drop(stream, "gone before the greeting")

    def _objection(self, address: str) -> str:
        if self._peer and address != self._peer:
            return "not expected"
        if len(self._streams) + len(self._ended) >= self._options.streams:
            return "busy"
        return ""

    def _note(self, text: str) -> None:
        """Write a line about a connection, a limited number of times.

        When strangers used the lines up during a test they are not listened to any more.
        """
        self._notes += 1
        if self._notes <= MAX_NOTES + self._options.streams:
            self._write(f"# {text}")
        elif self._figures.marks is not None:
            self._close_listener()

    def _negotiate(self, stream: ReceivingStream) -> None:
        try:
            self._answer(stream)
        except (Turned, ProtocolError, OSError) as problem:
            self._drop(stream, str(problem))

    def _answer(self, stream: ReceivingStream) -> None:
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
            send_whole(stream.connection, protocol.UDP_REFUSAL)
            raise Turned("UDP tests are not supported")
        if not stream.answer(self._grant(stream.connection, proposal)):
            raise Turned("gone before the response")

    def _grant(
        self, connection: socket.socket, proposal: protocol.TCPProposal
    ) -> protocol.Response:
        """Set the window, and say what all streams are told: the first one's values."""
        sockets.set_window(connection, granted_window(proposal.window, self._options.window))
        if self._window is None:
            self._window = self.facts["window_local"] = sockets.window_of(connection)
            self.facts["mss"] = sockets.mss_of(connection)
        window = min(max(self._window, protocol.MIN_WINDOW), protocol.MAX_WINDOW)
        block = self.facts["block"] = protocol.granted_block(proposal.block)
        return protocol.Response(window, block)

    def _drop(self, stream: ReceivingStream, reason: str) -> None:
        """Close a connection that did not become a stream; its place is free again."""
        self._forget(stream)
        self._note(f"connection from {stream.peer} closed: {reason}")

    def _end(self, stream: ReceivingStream) -> None:
        """A stream is over."""
        self._forget(stream)
        self._ended.append(stream)
        used = os.times()
        self._write(
            "# "
            + report.server_stream_line(stream.seconds(), stream.octets, used.user, used.system)
        )

    def _forget(self, stream: ReceivingStream) -> None:
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

    # Time

    def _tick(self, now: int, begun: int) -> int:
        """Look at all that is a matter of time; when to look again."""
        for stream in list(self._streams.values()):
            self._check(stream, now)
        self._check_arrivals(now - begun)
        marks = self._figures.marks
        if marks is None:
            return now + _TICK_NS
        if now >= marks.next:
            self._figures.take_mark(now, self._octets())
        self._check_length(now)
        return min(now + _TICK_NS, marks.next)

    def _check(self, stream: ReceivingStream, now: int) -> None:
        if not stream.answered_at:
            if now - stream.admitted_at >= nanoseconds(PROPOSAL_S):
                self._drop(stream, "no proposal in time")
        elif now - stream.heard_at >= nanoseconds(self._options.idle):
            self._error = f"the client was silent for {self._options.idle:g} s"

    def _check_arrivals(self, waited: int) -> None:
        """All streams have to come in time, and before the others are over."""
        wanted, limit = self._options.streams, self._options.deadline
        there = len(self._streams) + len(self._ended)
        too_late = waited >= nanoseconds(limit) or (self._ended and not self._streams)
        if there < wanted and too_late:
            self._error = f"{there} of {wanted} streams came within {limit:g} s"

    def _check_length(self, now: int) -> None:
        options, marks = self._options, self._figures.marks
        assert marks is not None
        limit = options.duration + GRACE_S + (options.omit if marks.omitting else 0.0)
        if now - marks.zero >= nanoseconds(limit):
            self._error = f"the client did not end {GRACE_S:g} s after its time"


def granted_window(asked: int, limit: int) -> int:
    """The window to set for a proposal, octets; 0 leaves the buffers to the kernel.

    A client that asks for C's default when our own side has none was given none either: fixed
    buffers would then only switch the kernel's autotuning off.
    """
    if not limit and asked == protocol.DEFAULT_WINDOW:
        return 0
    asked = max(asked, protocol.MIN_WINDOW)
    return min(asked, max(limit, protocol.MIN_WINDOW)) if limit else asked
