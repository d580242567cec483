"""The rules of the timetable, one by one, in small numbers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bwctl.broker.obstacles import Guard
from bwctl.broker.reservation import Demand, Full, Reservation, TooBusy
from bwctl.broker.timetable import Timetable
from bwctl.values import NTP_MAX, Kind, NTPTime, Role, ToolID, ticks
from tests.broker.wishes import wish

PING, TRACE, IPERF = ToolID.PING, ToolID.TRACEROUTE, ToolID.IPERF3


class TimetableCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.timetable = Timetable(setup_margin=0)

    def book(self, demand: Demand, replacing: Reservation | None = None) -> Reservation:
        answer = self.timetable.place(demand, 0, replacing=replacing)
        assert isinstance(answer, Reservation), answer
        return answer

    def refused(self, demand: Demand, replacing: Reservation | None = None) -> int:
        answer = self.timetable.place(demand, 0, replacing=replacing)
        assert isinstance(answer, TooBusy), answer
        return answer.start

    def start(self, demand: Demand) -> int:
        """The start a demand would get."""
        reservation = self.book(demand)
        self.timetable.release(reservation)
        return reservation.start


class EarliestTests(TimetableCase):
    def test_requested_time_bit_for_bit(self) -> None:
        """A time that is free is answered with the same 64 bits."""
        for low in (0, 1, 0x80000001, 0xFFFFFFFF):
            moment = (3_900_000_000 << 32) | low
            now = moment - ticks(60)
            demand = wish(earliest=moment, length=ticks(5), fuzz=ticks(1.7) + 1)
            answer = Timetable().place(demand, now)
            assert isinstance(answer, Reservation)
            self.assertEqual(answer.start, moment)

    def test_bit_for_bit_at_the_very_edge(self) -> None:
        """Exactly the guard time after one test and before another is free, a tick less is not."""
        self.book(wish(1, earliest=100))  # until 110
        self.book(wish(2, earliest=124))
        self.assertEqual(self.start(wish(3, earliest=112)), 112)
        self.assertEqual(self.start(wish(3, earliest=111)), 112)
        self.assertEqual(self.start(wish(3, earliest=113)), 136)

    def test_lead(self) -> None:
        """The earliest start leaves time for padding, two round trips and setting up."""
        timetable = Timetable(setup_margin=5)
        answer = timetable.place(wish(earliest=0, fuzz=3, rtt=7), 1000)
        assert isinstance(answer, Reservation)
        self.assertEqual(answer.start, 1000 + 3 + 14 + 5)

    def test_lead_in_seconds(self) -> None:
        """A client that dawdles counts for two seconds; the margin is a quarter of one."""
        demand = wish(fuzz=ticks(1.7), rtt=ticks(3600))
        lead = ticks(1.7) + ticks(4)
        self.assertEqual(Timetable().lead(demand), lead)
        self.assertEqual(Timetable().earliest(demand, 10), 10 + lead + ticks(0.25))

    def test_two_daemons_agree(self) -> None:
        """A time just feasible is kept, so that the other daemon's answer can be met."""
        timetable = Timetable(setup_margin=5)
        answer = timetable.place(wish(earliest=1017, fuzz=3, rtt=7), 1000)
        assert isinstance(answer, Reservation)
        self.assertEqual(answer.start, 1017)

    def test_not_a_time_slot(self) -> None:
        """Senseless demands are mistakes of the caller and cost no reservation."""
        mine = self.book(wish())
        both = ToolID.PING | ToolID.IPERF3
        for bad in (wish(length=0), wish(fuzz=-1), wish(rtt=-1), wish(tool=both)):
            with self.assertRaises(ValueError):
                self.timetable.place(bad, 0, replacing=mine)
        self.assertEqual(self.timetable.reservations(), [mine])


