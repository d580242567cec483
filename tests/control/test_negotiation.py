"""How a client finds a moment with two daemons: clients.md 7.4."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.broker.reservation import Demand, Reservation
from bwctl.broker.timetable import Timetable
from bwctl.control.negotiation import (
    MAX_ROUNDS,
    Agreed,
    Ask,
    Backoff,
    Failed,
    Negotiation,
    Requests,
)
from bwctl.errors import AcceptType
from bwctl.values import NEVER, NO_SID, SID, ErrorEstimate, NTPTime, Role, TestSpec, ToolID, ticks
from bwctl.wire.messages import TestAccept
from tests.wire.strategies import quiet

SERVER, CLIENT = Role.SERVER, Role.CLIENT
S = SID(b"s" * 16)
PORT = 5001
FIRST, LATEST = 100, 600


def yes(start: int, port: int = 0) -> TestAccept:
    return TestAccept(AcceptType.ACCEPT, NTPTime(start), S, port)


def no(accept: int, start: int = 0) -> TestAccept:
    return TestAccept(AcceptType(accept), NTPTime(start), S)


@dataclass(frozen=True)
class Talk:
    """Replies in turn, server daemon first, and how it ends."""

    replies: list[TestAccept]
    asked: list[tuple[Role, int]]
    end: Agreed | tuple[Role, int, int, str]  # or who failed it: role, accept, start, reason
    held: set[Role] = field(default_factory=set)


AGREED = Agreed(NTPTime(120), S, PORT)
BOTH = {SERVER, CLIENT}
TALKS = {
    "both take the first time": Talk(
        [yes(100, PORT), yes(100)],
        [(SERVER, 100), (CLIENT, 100)],
        Agreed(NTPTime(100), S, PORT),
        BOTH,
    ),
    "the server daemon is later": Talk(
        [yes(120, PORT), yes(120)], [(SERVER, 100), (CLIENT, 120)], AGREED, BOTH
    ),
    "the client daemon is later, the server daemon follows": Talk(
        [yes(110, PORT), yes(120), yes(120, PORT)],
        [(SERVER, 100), (CLIENT, 110), (SERVER, 120)],
        AGREED,
        BOTH,
    ),
    "two more rounds": Talk(
        [yes(101, PORT), yes(105), yes(110, PORT), yes(120), yes(120, PORT)],
        [(SERVER, 100), (CLIENT, 101), (SERVER, 105), (CLIENT, 110), (SERVER, 120)],
        AGREED,
        BOTH,
    ),
    "a difference of one tick is a difference": Talk(
        [yes(119, PORT), yes(120), yes(120, PORT)],
        [(SERVER, 100), (CLIENT, 119), (SERVER, 120)],
        AGREED,
        BOTH,
    ),
    "the latest time itself is in time": Talk(
        [yes(600, PORT), yes(600)],
        [(SERVER, 100), (CLIENT, 600)],
        Agreed(NTPTime(600), S, PORT),
        BOTH,
    ),
    "the server daemon is busy": Talk(
        [no(1, 700)], [(SERVER, 100)], (SERVER, 1, 700, "busy"), set()
    ),
    "the client daemon is busy": Talk(
        [yes(100, PORT), no(1, 700)],
        [(SERVER, 100), (CLIENT, 100)],
        (CLIENT, 1, 700, "busy"),
        {SERVER},
    ),
    "the server daemon denies": Talk([no(1)], [(SERVER, 100)], (SERVER, 1, 0, "denied"), set()),
    "the client daemon denies": Talk(
        [yes(100, PORT), no(1)],
        [(SERVER, 100), (CLIENT, 100)],
        (CLIENT, 1, 0, "denied"),
        {SERVER},
    ),
    "the server daemon denies the update, and so drops what it held": Talk(
        [yes(100, PORT), yes(110), no(1, 650)],
        [(SERVER, 100), (CLIENT, 100), (SERVER, 110)],
        (SERVER, 1, 650, "busy"),
        {CLIENT},
    ),
    "a daemon fails": Talk(
        [yes(100, PORT), no(2)],
        [(SERVER, 100), (CLIENT, 100)],
        (CLIENT, 2, 0, "failure"),
        {SERVER},
    ),
    "options are unsupported, whatever the time says": Talk(
        [no(4, 100)], [(SERVER, 100)], (SERVER, 4, 100, "unsupported"), set()
    ),
    "the server daemon offers more than was allowed": Talk(
        [yes(601, PORT)],
        [(SERVER, 100)],
        (SERVER, 2, 601, "it offered a time not asked for"),
        {SERVER},
    ),
    "the client daemon offers more than was allowed": Talk(
        [yes(100, PORT), yes(601)],
        [(SERVER, 100), (CLIENT, 100)],
        (CLIENT, 2, 601, "it offered a time not asked for"),
        BOTH,
    ),
    "a daemon offers an earlier time": Talk(
        [yes(100, PORT), yes(99)],
        [(SERVER, 100), (CLIENT, 100)],
        (CLIENT, 2, 99, "it offered a time not asked for"),
        BOTH,
    ),
}


class TalkTests(SynchronousTestCase):
    def test_talks(self) -> None:
        """Every way a conversation with two daemons can go."""
        for name, talk in TALKS.items():
            self.talk(name, talk)

    def talk(self, name: str, talk: Talk) -> None:
        negotiation = Negotiation(NTPTime(FIRST), NTPTime(LATEST))
        asked, found = [], None
        for reply in talk.replies:
            self.assertFalse(isinstance(found, Agreed | Failed), f"{name}: over too soon")
            asked.append((negotiation.ask.role, negotiation.ask.time))
            found = negotiation.answer(reply)
        self.assertEqual(asked, talk.asked, name)
        self.assertEqual(negotiation.held, talk.held, name)
        if isinstance(found, Failed):
            ended = (found.role, found.accept, found.start, found.reason)
            self.assertEqual(ended, talk.end, name)
        else:
            self.assertEqual(found, talk.end, name)

    def test_what_is_asked(self) -> None:
        """The client daemon is told session and port, the server daemon its own session."""
        negotiation = Negotiation(NTPTime(100), NTPTime(600))
        self.assertEqual(negotiation.ask, Ask(SERVER, NTPTime(100), NO_SID, 0))
        self.assertEqual(negotiation.sid, NO_SID)
        after_server = negotiation.answer(yes(100, PORT))
        self.assertEqual(after_server, Ask(CLIENT, NTPTime(100), S, PORT))
        self.assertEqual(negotiation.sid, S)
        self.assertEqual(negotiation.answer(yes(110)), Ask(SERVER, NTPTime(110), S, 0))
        self.assertEqual(negotiation.answer(yes(130, PORT + 1)), Ask(CLIENT, 130, S, PORT + 1))

    def test_port_of_a_tester_without_daemon(self) -> None:
        """With no server endpoint the port is the tester's own, if no daemon names one."""
        for offered, port in ((0, 5201), (PORT, PORT)):
            negotiation = Negotiation(NTPTime(100), NTPTime(600), tool_port=5201)
            negotiation.answer(yes(100, offered))
            self.assertEqual(negotiation.ask.tool_port, port)
            self.assertEqual(negotiation.answer(yes(100)), Agreed(NTPTime(100), S, port))

    def test_no_limit(self) -> None:
        """A latest time of 0 sets no limit, as on the wire."""
        negotiation = Negotiation(NTPTime(100), NTPTime(0))
        negotiation.answer(yes(1 << 63, PORT))
        self.assertIsInstance(negotiation.answer(yes(1 << 63)), Agreed)

    def test_bound(self) -> None:
        """Two daemons of which each always adds a tick are given up after MAX_ROUNDS answers."""
        negotiation = Negotiation(NTPTime(100), NTPTime(1 << 40))
        found: Ask | Agreed | Failed = negotiation.ask
        answers = 0
        while isinstance(found, Ask):
            found = negotiation.answer(yes(found.time + 1, PORT))
            answers += 1
        self.assertIsInstance(found, Failed)
        self.assertEqual(answers, MAX_ROUNDS)
        self.assertEqual(negotiation.held, BOTH)


