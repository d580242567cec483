"""The timetable: which reservation holds which time slot, and where the next one fits."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from bwctl.broker.load import Load
from bwctl.broker.obstacles import Guard, Obstacles
from bwctl.broker.reservation import Demand, Full, Reservation, TooBusy
from bwctl.values import NTP_MAX, SID, TICKS_PER_SECOND, Kind, NTPTime, kind_of

LONGEST_RTT: Final = 2 * TICKS_PER_SECOND  # a longer measured bound is the client dawdling
SETUP_MARGIN: Final = TICKS_PER_SECOND // 4
SHARED_TESTS: Final = 30  # as a slot of the C daemon, bwctld/bwctld.c
MAX_RESERVATIONS: Final = 10_000


class Timetable:
    """All reservations, and the rules that keep them apart. Source: daemon.md 4.6.

    Throughput tests are exclusive: between one and any other test lies the guard time. Latency and
    trace tests share time with each other, with at most `shared_tests` padded ones at any instant.
    All times are ticks (2**-32 s).

    Args:
        guard: larger of both paddings between two tests, or their sum.
        trace_during_throughput: traces and throughput tests take no notice of each other, as in C.
        shared_tests: how many shared tests may cover an instant; the two ends of one test are two.
        setup_margin: added to the earliest start where the requested one cannot be met.
        max_reservations: how many may be held.
    """

    def __init__(
        self,
        *,
        guard: Guard = Guard.MAX,
        trace_during_throughput: bool = False,
        shared_tests: int = SHARED_TESTS,
        setup_margin: int = SETUP_MARGIN,
        max_reservations: int = MAX_RESERVATIONS,
    ) -> None:
        self.guard = guard
        self.setup_margin = setup_margin
        self.max_reservations = max_reservations
        everything, shared = Obstacles(guard), Obstacles(guard)
        trace = Obstacles(guard) if trace_during_throughput else shared
        self._avoided = {Kind.THROUGHPUT: everything, Kind.LATENCY: shared, Kind.TRACE: trace}
        self._entered: dict[Kind, tuple[Obstacles, ...]] = {
            Kind.THROUGHPUT: (everything, shared),
            Kind.LATENCY: (everything,),
            Kind.TRACE: () if trace_during_throughput else (everything,),
        }
        trees = (shared.wide, trace.wide) if trace_during_throughput else (shared.wide,)
        self._load = Load(shared_tests, trees)
        self._keys: dict[Reservation, int] = {}  # also: what is held
        self._last_key = 0
        self._by_sid: dict[SID, list[Reservation]] = {}
        self._twins: dict[Reservation, Reservation] = {}  # both ends of a test, both ways

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, reservation: object) -> bool:
        return reservation in self._keys

    def __iter__(self) -> Iterator[Reservation]:
        """The reservations in the order of booking."""
        return iter(self._keys)

    def reservations(self) -> list[Reservation]:
        """The reservations in order of their start; sorts them, so not for each request."""
        return sorted(self._keys, key=attrgetter("start"))

    @property
    def next_start(self) -> NTPTime | None:
        """The smallest start of all reservations, passed or not; looks at each."""
        return min((reservation.start for reservation in self._keys), default=None)

    def lead(self, demand: Demand) -> int:
        """Time from now until the earliest start that can be met, without the setup margin."""
        return demand.fuzz + 2 * min(demand.rtt, LONGEST_RTT)

    def earliest(self, demand: Demand, now: int) -> int:
        """The requested time where it can be met, else a time with the margin on top.

        Without the margin two daemons would never agree: each would answer the other's earliest
        time a moment too late for itself.
        """
        feasible = now + self.lead(demand)
        if demand.earliest >= feasible:
            return demand.earliest
        return feasible + self.setup_margin

    def place(
        self, demand: Demand, now: int, *, replacing: Reservation | None = None
    ) -> Reservation | TooBusy | Full:
        """Book the first time slot that the rules allow, or say when there would be one.

        The requested time is answered bit for bit where it is feasible. Not in the way are
        `replacing`, the reservation that the same connection holds, and the twin: at most one
        reservation with the same SID, tester and length for the other role that has no twin yet.
        It is the other end of the same test, and is never moved or freed.

        `replacing` is given up whatever the answer: a refused update loses its own place, as in C,
        and nothing else. A refusal names a start that is free now, or NTP_MAX if no test of that
        length fits before the end of time.

        Raises:
            ValueError: length, padding or round trip is out of range, or the tool is not one
                tester; `replacing` is kept.
        """
        if demand.length <= 0 or demand.fuzz < 0 or demand.rtt < 0:
            raise ValueError(f"not a time slot: {demand}")
        kind = kind_of(demand.tool)
        if replacing is not None:
            self.release(replacing)
        if len(self._keys) >= self.max_reservations:
            return Full(self.max_reservations)
        twin = self._twin_of(demand)
        start = self._first_fit(demand, kind, self.earliest(demand, now), twin)
        if start + demand.length + demand.fuzz > NTP_MAX:
            return TooBusy(NTP_MAX)
        if demand.latest is not None and start > demand.latest:
            return TooBusy(start)
        return self._book(demand, kind, start, twin)

    def release(self, reservation: Reservation) -> bool:
        """Free a time slot; tell whether it was held."""
        key = self._keys.pop(reservation, None)
        if key is None:
            return False
        self._lift(reservation, key)
        if reservation.kind is not Kind.THROUGHPUT:
            fuzz = reservation.fuzz
            self._load.remove(reservation.start - fuzz, reservation.end + fuzz)
        same = self._by_sid[reservation.sid]
        same.remove(reservation)
        if not same:
            del self._by_sid[reservation.sid]
        twin = self._twins.pop(reservation, None)
        if twin is not None:
            del self._twins[twin]
        return True

    def free(
        self, kind: Kind, earliest: int, length: int, fuzz: int, count: int = 1
    ) -> list[NTPTime]:
        """The first starts from `earliest` on at which such tests would fit one after another."""
        step = length + fuzz * (2 if self.guard is Guard.SUM else 1)
        starts: list[NTPTime] = []
        while len(starts) < count:
            start = self._avoided[kind].first_fit(earliest, length, fuzz)
            if start + length + fuzz > NTP_MAX:
                break
            starts.append(NTPTime(start))
            earliest = start + step
        return starts

    def _twin_of(self, demand: Demand) -> Reservation | None:
        for other in self._by_sid.get(demand.sid, ()):
            if (
                other.role is not demand.role
                and other.tool == demand.tool
                and other.length == demand.length
                and other not in self._twins
            ):
                return other
        return None

    def _first_fit(
        self, demand: Demand, kind: Kind, earliest: int, twin: Reservation | None
    ) -> NTPTime:
        """The first start that the rules allow; the twin is lifted meanwhile."""
        if twin is not None:
            self._lift(twin, self._keys[twin])
        try:
            obstacles = self._avoided[kind]
            return NTPTime(obstacles.first_fit(earliest, demand.length, demand.fuzz))
        finally:
            if twin is not None:
                self._lay(twin, self._keys[twin])

    def _book(
        self, demand: Demand, kind: Kind, start: NTPTime, twin: Reservation | None
    ) -> Reservation:
        reservation = Reservation(
            sid=demand.sid,
            role=demand.role,
            tool=demand.tool,
            kind=kind,
            start=start,
            length=demand.length,
            fuzz=demand.fuzz,
        )
        self._last_key = key = self._last_key + 1
        self._keys[reservation] = key
        self._lay(reservation, key)
        if kind is not Kind.THROUGHPUT:
            self._load.add(start - demand.fuzz, reservation.end + demand.fuzz)
        self._by_sid.setdefault(demand.sid, []).append(reservation)
        if twin is not None:
            self._twins[reservation], self._twins[twin] = twin, reservation
        return reservation

    def _lay(self, reservation: Reservation, key: int) -> None:
        """Put a reservation in the way of those that have to avoid it."""
        for obstacles in self._entered[reservation.kind]:
            obstacles.add(reservation.start, reservation.end, reservation.fuzz, key)

    def _lift(self, reservation: Reservation, key: int) -> None:
        """Take a reservation out of the way."""
        for obstacles in self._entered[reservation.kind]:
            obstacles.remove(reservation.start, reservation.fuzz, key)
