"""The timetable by linear scan, written from the pseudo code of daemon.md 4.6."""

from __future__ import annotations

from dataclasses import dataclass, field

from bwctl.broker.obstacles import Guard
from bwctl.broker.reservation import Demand, Full, Reservation, TooBusy
from bwctl.values import Kind, NTPTime, kind_of

LAST = NTPTime(2**64 - 1)
TWO_SECONDS = 2 * 2**32


@dataclass
class Oracle:
    """A list of what is held, and the rules, one after the other."""

    guard: Guard
    trace_during_throughput: bool
    shared_tests: int
    setup_margin: int
    max_reservations: int
    held: list[Reservation] = field(default_factory=list)
    pairs: list[tuple[Reservation, Reservation]] = field(default_factory=list)

    def distance(self, one: int, other: int) -> int:
        return one + other if self.guard is Guard.SUM else max(one, other)

    def apart(self, one: Kind, other: Kind) -> bool:
        """Whether there is a pair rule for two kinds."""
        if self.trace_during_throughput and Kind.TRACE in (one, other):
            return False
        return Kind.THROUGHPUT in (one, other)

    def covering(self, instant: int) -> list[Reservation]:
        """The shared tests whose padded interval covers an instant."""
        return [
            x
            for x in self.held
            if x.kind is not Kind.THROUGHPUT
            and x.start - x.fuzz <= instant < x.start + x.length + x.fuzz
        ]

    def twin(self, demand: Demand) -> Reservation | None:
        """At most one other with the same SID, tester and D but the opposite role."""
        taken = [x for pair in self.pairs for x in pair]
        for x in self.held:
            same = (x.sid, x.tool, x.length) == (demand.sid, demand.tool, demand.length)
            if same and x.role is demand.role.other and x not in taken:
                return x
        return None

    def broken(self, demand: Demand, start: int, twin: Reservation | None) -> list[Reservation]:
        """The reservations that break a pair rule with [T, T + D)."""
        found = []
        for x in self.held:
            if x is twin or not self.apart(x.kind, kind_of(demand.tool)):
                continue
            distance = self.distance(x.fuzz, demand.fuzz)
            after = start - (x.start + x.length) >= distance
            before = x.start - (start + demand.length) >= distance
            if not after and not before:
                found.append(x)
        return found

    def crowd(self, begin: int, end: int) -> list[Reservation]:
        """Those that cover the first full instant in [begin, end)."""
        changes = [begin] + [x.start - x.fuzz for x in self.held]
        for instant in sorted(at for at in changes if begin <= at < end):
            there = self.covering(instant)
            if len(there) >= self.shared_tests:
                return there
        return []

    def first(self, demand: Demand, earliest: int, twin: Reservation | None) -> int:
        start = earliest
        while True:
            broken = self.broken(demand, start, twin)
            if broken:
                start = max(x.start + x.length + self.distance(x.fuzz, demand.fuzz) for x in broken)
                continue
            crowd: list[Reservation] = []
            if kind_of(demand.tool) is not Kind.THROUGHPUT:
                crowd = self.crowd(start - demand.fuzz, start + demand.length + demand.fuzz)
            if not crowd:
                return start
            start = min(x.start + x.length + x.fuzz for x in crowd) + demand.fuzz

    def answer(self, demand: Demand, now: int, mine: Reservation | None) -> int | TooBusy | Full:
        """A start, or the refusal; `mine` is dropped."""
        if mine is not None:
            self.drop(mine)
        if len(self.held) >= self.max_reservations:
            return Full(self.max_reservations)
        feasible = now + demand.fuzz + 2 * min(demand.rtt, TWO_SECONDS)
        late = demand.earliest < feasible
        earliest = feasible + self.setup_margin if late else demand.earliest
        start = self.first(demand, earliest, self.twin(demand))
        if start + demand.length + demand.fuzz > LAST:
            return TooBusy(LAST)
        if demand.latest is not None and start > demand.latest:
            return TooBusy(NTPTime(start))
        return start

    def hold(self, reservation: Reservation, demand: Demand) -> None:
        twin = self.twin(demand)
        if twin is not None:
            self.pairs.append((twin, reservation))
        self.held.append(reservation)

    def drop(self, reservation: Reservation) -> None:
        if reservation in self.held:
            self.held.remove(reservation)
        self.pairs = [pair for pair in self.pairs if reservation not in pair]

    def violations(self) -> list[str]:
        """Everything that is wrong with what is held."""
        wrong = []
        for i, x in enumerate(self.held):
            for y in self.held[i + 1 :]:
                first, last = (x, y) if x.start <= y.start else (y, x)
                gap = last.start - first.start - first.length
                close = gap < self.distance(x.fuzz, y.fuzz)
                if close and self.apart(x.kind, y.kind) and (x, y) not in self.pairs:
                    wrong.append(f"{first} is too close to {last}")
            if len(self.covering(x.start - x.fuzz)) > self.shared_tests:
                wrong.append(f"too many tests when {x} begins")
        return wrong
