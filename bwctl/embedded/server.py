"""The server role: lets a test's client in, hears its proposal, and serves one test.

One thread and one poll for everything. Each step has its time.
Source: thrulay.md sections 2, 10 and 11.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bwctl.embedded import protocol, sockets
from bwctl.embedded.admission import Door, Newcomer, send_whole
from bwctl.embedded.failures import Turned, reason_of
from bwctl.embedded.loop import Loop
from bwctl.embedded.options import TCP, UDP, Options, nanoseconds
from bwctl.embedded.protocol import ProtocolError, TCPProposal, UDPProposal
from bwctl.embedded.tcp_test import TCPTest
from bwctl.embedded.udp_test import UDPTest

PROPOSAL_S = 10.0
_TICK_NS = 100_000_000


class Sockets:
    """What a server holds, over all its tests: a listener, and a socket for datagrams."""

    def __init__(self, options: Options) -> None:
        """Take the port.

        Raises:
            OSError: the address or the port is not to be had.
        """
        self._options = options
        self.listener = sockets.listen(options.bind, options.port, options.window)
        self.datagrams: socket.socket | None = None
        if options.protocol != TCP:
            try:
                self.datagrams = sockets.receive_datagrams(
                    options.bind, options.port, options.window
                )
            except OSError:
                self.close()
                raise

    def description(self) -> str:
        """Words like those of C's log."""
        port = self.listener.getsockname()[1]
        window = sockets.window_of(self.listener)
        return f"thrulay server started, listening on port {port} with window size {window}"

    def reopen(self) -> None:
        """Listen again, if the last test ended that. Raises OSError as at the beginning."""
        if self.listener.fileno() < 0:
            options = self._options
            self.listener = sockets.listen(options.bind, options.port, options.window)

    def close(self) -> None:
        """Free the port."""
        self.listener.close()
        if self.datagrams is not None:
            self.datagrams.close()


class Server:
    """A test as the server sees it: `run` it, then `facts` has the figures.

    Args:
        write: takes one line of text for people.
        signals: that end the test.
    """

    def __init__(
        self,
        options: Options,
        write: Callable[[str], None],
        held: Sockets,
        signals: sockets.StopSignals,
    ) -> None:
        self.facts: dict[str, Any] = {
            "streams": options.streams,
            "duration": options.duration,
            "omit": options.omit,
            "seconds": 0.0,
            "bytes": 0,
            "bits_per_second": 0.0,
            "intervals": [],
            "stopped": False,  # by a signal
        }
        self._options = options
        self._write = write
        self._held = held
        self._loop = Loop()
        self._door = Door(held.listener, options, write)
        self._newcomers: dict[int, Newcomer] = {}
        self._test: TCPTest | UDPTest | None = None
        self._due = 0  # monotonic ns: when to look at what is a matter of time
        self._error: str | None = None
        self._signals = signals
        self._loop.watch(held.listener.fileno(), lambda _: self._admit())
        self._loop.watch(signals.reader, lambda _: self._stop())

    def run(self) -> str | None:
        """Serve one test; what went wrong, if anything."""
        try:
            self._serve()
        except OSError as error:
            self._error = reason_of(error)
        for newcomer in list(self._newcomers.values()):
            self._forget(newcomer)
            newcomer.connection.close()
        if self._test is not None:
            self.facts |= self._test.conclude()
            self._error = self._error or self._test.error
        return self._error

    def _serve(self) -> None:
        begun = time.monotonic_ns()
        while not self._is_over():
            now = time.monotonic_ns()
            if now >= self._due:
                self._due = self._tick(now, begun)
            self._loop.turn(self._due - now)

    def _is_over(self) -> bool:
        test = self._test
        return self._error is not None or (
            test is not None
            and (test.error is not None or (test.over() and not self._awaits_more()))
        )

    def _awaits_more(self) -> bool:
        """Whether a greeted connection may still become a stream of this test."""
        return not self._options.streams and bool(self._newcomers)

    def _stop(self) -> None:
        self.facts["stopped"] = True
        self._error = f"stopped by {self._signals.name()}"

    # Connections

    def _admit(self) -> None:
        test = self._test
        guests = {one.peer for one in self._newcomers.values()} | (test.peers if test else set())
        taken = len(self._newcomers) + (test.seats if test else 0)
        newcomer = self._door.admit(guests, taken)
        if newcomer is not None:
            self._newcomers[newcomer.connection.fileno()] = newcomer
            handler = partial(self._negotiate, newcomer)
            self._loop.watch(newcomer.connection.fileno(), lambda _: handler())
        elif self._door.tired and test is not None:  # strangers do not disturb a test for ever
            self._loop.forget(self._held.listener.fileno())
            self._held.listener.close()

    def _negotiate(self, newcomer: Newcomer) -> None:
        try:
            proposal = newcomer.hear()
            if proposal is None:
                return
            self._forget(newcomer)
            self._open(newcomer, proposal)
            self._due = 0  # a test may want to be looked at sooner than nothing
        except (Turned, ProtocolError, OSError) as problem:
            self._drop(newcomer, reason_of(problem))

    def _open(self, newcomer: Newcomer, proposal: TCPProposal | UDPProposal) -> None:
        """Make the proposal's test, or a part of the one that runs.

        Raises:
            Turned, OSError: neither.
        """
        if isinstance(proposal, UDPProposal):
            self._open_udp(newcomer, proposal)
        elif self._options.protocol == UDP or isinstance(self._test, UDPTest):
            raise Turned("no TCP test")
        else:
            test = self._test or TCPTest(self._options, self._write, self._loop)
            test.open(newcomer, proposal)
            self._test = test

    def _open_udp(self, newcomer: Newcomer, proposal: UDPProposal) -> None:
        if self._held.datagrams is None or self._test is not None:
            send_whole(newcomer.connection, protocol.UDP_REFUSAL)
            raise Turned("no UDP test")
        test = UDPTest(self._options, self._write, self._loop, self._held.datagrams)
        test.open(newcomer, proposal)
        self._test = test

    def _drop(self, newcomer: Newcomer, reason: str) -> None:
        """Close a connection that did not become a part of a test; its place is free again."""
        self._forget(newcomer)
        newcomer.connection.close()
        self._door.note(f"connection from {newcomer.peer} closed: {reason}")

    def _forget(self, newcomer: Newcomer) -> None:
        if self._newcomers.pop(newcomer.connection.fileno(), None) is not None:
            self._loop.forget(newcomer.connection.fileno())

    # Time

    def _tick(self, now: int, begun: int) -> int:
        """Look at all that is a matter of time; when to look again."""
        for newcomer in list(self._newcomers.values()):
            if now - newcomer.admitted_at >= nanoseconds(PROPOSAL_S):
                self._drop(newcomer, "no proposal in time")
        self._check_arrivals(now - begun)
        due = self._test.tick(now) if self._test is not None else None
        return now + _TICK_NS if due is None else min(now + _TICK_NS, due)

    def _check_arrivals(self, waited: int) -> None:
        """All streams have to come in time, and before the others are over."""
        wanted, limit = self._options.streams, self._options.deadline
        test = self._test
        there = len(self._newcomers) + (test.seats if test else 0)
        too_late = limit and waited >= nanoseconds(limit) or (test and not test.living)
        if there < wanted and too_late:
            self._error = f"{there} of {wanted} streams came within {limit:g} s"
