"""Sending the datagrams of a UDP test, each at its time.

Source: thrulay.md sections 4.1 and 4.2.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from bwctl.embedded.datagrams import NONCE_SIZE, STAMP, UDPResponse, ntp_of
from bwctl.embedded.stats import Histogram

SPIN_S = 0.00006  # before a packet is due, in which we do not sleep: waking up takes that long
LOOK_S = 0.01  # between two looks at other things than packets
FEW, FEW_OF_MANY = 50_000, 8  # packets: of a longer test every eighth one's lateness is kept
FILLER = b"2"  # of C

_LOST_AT_HOME = {errno.ECONNREFUSED, errno.ENOBUFS}
"""Errors that a packet is lost by, as on its way: an ICMP message of long ago, a full queue."""


def sleep_exactly() -> None:
    """Let the kernel wake us up in time and not, as is its wont, 50 us later."""
    with suppress(OSError), open("/proc/self/timerslack_ns", "w") as slack:
        slack.write("1")


class PacketSender:
    """Sends the packets of one test; `sent` counts.

    Args:
        outgoing: connected to the server.
        payload: octets of UDP.
    """

    def __init__(self, outgoing: socket.socket, response: UDPResponse, payload: int) -> None:
        self.sent = 0
        self.failed = 0  # among them, by an error of the system
        self.lateness = Histogram()  # ns
        self.last_at = 0.0  # when the last one went, seconds of time.monotonic
        self._outgoing = outgoing
        self._planned = response.packets
        self._packet = bytearray(FILLER * payload)
        self._packet[:NONCE_SIZE] = response.nonce

    def run(self, due: Iterator[float], begun: float, look: Callable[[float], None]) -> None:
        """Send a packet at each moment that is due, until there are none left.

        A packet that is late goes at once; the plan stays.

        Args:
            due: seconds after the start.
            begun: the start, seconds of time.monotonic.
            look: called with the present every LOOK_S or so; what it raises ends the sending.

        Raises:
            OSError: a packet cannot be sent and never will.
        """
        clock, wall, sleep, send = time.monotonic, time.time_ns, time.sleep, self._outgoing.send
        packet, pack, late = self._packet, STAMP.pack_into, self.lateness.add
        every = 1 if self._planned <= FEW else FEW_OF_MANY
        look_at = begun
        for moment in due:
            at = begun + moment
            while (now := clock()) < at or now >= look_at:
                if now >= look_at:
                    look(now)
                    look_at = clock() + LOOK_S
                elif at - now > SPIN_S:
                    sleep(min(at - now - SPIN_S, look_at - now))
            if not self.sent % every:
                late(int((now - at) * 1e9))
            pack(packet, NONCE_SIZE, self.sent, ntp_of(wall()))
            try:
                send(packet)
            except OSError as error:
                if error.errno not in _LOST_AT_HOME:
                    raise
                self.failed += 1
            self.sent += 1
            self.last_at = now
