"""One stream of the client: its blocks under way and their echoes.

Source: thrulay.md sections 3.2 to 3.6 and 12.
"""

from __future__ import annotations

import mmap
import os
import socket
import time
from array import array

from bwctl.embedded import sockets
from bwctl.embedded.echo import HEADER_FORMAT, EchoChecker
from bwctl.embedded.failures import ServerGone
from bwctl.embedded.stats import Histogram

BATCH = 2 << 20  # octets of all streams: as much goes into one system call
LEAST_BATCH = 256 << 10  # octets of one stream
ECHO_BUFFER = 64 << 10
WORD = 8  # octets of each of the two numbers of a header


class SendingStream:
    """One connection with its blocks under way.

    The buffer holds a batch of blocks; `_at` octets of the `_end` to be sent are with the kernel.
    A larger batch is sent faster, but while the kernel takes it no echo is read, and its blocks
    have one time. A block that is larger than a batch is the buffer over and over.

    Args:
        batch: octets.
    """

    def __init__(self, connection: socket.socket, block: int, batch: int) -> None:
        self.connection = connection
        self.block = block
        self.sent_octets = 0
        self.times = Histogram()  # of the current interval
        self.all_times = Histogram()
        self.checker = EchoChecker()
        self.active_at = time.monotonic_ns()  # when octets last moved, in either direction
        self._number = 0  # of the next block
        self._blocks = max(1, batch // block)  # in a batch
        self._view = _incompressible(min(self._blocks * block, batch))
        fits = block % WORD == 0 and len(self._view) % WORD == 0
        self._words = self._view.cast("Q") if fits else None
        self._echoes = memoryview(bytearray(ECHO_BUFFER))
        self._at = self._end = 0
        self._zero_echoed = self._zero_sent = self._zero_retransmits = 0
        self._cut: tuple[int, int] = (0, 0)

    @property
    def echoed_octets(self) -> int:
        """Octets of blocks whose echo is complete."""
        return self.checker.echoed * self.block

    @property
    def is_idle(self) -> bool:
        """Whether the echoes of all blocks are there."""
        return self._at == self._end and self.checker.echoed == self._number

    def fill(self, alone: bool = False) -> None:
        """Give the kernel what it takes of a batch, or of one block alone."""
        fresh = self._at == self._end
        stamp = self._stamp(1 if alone else self._blocks) if fresh else 0
        at = self._at % len(self._view)
        try:
            sent = self.connection.send(self._view[at : at + self._end - self._at])
        except BlockingIOError:
            sent = 0
        if sent:
            self.active_at = time.monotonic_ns()
        self._at += sent
        self.sent_octets += sent
        if fresh:
            self._begin(stamp)

    def _stamp(self, count: int) -> int:
        """Write the headers of a new batch of so many blocks."""
        stamp, number = time.monotonic_ns(), self._number
        self._at, self._end = 0, count * self.block
        if self._words is None:
            for place in range(count):
                HEADER_FORMAT.pack_into(self._view, place * self.block, stamp, number + place)
            return stamp
        step, end = self.block // WORD, count * self.block // WORD
        self._words[:end:step] = memoryview(array("Q", [stamp]) * count)
        self._words[1:end:step] = memoryview(array("Q", range(number, number + count)))
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
        self.active_at = now = time.monotonic_ns()
        for rtt, blocks in self.checker.receive(self._echoes[:count], now):
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
            at = self._at % len(self._view)
            self._at += self.connection.send(self._view[at : at + end - self._at])
        if self._at < end:
            return False
        self.connection.shutdown(socket.SHUT_WR)
        return True

    def discard(self) -> bool:
        """Read what is left of the echoes; True at their end."""
        return not self.connection.recv_into(self._echoes)


def _incompressible(size: int) -> memoryview:
    """Random octets in page-aligned memory, which the kernel copies faster than other memory."""
    buffer = mmap.mmap(-1, size)
    buffer[:] = os.urandom(size)
    return memoryview(buffer)


def linger(stream: SendingStream, end: float) -> None:
    """End at a block's end and read the echoes under way, until a monotonic time at most."""
    for step in (stream.finish_block, stream.discard):
        while (left := end - time.monotonic()) > 0:
            stream.connection.settimeout(left)
            if step():
                break
