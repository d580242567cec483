"""The client of a UDP test: sends packets by a schedule, and gets the result from the server.

Source: thrulay.md sections 2.4, 4, 10 and 11.
"""

from __future__ import annotations

import math
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bwctl.embedded import datagrams, report, sockets, udp_report
from bwctl.embedded.datagrams import UDPResponse
from bwctl.embedded.failures import ServerGone, Stopped, reason_of
from bwctl.embedded.opening import connect, receive
from bwctl.embedded.options import UDP, Options, nanoseconds
from bwctl.embedded.pacing import PacketSender, sleep_exactly
from bwctl.embedded.protocol import MAX_RESPONSE, ProtocolError, Refused, UDPProposal
from bwctl.embedded.schedule import due_times
from bwctl.embedded.stats import Marks

DRAIN_S = 1.0  # from the last packet to the end message, for those on their way
OVERTIME_S = 1.0  # beyond its duration, until which a client that is late goes on sending
REPORT_S = 5.0  # for the server's report
SHORT = 0.9  # of the packets: who sent fewer has no whole test


class UDPClient:
    """A test as the client sees it: `run` it, then `facts` has the figures.

    Args:
        write: takes one line of text for people.
    """

    def __init__(self, options: Options, write: Callable[[str], None]) -> None:
        self.facts: dict[str, Any] = {
            "protocol": UDP,
            "streams": 1,
            "duration": options.duration,
            "schedule": options.schedule,
            "rate": options.rate,
        }
        self._options = options
        self._write = write
        self._sockets: list[socket.socket] = []
        self._poll = select.poll()
        self._intervals: list[dict[str, Any]] = []
        self._begun_at = 0.0  # start of the current interval, seconds
        self._cut = 0  # packets before the current interval

    def run(self) -> str | None:
        """Do the test; what went wrong, if anything."""
        try:
            self._open()
            return self._measure()
        except (OSError, ProtocolError, ValueError) as error:
            return reason_of(error)
        except Refused as error:
            return f"server said: {error}"
        finally:
            for one in self._sockets:
                one.close()

    # Before the test

    def _open(self) -> None:
        options = self._options
        control = self._control = connect(options, window=0)
        self._sockets.append(control)
        own, *_ = control.getsockname()
        outgoing = sockets.send_datagrams(own, options.port, options.window, options.tos)
        self._sockets.append(outgoing)
        port = outgoing.getsockname()[1]
        asked = datagrams.proposal(port, options.packet, options.rate, options.duration)
        self._response = self._negotiate(asked)
        server, *_ = control.getpeername()
        outgoing.connect(sockets.resolve(server, self._response.server_port)[1])
        payload = self._response.packet_size - datagrams.headers(self._ipv6)
        self._sender = PacketSender(outgoing, self._response, payload)
        self._describe(outgoing)

    @property
    def _ipv6(self) -> bool:
        return self._control.family == socket.AF_INET6

    def _negotiate(self, asked: UDPProposal) -> UDPResponse:
        self._control.sendall(asked.encode())
        octets = b""
        while (response := datagrams.parse_response(octets)) is None:
            octets += receive(self._control, MAX_RESPONSE)
        try:
            datagrams.check_response(response, asked, self._ipv6)
        except ProtocolError:
            self._control.sendall(datagrams.ABORT)
            raise
        return response

    def _describe(self, outgoing: socket.socket) -> None:
        _, size, rate, packets, _ = self._response
        self._seconds = datagrams.seconds_of(rate, packets)
        self.facts |= {
            "packet_size": size,
            "planned": packets,
            "mtu": sockets.mtu_of(self._control),
            "buffer": outgoing.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
        }
        for line in report.udp_client_header(self.facts, rate, self._seconds):
            self._write(line)

    # The test

    def _measure(self) -> str | None:
        error: str | None = None
        self._poll.register(self._control, select.POLLIN)
        self._signals = sockets.StopSignals()
        self._poll.register(self._signals.reader, select.POLLIN)
        sleep_exactly()
        begun = time.monotonic()
        try:
            self._send(begun)
        except Stopped as stop:
            error = f"stopped by {stop}"
        except (ServerGone, OSError) as problem:
            error = f"premature end of test: {reason_of(problem)}"
        try:
            text = self._ask_for_report() if error is None else self._abort()
        except (OSError, ServerGone) as problem:
            text, error = "", error or f"no report: {reason_of(problem)}"
        self._conclude(begun, text)
        return error or self._shortcoming()

    def _send(self, begun: float) -> None:
        """All packets, then the time for those on their way.

        Raises:
            Stopped, ServerGone, OSError: it ended before.
        """
        marks = Marks(int(begun * 1e9), 0, nanoseconds(self._options.interval))
        end = begun + self._options.duration + OVERTIME_S
        due = due_times(self._options.schedule, self._response.packets, self._seconds)

        def look(now: float) -> None:
            if now * 1e9 >= marks.next:
                self._end_interval(now - begun)
                marks.take(int(now * 1e9))
            self._check_others(0)
            if now >= end:
                raise TimeIsOver

        with suppress(TimeIsOver):
            self._sender.run(due, begun, look)
        rest = max(begun + self._seconds, self._sender.last_at) + DRAIN_S
        while (left := rest - time.monotonic()) > 0:
            self._check_others(left)

    def _check_others(self, seconds: float) -> None:
        """Wait so long for what must not come during the test."""
        for fd, _ in self._poll.poll(math.ceil(seconds * 1000)):
            if fd == self._signals.reader:
                raise Stopped(self._signals.name())
            raise ServerGone("the server closed the connection in mid-test")

    def _end_interval(self, end: float) -> None:
        start, self._begun_at = self._begun_at, end
        packets, self._cut = self._sender.sent - self._cut, self._sender.sent
        entry = report.entry(start, end, packets * self._response.packet_size, packets=packets)
        self._intervals.append(entry)
        self._write(report.udp_client_line(entry, final=False))

    # The end

    def _ask_for_report(self) -> str:
        """Say how much we sent, and read what the server made of it, to the end of file."""
        self._control.sendall(datagrams.end_message(self._sender.sent))
        end = time.monotonic() + REPORT_S
        octets = b""
        while len(octets) < udp_report.MAX_TEXT and (left := end - time.monotonic()) > 0:
            self._control.settimeout(left)
            more = self._control.recv(udp_report.MAX_TEXT - len(octets))
            if not more:
                return udp_report.printable(octets)
            octets += more
        raise ServerGone("the server's report has no end")

    def _abort(self) -> str:
        self._control.sendall(datagrams.ABORT)
        return ""

    def _conclude(self, begun: float, text: str) -> None:
        """Final lines and facts."""
        sender, size = self._sender, self._response.packet_size
        seconds = sender.last_at - begun if sender.sent else 0.0
        if sender.sent == self._response.packets:
            seconds = max(seconds, self._seconds)  # the last gap belongs to the plan too
        if self._options.interval and sender.sent > self._cut:
            self._end_interval(seconds)
        total = report.entry(0.0, seconds, sender.sent * size, packets=sender.sent)
        self._write(report.udp_client_line(total, final=True))
        for line in text.splitlines():
            self._write(line)
        found = udp_report.read(text, sender.sent)
        received = found["received"]
        self.facts |= {
            "seconds": total["end"],
            "bytes": None if received is None else received * size,
            "sent_bytes": total["bytes"],
            "bits_per_second": report.rate((received or 0) * size, seconds),
            "sent_bits_per_second": total["bits_per_second"],
            **found,
            "failed": sender.failed,
            "lateness_us": report.times_us(sender.lateness),
            "intervals": self._intervals,
        }

    def _shortcoming(self) -> str | None:
        if self._sender.sent < SHORT * self._response.packets:
            return f"only {self._sender.sent} of {self._response.packets} packets sent in time"
        if self.facts["received"] is None:
            return "the server's report makes no sense"
        return None if self.facts["received"] else "no packet arrived"


class TimeIsOver(Exception):
    """The client is so late that it stops sending."""