class GuardTests(TimetableCase):
    def test_max(self) -> None:
        """Between two tests lies the larger padding, whoever has it."""
        self.book(wish(1, earliest=100, fuzz=3))
        self.assertEqual(self.start(wish(2, fuzz=1)), 113)
        self.assertEqual(self.start(wish(2, fuzz=7)), 117)

    def test_sum(self) -> None:
        """With guard sum both paddings lie between."""
        self.timetable = Timetable(setup_margin=0, guard=Guard.SUM)
        self.book(wish(1, earliest=100, fuzz=3))
        self.assertEqual(self.start(wish(2, fuzz=1)), 114)
        self.assertEqual(self.start(wish(2, fuzz=7)), 120)

    def test_gap_that_each_half_allows(self) -> None:
        """A gap that would do without the one or the other padding is passed over."""
        self.book(wish(1, earliest=100, fuzz=0))
        self.book(wish(2, earliest=130, fuzz=10))  # gap of 20: 5 + 10 + 10 is too much
        self.assertEqual(self.start(wish(3, fuzz=5)), 150)
        self.assertEqual(self.start(wish(3, fuzz=5, length=5)), 115)

    def test_huge_padding(self) -> None:
        """A clock that may be off by centuries keeps all others away, and breaks nothing."""
        far = 1 << 70
        mine = self.book(wish(1, earliest=100))
        self.assertEqual(self.refused(wish(2, fuzz=far)), NTP_MAX)
        wide = self.book(wish(3, earliest=1 << 62, fuzz=1 << 61))
        self.assertEqual(self.start(wish(4, earliest=1 << 61)), wide.end + (1 << 61))
        self.assertEqual(self.timetable.reservations(), [mine, wide])


class SharingTests(TimetableCase):
    def test_kinds(self) -> None:
        """Throughput is alone; latency and trace share."""
        for first in (IPERF, PING, TRACE):
            for second in (IPERF, PING, TRACE):
                held = self.book(wish(1, tool=first))
                expected = 112 if IPERF in (first, second) else 100
                self.assertEqual(self.start(wish(2, tool=second)), expected, (first, second))
                self.timetable.release(held)

    def test_trace_during_throughput(self) -> None:
        """With the option, traces and throughput tests do not see each other."""
        for first in (IPERF, PING, TRACE):
            for second in (IPERF, PING, TRACE):
                timetable = Timetable(setup_margin=0, trace_during_throughput=True)
                timetable.place(wish(1, tool=first), 0)
                answer = timetable.place(wish(2, tool=second), 0)
                assert isinstance(answer, Reservation)
                alone = {first, second} in ({IPERF}, {IPERF, PING})
                self.assertEqual(answer.start, 112 if alone else 100, (first, second))

    def test_trace_does_not_open_a_slot(self) -> None:
        """A traceroute beside a throughput test lets no second throughput test in (4.4, 2)."""
        self.timetable = Timetable(setup_margin=0, trace_during_throughput=True)
        self.book(wish(1, length=100))
        self.book(wish(2, tool=TRACE, earliest=120))
        self.assertEqual(self.start(wish(3, earliest=140)), 202)

    def test_thirty(self) -> None:
        """The thirty-first ping waits for the first padded end; traces count with pings."""
        for number in range(30):
            tool = TRACE if number % 2 else PING
            self.assertEqual(self.book(wish(number, tool=tool)).start, 100)
        self.assertEqual(self.start(wish(30, tool=PING)), 114)
        self.assertEqual(self.start(wish(30, tool=TRACE)), 114)

    def test_thirty_with_option(self) -> None:
        """The cap holds for traces that ignore throughput tests, too."""
        self.timetable = Timetable(setup_margin=0, trace_during_throughput=True, shared_tests=2)
        self.book(wish(0, earliest=114))
        self.book(wish(1, tool=TRACE))
        self.book(wish(2, tool=TRACE))
        self.assertEqual(self.start(wish(3, tool=TRACE)), 114)
        self.assertEqual(self.start(wish(3, tool=PING)), 126)

    def test_before_the_crowd(self) -> None:
        """Full is judged over the whole padded test."""
        self.timetable = Timetable(setup_margin=0, shared_tests=1)
        self.book(wish(1, tool=PING, earliest=200))
        self.assertEqual(self.start(wish(2, tool=PING, earliest=186)), 186)
        self.assertEqual(self.start(wish(2, tool=PING, earliest=187)), 214)

    def test_two_full_stretches(self) -> None:
        """A place between full stretches and throughput tests is found."""
        self.timetable = Timetable(setup_margin=0, shared_tests=1)
        self.book(wish(1, tool=PING, earliest=100))
        self.book(wish(2, tool=IPERF, earliest=112))
        self.book(wish(3, tool=PING, earliest=136))
        self.assertEqual(self.start(wish(4, tool=PING, length=8)), 124)
        self.assertEqual(self.start(wish(4, tool=PING, length=9)), 150)


