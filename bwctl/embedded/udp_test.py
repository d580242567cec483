"""A UDP test at the server: agrees on it, counts its packets, and reports to the client at its end.

Source: thrulay.md sections 2.4, 4.3, 10 and 11.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any

from bwctl.embedded import datagrams, report, udp_report
from bwctl.embedded.admission import Newcomer, send_whole
from bwctl.embedded.datagrams import Aborted, UDPResponse
from bwctl.embedded.failures import Turned, reason_of
from bwctl.embedded.loop import Loop
from bwctl.embedded.options import MAX_INTERVALS, UDP, Options, nanoseconds
from bwctl.embedded.protocol import UDP_REFUSAL, ProtocolError, UDPProposal
from bwctl.embedded.stats import Marks
from bwctl.embedded.udp_receiving import PacketReceiver

GRACE_S = 10.0  # beyond the test's time, before a client that does not end is cut off
DRAIN_S = 1.0  # for what the kernel holds at the end
SHORT = 0.9  # of the packets: a client that sent fewer was cut short
_FAST = 2_000_000  # packets in 1000 s
_NAP_NS = (
    2_000_000  # between two readings of a fast stream; at 1 Gb/s the buffer holds 20 times that
)


class UDPTest:
    """One test; `error` says what went wrong with it, if anything.

    Args:
        write: takes one line of text for people.
        incoming: where the datagrams come.
    """

    seats = 1

    def __init__(
        self,
        options: Options,
        write: Callable[[str], None],
        loop: Loop,
        incoming: socket.socket,
    ) -> None:
        self.error: str | None = None
        self.peers: set[str] = set()
        self._options = options
        self._write = write
        self._loop = loop
        self._incoming = incoming
        self._end = b""  # what the client said so far
        self._sent: int | None = None  # packets, as the client said
        self._intervals: list[dict[str, Any]] = []
        self._marks: Marks | None = None  # until the first packet
        self._begun_at = 0.0  # start of the current interval, seconds

    # The beginning

    def open(self, newcomer: Newcomer, proposal: UDPProposal) -> None:
        """Answer a proposal; packets may come from now on.

        Raises:
            Turned: there is no test.
        """
        connection, options = newcomer.connection, self._options
        ipv6 = connection.family == socket.AF_INET6
        refused = datagrams.objection(proposal, ipv6, options.rate, options.duration)
        if refused:
            send_whole(connection, UDP_REFUSAL)
            raise Turned(f"UDP test refused: {refused}")
        _, size, rate, packets = proposal
        nonce = os.urandom(datagrams.NONCE_SIZE)
        response = UDPResponse(options.port, size, rate, packets, nonce)
        payload = size - datagrams.headers(ipv6)
        self._response = response
        self._receiver = PacketReceiver(self._incoming, response, payload, newcomer.peer)
        if not send_whole(connection, response.encode()):
            raise Turned("gone before the response")
        self._connection = connection
        self._answered_at = time.monotonic_ns()
        self.peers = {newcomer.peer}
        self._write(report.udp_header())
        self._listen()

    def _listen(self) -> None:
        """Wait for the end, and for packets.

        To be woken up by every packet of a fast stream would take the time of both ends. Where the
        kernel notes when packets come they are fetched in bulk instead, by `tick`.
        """
        self._loop.watch(self._connection.fileno(), lambda _: self._hear())
        self._naps = self._response.rate >= _FAST
        self._check_naps()

    def _check_naps(self) -> None:
        """Without the kernel's notes packets have to be read when they come."""
        self._naps = self._naps and self._receiver.by_kernel
        if not self._naps:
            self._loop.watch(self._incoming.fileno(), lambda _: self._receive())

    def _receive(self) -> None:
        self._receiver.receive()

    # Time

    def tick(self, now: int) -> int | None:
        """Look at all that is a matter of time; when to look again."""
        more = self._naps and self._receiver.receive_all(now + _NAP_NS)
        if now - self._answered_at >= nanoseconds(self._planned_seconds() + GRACE_S):
            self.error = f"the client did not end {GRACE_S:g} s after its time"
        due = self._next_mark(now)
        if not self._naps:
            return due
        self._check_naps()
        return now if more else now + _NAP_NS

    def _planned_seconds(self) -> float:
        return datagrams.seconds_of(self._response.rate, self._response.packets)

    def _next_mark(self, now: int) -> int | None:
        """End an interval that is over; when the next one ends."""
        marks, begun_at = self._marks, self._receiver.begun_at
        if marks is None:
            if not begun_at:
                return None
            marks = self._marks = Marks(begun_at, 0, nanoseconds(self._options.interval))
        if now >= marks.next:
            self._end_interval((now - marks.zero) / 1e9)
            marks.take(now)
        return marks.next

    def _end_interval(self, end: float) -> None:
        start, self._begun_at = self._begun_at, end
        counted = self._receiver.arrivals.end_interval()
        if not counted["received"] and start >= self._planned_seconds():
            return  # the client waits before its end message
        octets = counted["received"] * self._response.packet_size
        entry = report.entry(start, end, octets, **counted)
        if len(self._intervals) < MAX_INTERVALS:
            self._intervals.append(entry)
        self._write(report.udp_line(entry, final=False))

    # The end

    def _hear(self) -> None:
        """Read the end message; with it the test is over."""
        try:
            octets = self._connection.recv(64)
            if not octets:
                raise ProtocolError("the client left without the number of packets it sent")
            self._end += octets
            sent = datagrams.parse_end(self._end, self._response.packets)
        except BlockingIOError:
            return
        except Aborted:
            self.error = "the client gave the test up"
        except (ProtocolError, OSError) as problem:
            self.error = reason_of(problem)
        else:
            if sent is not None:
                self._finish(sent)

    def _finish(self, sent: int) -> None:
        """Take what the kernel holds, then send the report."""
        self._receiver.receive_all(time.monotonic_ns() + nanoseconds(DRAIN_S))
        self._sent = sent
        buffer = self._incoming.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        text = udp_report.text(self._receiver.arrivals, sent, buffer)
        if not send_whole(self._connection, text.encode()):
            self.error = "the client left before the report"

    def over(self) -> bool:
        """Whether the client has its report."""
        return self._sent is not None

    @property
    def living(self) -> bool:
        """Whether the client is there."""
        return not self.over()

    def conclude(self) -> dict[str, Any]:
        """Write the last lines; the facts, and `error` if the test was cut short."""
        self._loop.forget(self._connection.fileno())
        self._loop.forget(self._incoming.fileno())
        self._connection.close()
        receiver, response = self._receiver, self._response
        arrivals = receiver.arrivals
        if self._marks and self._options.interval and arrivals.unfinished():
            self._end_interval((receiver.heard_at - self._marks.zero) / 1e9)
        sent = self._sent if self._sent is not None else arrivals.highest + 1
        figures = udp_report.figures(arrivals, sent)
        octets = arrivals.unique * response.packet_size
        total = report.entry(0.0, receiver.seconds(sent), octets, **figures)
        self._write(report.udp_line(total, final=True))
        self.error = self.error or self._shortcoming(sent)
        return {
            "protocol": UDP,
            "streams": 1,
            "packet_size": response.packet_size,
            "planned": response.packets,
            "seconds": total["end"],
            "bytes": octets,
            "bits_per_second": total["bits_per_second"],
            **figures,
            "out_of_range": arrivals.out_of_range,
            "strangers": receiver.strangers,
            "timestamps": "kernel" if receiver.by_kernel else "program",
            "intervals": self._intervals,
        }

    def _shortcoming(self, sent: int) -> str | None:
        if not self._receiver.arrivals.unique:
            return "no packet arrived"
        if sent < SHORT * self._response.packets:
            return f"the client sent {sent} of {self._response.packets} packets"
        return None
