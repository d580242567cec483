"""The ends of a simulated test: what peer agents and testers do, as far as the broker notices."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from bwctl.control.session import Stopped
from bwctl.control.timing import clock_complaint
from bwctl.errors import AcceptType
from bwctl.net.broker import Booking
from bwctl.net.clock import reading
from bwctl.net.plan import Plan
from bwctl.simulate.daemon import SimulatedDaemon
from bwctl.simulate.use import Use
from bwctl.values import NTPTime, Role

NO_PEER = "the other end never came"
RATE = 1_000_000_000  # bit/s of a test that sets no rate, for quotas of octets


class TestEnd:
    """One end, from StartSession until the host's time is free again.

    Args:
        finished: told once how it went, after the reservation was released.
        tail: seconds that a tester needs to end; None: it hangs until it is killed.
    """

    __test__ = False

    def __init__(
        self,
        daemon: SimulatedDaemon,
        booking: Booking,
        finished: Callable[[Stopped], None],
        tail: float | None,
    ) -> None:
        self.daemon = daemon
        self.booking = booking
        self.other: TestEnd | None = None
        self.traffic: Traffic | None = None
        self._finished = finished
        self._tail = tail
        self._over = False

    def begin(self) -> None:
        """StartSession came in time."""
        due = self._run if self.booking.reservation.role is Role.CLIENT else self._look_for_peer
        self._wait_for(self.booking.reservation.start, due)

    def meet(self, other: TestEnd) -> None:
        """The client's end reached the server's; each looks at the other's clock (wire.md 6.4)."""
        self.other, other.other = other, self
        ours, theirs = reading(self.daemon.host.clock), reading(other.daemon.host.clock)
        if clock_complaint(ours, theirs, ours) is not None:
            self.finish(AcceptType.FAILURE, "clocks disagree")

    def finish(self, status: AcceptType, why: str = "") -> None:
        """It is over, in whatever way, and so is the other end; harmless when done already."""
        if self._over:
            return
        self._over = True
        if self.traffic is not None:
            self.traffic.end()
        self._release()
        self._finished(Stopped(status, why.encode()))
        other, self.other = self.other, None
        if other is not None:
            other.finish(status, why)

    def _look_for_peer(self) -> None:
        if self.other is None:
            self.finish(AcceptType.FAILURE, NO_PEER)

    def _run(self) -> None:
        """The client's tester starts, and data flow."""
        other = self.other
        if other is None:
            self.finish(AcceptType.FAILURE, NO_PEER)
            return
        self.traffic = other.traffic = Traffic(self, other)
        if self._tail is None:
            for end in (self, other):
                hard_end = _plan(end.booking).hard_end
                end._wait_for(hard_end, end.finish, AcceptType.REJECT, "tester hung")
        else:
            length = self.booking.spec.seconds + self._tail
            self._wait(length, self.finish, AcceptType.ACCEPT)

    def _wait_for(self, moment: NTPTime, call: Callable[..., object], *args: object) -> None:
        clock = self.daemon.clock
        self._wait(clock.virtual(moment) - clock.mono(), call, *args)

    def _wait(self, delay: float, call: Callable[..., object], *args: object) -> None:
        self.daemon.reactor.send(max(0.0, delay), self._unless_over, call, *args)

    def _unless_over(self, call: Callable[..., object], *args: object) -> None:
        if not self._over:
            call(*args)

    def _release(self) -> None:
        daemon, booking, reservation = self.daemon, self.booking, self.booking.reservation
        clock = daemon.clock
        begun = NTPTime(reservation.start - reservation.fuzz)
        daemon.use.held.add(clock.virtual(begun), clock.mono())
        daemon.broker.release(booking)
        if self.traffic is not None and daemon.counts_octets:
            rate = booking.spec.bandwidth or RATE
            moved = int(rate * self.traffic.seconds / 8)
            daemon.host.quotas.moved(booking.holding.who, moved)


class Traffic:
    """The data of one test, at both hosts."""

    def __init__(self, client: TestEnd, server: TestEnd) -> None:
        self.seconds = 0.0  # how long they have flowed; 0 as long as they do
        self._clock = client.daemon.host.clock
        self._began = self._clock.mono()
        self._length = client.booking.spec.seconds
        self._uses: tuple[Use, ...] = (client.daemon.use, server.daemon.use)
        for use in self._uses:
            use.begin(self, client.booking.spec.kind, self._began, self._length)

    def end(self) -> None:
        """No more data; harmless when done already."""
        uses, self._uses = self._uses, ()
        if not uses:
            return
        now = self._clock.mono()
        self.seconds = min(self._length, now - self._began)
        for use in uses:
            use.end(self, now)


class Doors:
    """Where the server's ends of tests wait for the client's: peer ports of all hosts."""

    def __init__(self) -> None:
        self._open: dict[int, TestEnd] = {}
        self._ports = count(1)

    def open(self, end: TestEnd) -> int:
        """A port of its own for an end."""
        port = next(self._ports)
        self._open[port] = end
        return port

    def close(self, port: int) -> TestEnd | None:
        """The end that waits there, if it still does."""
        return self._open.pop(port, None)


def _plan(booking: Booking) -> Plan:
    reservation = booking.reservation
    return Plan(
        spec=booking.spec,
        role=reservation.role,
        tester=booking.tester,
        port=booking.port,
        start=reservation.start,
        fuzz=reservation.fuzz,
    )