class TwinTests(TimetableCase):
    def setUp(self) -> None:
        super().setUp()
        self.server = self.book(wish(1))

    def start_of(
        self,
        number: int = 1,
        role: Role = Role.CLIENT,
        length: int = 10,
        tool: ToolID = IPERF,
    ) -> int:
        return self.start(wish(number, role=role, length=length, tool=tool))

    def test_other_end(self) -> None:
        """The other end of the same test gets the same time, and each stays where it is."""
        client = self.book(wish(1, role=Role.CLIENT))
        self.assertEqual(client.start, 100)
        self.assertEqual(self.timetable.reservations(), [self.server, client])

    def test_not_a_twin(self) -> None:
        """A SID alone does not make a twin."""
        self.assertEqual(self.start_of(), 100)
        self.assertEqual(self.start_of(number=2), 112)
        self.assertEqual(self.start_of(role=Role.SERVER), 112)
        self.assertEqual(self.start_of(length=11), 112)
        self.assertEqual(self.start_of(tool=ToolID.IPERF), 112)

    def test_one_twin_only(self) -> None:
        """A third that claims the same test keeps clear of both ends."""
        client = self.book(wish(1, role=Role.CLIENT))
        self.assertEqual(self.start_of(), 112)
        self.timetable.release(client)
        self.assertEqual(self.start_of(), 100)

    def test_negotiation(self) -> None:
        """Both ends follow each other to a later time."""
        client = self.book(wish(1, role=Role.CLIENT))
        moved = self.book(wish(1, earliest=103), replacing=self.server)
        client = self.book(wish(1, role=Role.CLIENT, earliest=103), replacing=client)
        self.assertEqual((moved.start, client.start), (103, 103))

    def test_refused_twin(self) -> None:
        """The refusal of one end leaves the other, in the way of strangers as before."""
        client = self.book(wish(1, role=Role.CLIENT))
        self.refused(wish(1, role=Role.CLIENT, latest=50), replacing=client)
        self.assertEqual(self.timetable.reservations(), [self.server])
        self.assertEqual(self.start(wish(2)), 112)

    def test_twins_count_twice(self) -> None:
        """The two ends of a ping are two of the tests that may share an instant."""
        self.timetable = Timetable(setup_margin=0, shared_tests=1)
        self.book(wish(1, tool=PING))
        self.assertEqual(self.start(wish(1, tool=PING, role=Role.CLIENT)), 114)


class UpdateTests(TimetableCase):
    def test_own_place_is_no_obstacle(self) -> None:
        """An update may overlap the place it gives up."""
        mine = self.book(wish(1))
        moved = self.book(wish(1, earliest=105), replacing=mine)
        self.assertEqual(self.timetable.reservations(), [moved])
        self.assertEqual(moved.start, 105)

    def test_refused_update(self) -> None:
        """A refused update frees exactly its own place (not foreign ones, as C does, 4.4, 1)."""
        before, mine, after = (self.book(wish(n, earliest=100 + 12 * n)) for n in range(3))
        self.assertEqual(self.refused(wish(1, length=30, latest=120), replacing=mine), 136)
        self.assertEqual(self.timetable.reservations(), [before, after])
        self.assertEqual(self.start(wish(9)), 112)

    def test_refusal_names_a_free_time(self) -> None:
        """The time of a refusal is what a new request would get."""
        self.book(wish(1))
        self.book(wish(2, earliest=115))
        start = self.refused(wish(3, latest=111))
        self.assertEqual(self.book(wish(3, earliest=start)).start, start)

    def test_refused_stranger(self) -> None:
        """A refused request changes nothing at all."""
        held = [self.book(wish(n)) for n in range(3)]
        for _ in range(3):
            self.assertEqual(self.refused(wish(9, latest=100)), 136)
        self.assertEqual(self.timetable.reservations(), held)

    def test_latest_included(self) -> None:
        """A start at the latest time is in time."""
        self.book(wish(1))
        self.assertEqual(self.book(wish(2, latest=112)).start, 112)

    def test_replacing_what_is_gone(self) -> None:
        """A reservation that was released already is no hindrance."""
        mine = self.book(wish(1))
        self.assertTrue(self.timetable.release(mine))
        self.assertFalse(self.timetable.release(mine))
        self.assertEqual(self.book(wish(1), replacing=mine).start, 100)
        self.assertEqual(len(self.timetable), 1)


