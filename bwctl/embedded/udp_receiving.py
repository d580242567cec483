"""Receiving the datagrams of a UDP test.

A datagram counts if it has the agreed size, the nonce, and the client's address; all else is noise,
which is counted apart and never answered.
Source: thrulay.md sections 4.1, 5 and 11.
"""

from __future__ import annotations

import socket
import time

from bwctl.embedded import datagrams, sockets
from bwctl.embedded.arrivals import Arrivals
from bwctl.embedded.datagrams import DATAGRAM, UDPResponse

PACE_GAPS = 100  # gaps between packets that tell the sender's pace; fewer do not
_BATCH = 256  # datagrams between two looks at the clock


class PacketReceiver:
    """Counts the packets of one test in `arrivals`.

    Args:
        incoming: non-blocking.
        payload: octets of UDP.
        client: its address.
    """

    def __init__(
        self, incoming: socket.socket, response: UDPResponse, payload: int, client: str
    ) -> None:
        self.arrivals = Arrivals(response.packets)
        self.strangers = 0  # datagrams that are none of the test's
        self.begun_at = 0  # monotonic ns at the first packet; 0: none came
        self.by_kernel = sockets.notes_arrivals(incoming)  # times of arrival
        self._incoming = incoming
        self._rate = response.rate
        self._nonce = int.from_bytes(response.nonce, "big")
        self._payload = payload
        self._client = client
        self._packet = bytearray(datagrams.MAX_PACKET)
        self._first = self._last = (0, -1)  # monotonic ns at which a number was reached

    def receive(self) -> bool:
        """Count what is there, up to a batch of it; whether there may be more."""
        receive, packet, size = self._incoming.recvmsg_into, self._packet, self._payload
        unpack, delay_of, time_of = DATAGRAM.unpack_from, datagrams.delay_ns, sockets.arrival
        buffers, space = [packet], sockets.NOTE_SPACE
        own: list[tuple[int, int]] = []  # number and delay
        taken = 0
        while taken < _BATCH:
            try:
                octets, notes, _, source = receive(buffers, space)
            except BlockingIOError:
                break
            taken += 1
            seconds, nanoseconds = time_of(notes) or self._now()
            nonce, number, ntp_seconds, fraction = unpack(packet)
            # the exclusive or takes the same time for every wrong nonce
            if octets == size and source[0] == self._client and not nonce ^ self._nonce:
                own.append((number, delay_of(seconds, nanoseconds, ntp_seconds, fraction)))
        self.strangers += taken - len(own)
        self.arrivals.add(own)
        self._note_progress(time.monotonic_ns())
        return taken == _BATCH

    def _now(self) -> tuple[int, int]:
        """Unix time, s and ns, for a datagram of which the kernel did not note it."""
        self.by_kernel = False
        return divmod(time.time_ns(), 1_000_000_000)

    def receive_all(self, end: int) -> bool:
        """Count all that is there, until a monotonic time in ns; whether there may be more."""
        while more := self.receive():
            if time.monotonic_ns() >= end:
                break
        return more

    def _note_progress(self, now: int) -> None:
        """Remember when which number was reached."""
        highest = self.arrivals.highest
        if highest > self._last[1]:
            self._last = now, highest
        if highest >= 0 and not self.begun_at:
            self.begun_at = now
            self._first = now, highest

    @property
    def heard_at(self) -> int:
        """When the highest number came, monotonic ns."""
        return self._last[0]

    def seconds(self, sent: int) -> float:
        """How long the client took for all that it sent, whether that arrived or not.

        The numbers that arrived tell its pace. Where they are few the agreed one counts.
        """
        (begun, low), (ended, high) = self._first, self._last
        if high - low >= PACE_GAPS:
            return (ended - begun) / 1e9 / (high - low) * sent
        return datagrams.seconds_of(self._rate, sent)
