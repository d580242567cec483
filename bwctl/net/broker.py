"""The resource broker at work: policy, time slot, port, and the timer that takes them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bwctl.broker.reservation import Demand, Full, Reservation, TooBusy
from bwctl.errors import AcceptType
from bwctl.interfaces import ITester
from bwctl.limits.classes import LimitClass
from bwctl.limits.policy import Moment
from bwctl.limits.quota import Holding, octets_of
from bwctl.limits.unmeasured import tcp_bound, unmeasured
from bwctl.net.application import Application
from bwctl.net.confirmed import Confirmed
from bwctl.net.eventlog import EventLog
from bwctl.net.host import Host
from bwctl.net.prospect import Prospect, Prospects, length_of
from bwctl.net.rules import Rules
from bwctl.net.timers import Timer
from bwctl.values import NEVER, SID, Kind, NTPTime, Report, Role, TestSpec, ToolID, seconds, ticks

MAX_FUZZ = ticks(3600)  # beyond this a clock is not one; such padding would fill the timetable


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no time slot; `start` other than 0 says when there would be one."""

    accept: AcceptType
    reason: str
    start: NTPTime = NEVER


@dataclass(slots=True, eq=False, kw_only=True)
class Booking:
    """A reservation with its port and its timer: what one control connection holds."""

    spec: TestSpec
    tester: ITester
    limit_class: LimitClass
    reservation: Reservation
    port: int  # of the tester's server
    own_port: int  # the first of those taken from our pool
    pooled: int  # how many
    holding: Holding  # on the requester's account
    timer: Timer | None = None
    released: bool = False
    measured: bool = False  # what it has moved is counted

    @property
    def ports(self) -> range:
        """The ports that are taken for it."""
        return range(self.own_port, self.own_port + self.pooled)

    @property
    def sid(self) -> SID:
        """The session's id."""
        return self.reservation.sid