class EndOfTimeTests(TimetableCase):
    def test_wrap(self) -> None:
        """A test has to end, padding included, while 64 bits can tell the time."""
        last = NTP_MAX - 12
        self.assertEqual(self.start(wish(earliest=last)), last)
        self.assertEqual(self.refused(wish(earliest=last + 1)), NTP_MAX)
        self.assertEqual(self.refused(wish(earliest=1 << 64)), NTP_MAX)
        self.assertEqual(self.refused(wish(earliest=1 << 80)), NTP_MAX)
        self.assertEqual(len(self.timetable), 0)

    def test_moved_beyond_the_end(self) -> None:
        """Pushed over the end by another test, a request is refused."""
        self.book(wish(1, earliest=NTP_MAX - 20))
        self.assertEqual(self.refused(wish(2, earliest=NTP_MAX - 20)), NTP_MAX)

    def test_longest_duration(self) -> None:
        """A test of 2**32 - 1 seconds is granted at the start of the era only."""
        length = ((1 << 32) - 1) << 32
        self.assertEqual(self.start(wish(earliest=2, length=length)), 2)
        self.assertEqual(self.refused(wish(earliest=ticks(2), length=length)), NTP_MAX)
        self.assertEqual(self.refused(wish(length=2 * length)), NTP_MAX)


class BookTests(TimetableCase):
    def test_full(self) -> None:
        """More than `max_reservations` are not held; an update is always possible."""
        self.timetable = Timetable(setup_margin=0, max_reservations=2)
        first, second = self.book(wish(1)), self.book(wish(2))
        self.assertEqual(self.timetable.place(wish(3), 0), Full(2))
        self.assertEqual(self.book(wish(1), replacing=first).start, 100)
        self.timetable.release(second)
        self.assertEqual(self.book(wish(3)).start, 112)

    def test_looking(self) -> None:
        """Reservations are listed by start, whatever the order of booking."""
        self.assertIsNone(self.timetable.next_start)
        late, early = self.book(wish(1, earliest=500)), self.book(wish(2, tool=PING))
        self.assertEqual(self.timetable.reservations(), [early, late])
        self.assertEqual(list(self.timetable), [late, early])
        self.assertEqual(self.timetable.next_start, 100)
        self.assertIn(late, self.timetable)
        self.timetable.release(late)
        self.assertNotIn(late, self.timetable)
        self.assertEqual(len(self.timetable), 1)

    def test_reservation(self) -> None:
        """A reservation tells what was asked and what was given."""
        got = self.book(wish(7, tool=ToolID.OWAMP, role=Role.CLIENT, length=5, fuzz=1))
        self.assertEqual(
            (got.sid[-1], got.role, got.tool, got.kind, got.start, got.end, got.fuzz),
            (7, Role.CLIENT, ToolID.OWAMP, Kind.LATENCY, 100, 105, 1),
        )

    def test_free_places(self) -> None:
        """The next free places are those that requests would get one after another."""
        for guard in Guard:
            self.timetable = Timetable(setup_margin=0, guard=guard)
            self.book(wish(1, earliest=120))
            free = self.timetable.free(Kind.THROUGHPUT, NTPTime(100), 10, 2, 5)
            booked = [self.book(wish(9 + n)).start for n in range(5)]
            self.assertEqual(free, booked, guard)

    def test_no_free_place(self) -> None:
        """Towards the end of time there are fewer places than asked for."""
        free = self.timetable.free(Kind.LATENCY, NTPTime(NTP_MAX - 30), 10, 2, 5)
        self.assertEqual(free, [NTP_MAX - 30, NTP_MAX - 18])
