"""Block headers and their echoes: finding them at the server, checking them at the client. Pure.

A header of ours is two numbers of eight octets in host order, opaque to the server: monotonic
nanoseconds of the moment when the block was handed to the kernel, and the block's number.
Source: thrulay.md sections 3.2 to 3.4.
"""

from __future__ import annotations

import struct
from collections import deque

from bwctl.embedded.protocol import HEADER, ProtocolError, quoted

HEADER_FORMAT = struct.Struct("=QQ")
MAX_OUTSTANDING = 1 << 16
"""Batches of blocks that may wait for their echoes: far above any window's content."""


def header_pieces(view: memoryview, position: int, block: int) -> list[memoryview]:
    """The octets of a stream's chunk that belong to block headers, to be sent back.

    Args:
        view: the chunk, as received.
        position: octets of the current block that came before it, 0 .. block - 1.
        block: octets, at least HEADER.
    """
    pieces = [view[: HEADER - position]] if position < HEADER else []
    pieces += [view[at : at + HEADER] for at in range(block - position, len(view), block)]
    return pieces


class EchoChecker:
    """Compares echoes with what was sent, and tells their round-trip times.

    Blocks sent in one system call have the same stamp and are kept as one batch.
    """

    __slots__ = ("_batches", "_left", "_rest", "_stamp", "echoed")

    def __init__(self) -> None:
        self.echoed = 0  # blocks, complete echoes only; the number of the next echo
        self._batches: deque[tuple[int, int]] = deque()  # (stamp, blocks), oldest first
        self._stamp = 0  # of the batch before those, of which
        self._left = 0  # blocks still wait
        self._rest = b""  # octets of an incomplete echo

    def sent(self, stamp: int, blocks: int) -> None:
        """Note blocks handed to the kernel.

        Raises:
            ProtocolError: the server reads on and on without an echo.
        """
        if len(self._batches) >= MAX_OUTSTANDING:
            raise ProtocolError("the server does not echo")
        self._batches.append((stamp, blocks))

    def receive(self, octets: bytes | memoryview, now: int) -> list[tuple[int, int]]:
        """Take echo octets; (round-trip time in ns, blocks that had it), oldest first.

        Raises:
            ProtocolError: an echo is changed, out of order, or of no block of ours.
        """
        data = b"".join((self._rest, octets))
        count = len(data) // HEADER
        values = struct.unpack_from(f"={2 * count}Q", data)
        self._rest = data[count * HEADER :]
        if values[1::2] != tuple(range(self.echoed, self.echoed + count)):
            raise ProtocolError(f"echo out of order: {quoted(data)}")
        self.echoed += count
        return self._times(values[::2], now)

    def _times(self, stamps: tuple[int, ...], now: int) -> list[tuple[int, int]]:
        """Compare the stamps with those sent, batch by batch."""
        times: list[tuple[int, int]] = []
        done, count = 0, len(stamps)
        while done < count:
            if not self._left:
                if not self._batches:
                    raise ProtocolError("echo of a block that was not sent")
                self._stamp, self._left = self._batches.popleft()
            part = min(self._left, count - done)
            if stamps[done : done + part].count(self._stamp) != part:
                raise ProtocolError("echo with another time stamp than sent")
            times.append((now - self._stamp, part))
            self._left -= part
            done += part
        return times