class BrokerService:
    """Gives time slots out and takes them back, on every path. Source: daemon.md 2.7, 4.3, 4.6."""

    log: ClassVar[EventLog] = EventLog()

    def __init__(self, host: Host) -> None:
        self._host = host
        self.confirmed = Confirmed(host.clock)
        self._rules = Rules(host)
        self._prospects = Prospects(host)
        self._fastest = 0.0  # bit/s of a test that our own tester has measured

    # -- granting --------------------------------------------------------------------------------

    def reserve(self, application: Application) -> Booking | Refusal:
        """A first request: check it against everything, then book it."""
        tester = self._host.tester(application.request.spec.tool)
        if tester is None:
            return self._refused(application, Refusal(AcceptType.UNSUPPORTED, "no such tester"))
        prospect = self._prospects.of(application, tester)
        if prospect.problems:
            reason = "; ".join(prospect.problems)
            return self._refused(application, Refusal(AcceptType.UNSUPPORTED, reason))
        return self._checked(application, prospect)

    def _checked(self, application: Application, prospect: Prospect) -> Booking | Refusal:
        moment = self._rules.moment(application)
        reasons = self._rules.against(application, prospect, moment)
        if reasons:
            return self._refused(application, Refusal(AcceptType.REJECT, "; ".join(reasons)))
        host, role, tester = self._host, application.request.role, prospect.tester
        pool, wanted = host.pool(tester), prospect.ports
        own_port: int | None = 0
        if wanted:
            address = prospect.spec.address(role)
            own_port = host.take_ports(pool, wanted, address, datagrams=prospect.datagrams)
        if own_port is None:
            return self._refused(application, Refusal(AcceptType.FAILURE, "no free tester port"))
        placed = self._place(application, prospect.spec.tool, prospect.length, None, moment)
        if isinstance(placed, Refusal):
            pool.release(own_port, wanted, unused=True)
            return self._refused(application, placed)
        booking = Booking(
            spec=prospect.spec,
            tester=tester,
            limit_class=application.limit_class,
            reservation=placed,
            port=own_port,
            own_port=own_port,
            pooled=wanted,
            holding=host.quotas.hold(application.requester, prospect.cost),
        )
        if role is Role.CLIENT:
            booking.port = application.request.tool_port or tester.default_port
        return self._granted(application, booking)

    def move(self, booking: Booking, application: Application) -> Booking | Refusal:
        """An update; where it is refused the old place is lost, as clients expect of C."""
        if booking.released:
            return self._refused(application, Refusal(AcceptType.REJECT, "the reservation is over"))
        if application.request.role is not booking.reservation.role:
            self.release(booking)
            refusal = Refusal(AcceptType.UNSUPPORTED, "an update for the other role")
            return self._refused(application, refusal)
        moment = self._rules.moment(application)
        reasons = self._rules.against_move(application, moment)
        if reasons:
            self.release(booking)
            refusal = Refusal(AcceptType.REJECT, "; ".join(reasons))
            return self._refused(application, refusal)
        self._disarm(booking)
        held = booking.reservation
        length = length_of(booking.spec, booking.tester)
        placed = self._place(application, booking.spec.tool, length, held, moment)
        if isinstance(placed, Refusal):
            self.release(booking)
            return self._refused(application, placed)
        booking.reservation = placed
        if application.request.role is Role.CLIENT and application.request.tool_port:
            booking.port = application.request.tool_port
        return self._granted(application, booking)

    def _granted(self, application: Application, booking: Booking) -> Booking:
        start = booking.reservation.start
        booking.timer = self._host.timers.at(start, self._expire, booking)
        self.log.info(
            "reservation for {client}: {tester} as {role}, class {limit_class}",
            client=application.client,
            tester=booking.tester.name,
            role=booking.reservation.role.value,
            limit_class=booking.limit_class.name,
            start=start,
            sid=booking.sid.hex(),
            event="reservation.made",
        )
        return booking

    def _refused(self, application: Application, refusal: Refusal) -> Refusal:
        self.log.info(
            "request of {client} refused: {reason} (class {limit_class})",
            client=application.client,
            reason=refusal.reason,
            limit_class=application.limit_class.name,
            accept=refusal.accept.name,
            event="reservation.refused",
        )
        return refusal

    # -- the place -------------------------------------------------------------------------------

    def _place(
        self,
        application: Application,
        tool: ToolID,
        length: int,
        replacing: Reservation | None,
        moment: Moment,
    ) -> Reservation | Refusal:
        request, now, fuzz = application.request, moment.now, moment.fuzz
        if fuzz > MAX_FUZZ:  # an update may come with another error than the first request
            return Refusal(AcceptType.REJECT, f"a time error of {seconds(fuzz):.0f} s")
        demand = Demand(
            sid=application.sid,
            role=request.role,
            tool=tool,
            earliest=max(request.time, self.confirmed.displaced_until),
            latest=self._rules.latest(application, now),
            length=length,
            fuzz=fuzz,
            rtt=ticks(application.rtt),
        )
        accounts = application.limit_class.accounts
        placed = self._host.broker.place(demand, now, replacing=replacing, accounts=accounts)
        if isinstance(placed, TooBusy):
            reasons = self._rules.beyond_latest(application, now, placed.start)
            return Refusal(AcceptType.REJECT, "; ".join(reasons), placed.start)
        if isinstance(placed, Full):
            return Refusal(AcceptType.REJECT, f"all {placed.limit} reservations are taken")
        if outside := self._rules.outside(application, placed.start):
            self._host.broker.release(placed)
            return Refusal(AcceptType.REJECT, f"the first free start: {'; '.join(outside)}")
        return placed

    # -- taking back -----------------------------------------------------------------------------

    def confirm(self, booking: Booking) -> None:
        """StartSession came in time: the reservation is no longer tentative."""
        self._disarm(booking)
        self.confirmed.add(booking.reservation)
        self._host.quotas.confirm(booking.holding)

    def measure(self, booking: Booking, report: Report | None) -> None:
        """Count what a test has moved, as our own tester tells it."""
        if report is not None and (octets := self._told(booking, report)):
            self._fastest = max(self._fastest, report.summary.get("bits_per_second") or 0.0)
            self._count(booking, octets)

    def measure_theirs(self, booking: Booking, output: bytes) -> None:
        """Count what a test has moved, as the other end tells it; its last lines are enough."""
        if booking.measured or booking.spec.kind is not Kind.THROUGHPUT:
            return
        role = booking.reservation.role.other
        report = self._host.readings.margins(booking.tester, output, booking.spec, role)
        if report is not None and (octets := self._told(booking, report)):
            self._count(booking, octets)

    def estimate(self, booking: Booking, report: Report | None, ran_s: float) -> None:
        """Count what a test may have moved of which nobody who is believed has told the total.

        Args:
            report: what our own tester has written up to its end.
            ran_s: how long it ran, seconds.
        """
        if booking.measured or booking.spec.kind is not Kind.THROUGHPUT or not ran_s:
            return
        rate = tcp_bound(booking.limit_class, self._fastest)
        self._count(booking, unmeasured(booking.spec, report, ran_s, rate))

    def _told(self, booking: Booking, report: Report) -> int:
        if booking.measured or booking.spec.kind is not Kind.THROUGHPUT:
            return 0
        return octets_of(report)

    def _count(self, booking: Booking, octets: int) -> None:
        booking.measured = True
        self._host.quotas.moved(booking.holding.who, octets)

    def release(self, booking: Booking) -> None:
        """Free the slot and the ports; harmless when done already."""
        if booking.released:
            return
        booking.released = True
        self._disarm(booking)
        unused = not self.confirmed.discard(booking.reservation)
        self._host.broker.release(booking.reservation)
        self._host.quotas.ledger.let_go(booking.holding)
        if booking.pooled:
            pool = self._host.pool(booking.tester)
            pool.release(booking.own_port, booking.pooled, unused=unused)
        self.log.debug("reservation released", sid=booking.sid.hex(), event="reservation.released")

    def _expire(self, booking: Booking) -> None:
        booking.timer = None
        self.log.info(
            "reservation was never confirmed; released at its time",
            sid=booking.sid.hex(),
            event="reservation.expired",
        )
        self.release(booking)

    def _disarm(self, booking: Booking) -> None:
        if booking.timer is not None:
            booking.timer.cancel()
            booking.timer = None