@dataclass
class Daemon:
    """First fit over busy intervals [start, end); with `grain` it moves only to whole grains."""

    taken: list[tuple[int, int]]
    length: int
    soonest: int
    grain: int = 1
    held: int | None = None

    def answer(self, time: int, latest: int) -> TestAccept:
        start = max(time, self.soonest)
        for begin, end in sorted(self.taken):
            if start + self.length > begin and start < end:
                start = -(-end // self.grain) * self.grain
        if start > latest:
            self.held = None
            return no(1, start)
        self.held = start
        return yes(start, PORT)


intervals = st.tuples(st.integers(0, 400), st.integers(1, 60)).map(lambda i: (i[0], sum(i)))
daemons = st.builds(
    Daemon,
    taken=st.lists(intervals, max_size=12),
    length=st.integers(1, 40),
    soonest=st.integers(90, 130),
    grain=st.sampled_from([1, 1, 8]),
)


def is_free(daemon: Daemon, start: int) -> bool:
    return all(start + daemon.length <= a or start >= b for a, b in daemon.taken)


class TwoDaemonsTests(SynchronousTestCase):
    @quiet
    @given(daemons, daemons, st.integers(100, 500))
    def test_ends(self, server: Daemon, client: Daemon, latest: int) -> None:
        """With two first-fit daemons it ends: agreed and held by both, or failed and known."""
        daemons = {SERVER: server, CLIENT: client}
        negotiation = Negotiation(NTPTime(100), NTPTime(latest))
        found: Ask | Agreed | Failed = negotiation.ask
        while isinstance(found, Ask):
            found = negotiation.answer(daemons[found.role].answer(found.time, latest))
        holding = {role for role, daemon in daemons.items() if daemon.held is not None}
        self.assertEqual(negotiation.held, holding)
        if isinstance(found, Failed):
            self.assertGreater(found.start, latest)
            return
        self.assertEqual({server.held, client.held}, {found.start})
        self.assertLessEqual(found.start, latest)
        for daemon in daemons.values():
            self.assertGreaterEqual(found.start, daemon.soonest)
            self.assertTrue(is_free(daemon, found.start))

    @quiet
    @given(daemons, daemons)
    def test_the_first_common_moment(self, server: Daemon, client: Daemon) -> None:
        """Daemons that do not round are brought to the first moment that is free on both."""
        server.grain = client.grain = 1
        daemons = {SERVER: server, CLIENT: client}
        negotiation = Negotiation(NTPTime(100), NTPTime(1000))
        found: Ask | Agreed | Failed = negotiation.ask
        while isinstance(found, Ask):
            found = negotiation.answer(daemons[found.role].answer(found.time, 1000))
        soonest = max(100, server.soonest, client.soonest)
        both = (t for t in range(soonest, 1000) if is_free(server, t) and is_free(client, t))
        self.assertEqual(found, Agreed(NTPTime(next(both)), S, PORT))


class Rival:
    """A client that asks two daemons; each question takes it a round trip and a pause."""

    def __init__(
        self,
        daemons: dict[Role, Timetable],
        *,
        number: int = 1,
        seed: int | None = 0,
        way: float = 0.02,
        fuzz: float = 1.6,
    ) -> None:
        self.daemons = daemons
        self.sid = SID(bytes([number]) * 16)
        self.held: dict[Role, Reservation] = {}
        self.way = way
        self.fuzz = fuzz
        backoff = None if seed is None else Backoff(2 * way, Random(seed))
        self.negotiation = Negotiation(NTPTime(ticks(10)), NTPTime(ticks(3600)), backoff=backoff)
        self.step: Ask | Agreed | Failed = self.negotiation.ask

    def ask(self, now: float) -> float:
        """Ask one daemon; when the next question reaches the other."""
        assert isinstance(self.step, Ask)
        ask = self.step
        demand = Demand(
            sid=self.sid,
            role=ask.role,
            tool=ToolID.IPERF3,
            earliest=ask.time,
            latest=None,
            length=ticks(30),
            fuzz=ticks(self.fuzz),
            rtt=ticks(self.way),
        )
        found = self.daemons[ask.role].place(demand, ticks(now), replacing=self.held.get(ask.role))
        assert isinstance(found, Reservation)
        self.held[ask.role] = found
        self.step = self.negotiation.answer(yes(found.start, PORT))
        return now + self.way + (self.step.pause if isinstance(self.step, Ask) else 0.0)


class RaceTests(SynchronousTestCase):
    def race(
        self, seed: int | None, apart: float, size: int = 2, way: float = 0.02
    ) -> list[Ask | Agreed | Failed]:
        """Clients that ask a ring of daemons, each with another one as its server."""
        ring = [Timetable() for _ in range(size)]
        rivals = [
            Rival(
                {SERVER: ring[i], CLIENT: ring[(i + 1) % size]},
                number=i,
                seed=None if seed is None else seed + i,
                way=way,
            )
            for i in range(size)
        ]
        due = {i: apart * i for i in range(size)}
        while due:
            i = min(due, key=lambda one: (due[one], one))
            due[i] = rivals[i].ask(due[i])
            if not isinstance(rivals[i].step, Ask):
                del due[i]
        return [rival.step for rival in rivals]

    def test_opposite_order(self) -> None:
        """Two clients that ask two daemons in opposite order at the same time both finish."""
        for seed in range(0, 400, 2):
            found = self.race(seed, apart=0.007)
            starts = [one.start for one in found if isinstance(one, Agreed)]
            self.assertEqual(len(starts), 2, f"{seed}: {found}")
            self.assertGreaterEqual(abs(starts[0] - starts[1]), ticks(30), str(seed))
            self.assertLess(max(starts), ticks(400), str(seed))

    def test_rings(self) -> None:
        """So do several in a ring, where each holds what the next one wants, near and far."""
        for way in (0.0, 0.02, 0.6):
            for seed in range(0, 400, 8):
                found = self.race(seed, apart=way / 9, size=5, way=way)
                self.assertEqual([one for one in found if isinstance(one, Failed)], [], str(seed))

    def test_without_backoff_they_go_on_in_step(self) -> None:
        """That is what it is for."""
        found = self.race(None, apart=0.0)
        self.assertEqual([type(one) for one in found], [Failed, Failed])

    def test_far_away(self) -> None:
        """Daemons of which each needs more notice than is left when it is asked are agreed.

        Their paddings are large, so that the first time that they can meet lies ahead; each answer
        is past by more than the setup margin when the other one is asked.
        """
        for seed, agrees in ((None, False), (1, True)):
            rival = Rival({SERVER: Timetable(), CLIENT: Timetable()}, seed=seed, way=0.3, fuzz=12)
            now = 0.0
            while isinstance(rival.step, Ask):
                now = rival.ask(now)
            self.assertIs(isinstance(rival.step, Agreed), agrees, rival.step)

    def test_pauses(self) -> None:
        """None while asking in turn may do, nor before the second daemon; then longer, bounded."""
        backoff = Backoff(0.04, Random(1))
        for answers in (0, 1, 2, 4, 6, 48):
            self.assertEqual(backoff.pause(answers), 0.0, answers)
        for answers, longest in ((3, 0.16), (5, 0.32), (7, 0.64), (9, 1.0), (49, 1.0)):
            found = [backoff.pause(answers) for _ in range(50)]
            self.assertTrue(all(0 <= one <= longest for one in found), answers)
            self.assertGreater(max(found), longest / 2, answers)

    def test_pauses_of_a_long_way(self) -> None:
        """They are longer than the round trips even where those are: else they do not help."""
        backoff = Backoff(1.2, Random(1))
        self.assertGreater(max(backoff.pause(21) for _ in range(50)), 1.2)

    def test_what_is_asked_after_a_pause(self) -> None:
        """A time that is later by as much as the pause and the asking take, but not too late."""
        for latest, asked in ((600, None), (131, ticks(131))):
            negotiation = Negotiation(
                NTPTime(ticks(100)), NTPTime(ticks(latest)), backoff=Backoff(2.0, Random(1))
            )
            step: Ask | Agreed | Failed = negotiation.ask
            for start in (110, 120, 130):
                step = negotiation.answer(yes(ticks(start), PORT))
            assert isinstance(step, Ask)
            self.assertGreater(step.pause, 0.0)
            later = ticks(130) + ticks(step.pause + 2.0)
            self.assertEqual((step.role, step.time), (CLIENT, asked or later))


class RequestsTests(SynchronousTestCase):
    def test_requests(self) -> None:
        """Each daemon is told the other's clock error; a cancellation repeats the request."""
        errors = {SERVER: ErrorEstimate(1, 2), CLIENT: ErrorEstimate(3, 4)}
        address = IPv4Address("192.0.2.1")
        spec = TestSpec(tool=ToolID.IPERF3, client=address, server=address, duration=10)
        requests = Requests(spec, NTPTime(600), errors)
        first = requests.request(Ask(SERVER, NTPTime(100), NO_SID, 0))
        told = (first.role, first.time, first.latest, first.error, first.spec, first.sid)
        self.assertEqual(told, (SERVER, 100, 600, errors[CLIENT], spec, NO_SID))
        second = requests.request(Ask(CLIENT, NTPTime(120), S, PORT))
        told = (second.role, second.time, second.error, second.sid, second.tool_port)
        self.assertEqual(told, (CLIENT, 120, errors[SERVER], S, PORT))
        back = requests.cancellation(SERVER, S)
        self.assertEqual((back.role, back.time, back.latest, back.sid), (SERVER, NEVER, NEVER, S))
        self.assertEqual(back.error, first.error)
