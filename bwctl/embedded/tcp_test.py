"""A TCP test at the server: swallows the blocks of all streams, and returns the headers.

Source: thrulay.md sections 3, 10 and 11.
"""

from __future__ import annotations

import mmap
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from bwctl.embedded import protocol, report, sockets
from bwctl.embedded.admission import Newcomer, send_whole
from bwctl.embedded.failures import Turned
from bwctl.embedded.loop import BROKEN, READ, WRITE, Loop
from bwctl.embedded.options import TCP, Options, nanoseconds
from bwctl.embedded.protocol import TCPProposal
from bwctl.embedded.receiving import ReceiverFigures, ReceivingStream

READ_SIZE = 1 << 20  # octets per system call
GRACE_S = 10.0  # beyond its duration, before a client that does not end is cut off
SHORT = 0.1  # of the duration, but a second at least: what ends earlier by more was cut short


class TCPTest:
    """The streams of a test; `error` says what went wrong with it, if anything.

    Args:
        write: takes one line of text for people.
    """

    def __init__(self, options: Options, write: Callable[[str], None], loop: Loop) -> None:
        self.error: str | None = None
        self._options = options
        self._write = write
        self._loop = loop
        self._facts: dict[str, Any] = {"protocol": TCP}
        self._figures = ReceiverFigures(options, write)
        self._streams: dict[int, ReceivingStream] = {}  # living ones, by descriptor
        self._ended: list[ReceivingStream] = []
        self._window: int | None = None  # the first stream's, told to all
        self._buffer = memoryview(mmap.mmap(-1, READ_SIZE))  # page-aligned

    @property
    def seats(self) -> int:
        """Streams that came so far."""
        return len(self._streams) + len(self._ended)

    @property
    def peers(self) -> set[str]:
        """Addresses of those who take part."""
        return {stream.peer for stream in (*self._streams.values(), *self._ended)}

    @property
    def living(self) -> int:
        """Streams that have not ended."""
        return len(self._streams)

    def open(self, newcomer: Newcomer, proposal: TCPProposal) -> None:
        """Answer a proposal; blocks may come from now on.

        Raises:
            Turned, OSError: it does not become a stream.
        """
        connection = newcomer.connection
        response = self._grant(connection, proposal)
        if not send_whole(connection, response.encode()):
            raise Turned("gone before the response")
        stream = ReceivingStream(connection, newcomer.peer, response.block)
        self._streams[connection.fileno()] = stream
        self._loop.watch(connection.fileno(), partial(self._serve, stream))

    def _grant(self, connection: socket.socket, proposal: TCPProposal) -> protocol.Response:
        """Set the window, and say what all streams are told: the first one's values."""
        sockets.set_window(connection, granted_window(proposal.window, self._options.window))
        if self._window is None:
            self._window = self._facts["window_local"] = sockets.window_of(connection)
            self._facts["mss"] = sockets.mss_of(connection)
        window = min(max(self._window, protocol.MIN_WINDOW), protocol.MAX_WINDOW)
        block = self._facts["block"] = protocol.granted_block(proposal.block)
        return protocol.Response(window, block)

    def _serve(self, stream: ReceivingStream, events: int) -> None:
        if stream.pending:  # nothing is read before all echoes are out
            alive = not events & BROKEN and stream.send()
        else:
            alive = stream.receive(self._buffer)
        if self._figures.marks is None and stream.octets:
            self._figures.begin(stream.heard_at)
        if alive:
            self._loop.want(stream.connection.fileno(), WRITE if stream.pending else READ)
        else:
            self._end(stream)

    def _end(self, stream: ReceivingStream) -> None:
        """A stream is over."""
        del self._streams[stream.connection.fileno()]
        self._loop.forget(stream.connection.fileno())
        stream.connection.close()
        self._ended.append(stream)
        used = os.times()
        line = report.server_stream_line(stream.seconds(), stream.octets, used.user, used.system)
        self._write(f"# {line}")

    def over(self) -> bool:
        """Whether all streams have come and ended."""
        wanted = self._options.streams
        if wanted:
            return len(self._ended) == wanted
        return bool(self._ended) and not self._streams

    def tick(self, now: int) -> int | None:
        """Look at all that is a matter of time; when the next interval ends."""
        idle = nanoseconds(self._options.idle)
        if any(now - stream.heard_at >= idle for stream in self._streams.values()):
            self.error = f"the client was silent for {self._options.idle:g} s"
        marks = self._figures.marks
        if marks is None:
            return None
        if now >= marks.next:
            self._figures.take_mark(now, self._octets())
        options = self._options
        limit = options.duration + GRACE_S + (options.omit if marks.omitting else 0.0)
        if options.duration and now - marks.zero >= nanoseconds(limit):
            self.error = f"the client did not end {GRACE_S:g} s after its time"
        return marks.next

    def _octets(self) -> int:
        everything = (*self._ended, *self._streams.values())
        return sum(stream.octets for stream in everything)

    def conclude(self) -> dict[str, Any]:
        """End what is left, write the last lines; the facts, and `error` if it was cut short."""
        for stream in list(self._streams.values()):
            self._end(stream)
        heard_at = max((stream.heard_at for stream in self._ended), default=0)
        total = self._figures.conclude(heard_at, self._octets())
        duration = self._options.duration
        if duration and self.error is None and total["end"] < duration - max(SHORT * duration, 1.0):
            self.error = f"the client ended after {total['end']:.3f} s"
        return self._facts | {
            "streams": len(self._ended),
            "seconds": total["end"],
            "bytes": total["bytes"],
            "bits_per_second": total["bits_per_second"],
            "intervals": self._figures.intervals,
            "per_stream": [
                {"peer": stream.peer, **report.entry(0.0, stream.seconds(), stream.octets)}
                for stream in self._ended
            ],
        }


def granted_window(asked: int, limit: int) -> int:
    """The window to set for a proposal, octets; 0 leaves the buffers to the kernel.

    A client that asks for C's default when our own side has none was given none either: fixed
    buffers would then only switch the kernel's autotuning off.
    """
    if not limit and asked == protocol.DEFAULT_WINDOW:
        return 0
    asked = max(asked, protocol.MIN_WINDOW)
    return min(asked, max(limit, protocol.MIN_WINDOW)) if limit else asked
