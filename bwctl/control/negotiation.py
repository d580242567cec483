"""How a client brings two daemons to one moment. Source: clients.md 7.4.

The daemons are asked in turn, each with the other's answer, until both say the same 64 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from bwctl.errors import AcceptType
from bwctl.values import NEVER, NO_SID, NTP_MAX, SID, ErrorEstimate, NTPTime, Role, TestSpec, ticks
from bwctl.wire.messages import TestAccept
from bwctl.wire.request import TestRequest

MAX_ROUNDS = 50  # C has no bound; two daemons of which one rounds would never end
_LEAST_ROUND_TRIPS_S = 0.001
LONGEST_PAUSE_S = 1.0  # less than a test with its padding, by which a reservation is moved on


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a TestRequest for a time to the daemon of a role."""

    role: Role
    time: NTPTime
    sid: SID
    tool_port: int
    pause: float = 0.0  # seconds to wait before


@dataclass(frozen=True, slots=True)
class Agreed:
    """Both daemons hold the same time slot."""

    start: NTPTime
    sid: SID
    tool_port: int


@dataclass(frozen=True, slots=True)
class Failed:
    """No moment was found; reservations still held are to be cancelled."""

    role: Role  # the daemon that said no
    accept: AcceptType
    start: NTPTime  # its answer; a time other than 0 says "busy until then"
    reason: str


class Backoff:
    """What a client does where two daemons do not come to one time.

    Two clients that ask two daemons in opposite order at the same time hold, each at one of them,
    the time that the other wants: each answer moves both on, in step, for as long as they ask in
    step. A pause of random length before the daemons are asked again, one directly after the
    other, lets one of the clients come through.

    Daemons that are far away each answer with the first time that they can meet, which is past
    what the other one can meet when it is asked. So one asks for a time that is later by as much
    as the pause and the asking take.

    Args:
        round_trips: those to both daemons together, seconds.
    """

    def __init__(self, round_trips: float, random: Random) -> None:
        self.round_trips = max(_LEAST_ROUND_TRIPS_S, round_trips)
        self._random = random

    def pause(self, answers: int) -> float:
        """Seconds to wait after so many answers; 0 where asking in turn may still do."""
        asked_again, second = divmod(answers - 3, 2)
        if second or asked_again < 0:
            return 0.0
        longest = min(
            max(LONGEST_PAUSE_S, 2 * self.round_trips),
            self.round_trips * 2.0 ** (asked_again + 2),
        )
        return self._random.uniform(0.0, longest)


class Negotiation:
    """One test's search for a moment. `ask` says what to send, `answer` takes the reply."""

    def __init__(
        self,
        first: NTPTime,
        latest: NTPTime,
        tool_port: int = 0,
        backoff: Backoff | None = None,
    ) -> None:
        self._latest = latest or NTP_MAX  # 0 = no limit, as on the wire
        self._held: dict[Role, NTPTime] = {}
        self._sid = NO_SID
        self._tool_port = tool_port
        self._next = Ask(Role.SERVER, first, NO_SID, 0)
        self._rounds = 0
        self._backoff = backoff

    @property
    def ask(self) -> Ask:
        """The request to send now."""
        return self._next

    @property
    def sid(self) -> SID:
        """The session id, once the server daemon has made it."""
        return self._sid

    @property
    def held(self) -> frozenset[Role]:
        """Roles whose daemon holds a reservation: what to cancel when the test is given up."""
        return frozenset(self._held)

    def answer(self, reply: TestAccept) -> Ask | Agreed | Failed:
        """What follows from a daemon's reply to `ask`."""
        role = self._next.role
        if reply.accept is not AcceptType.ACCEPT:
            self._held.pop(role, None)
            return Failed(role, reply.accept, reply.start, _reason(reply))
        self._held[role] = reply.start
        if reply.start > self._latest or reply.start < self._next.time:
            return Failed(role, AcceptType.FAILURE, reply.start, "it offered a time not asked for")
        if role is Role.SERVER:
            self._sid, self._tool_port = reply.sid, reply.port or self._tool_port
        return self._proceed(role, reply.start)

    def _proceed(self, role: Role, start: NTPTime) -> Ask | Agreed | Failed:
        if self._held.get(role.other) == start:
            return Agreed(start, self._sid, self._tool_port)
        self._rounds += 1
        if self._rounds >= MAX_ROUNDS:
            return Failed(role, AcceptType.FAILURE, start, f"no common time in {MAX_ROUNDS} rounds")
        port = self._tool_port if role.other is Role.CLIENT else 0
        pause = self._backoff.pause(self._rounds) if self._backoff is not None else 0.0
        if pause and self._backoff is not None:
            later = start + ticks(pause + self._backoff.round_trips)
            start = max(start, NTPTime(min(later, self._latest)))
        self._next = Ask(role.other, start, self._sid, port, pause)
        return self._next


class Requests:
    """The requests of one test, and how to take them back.

    Args:
        errors: how far the clock of each daemon may be off, its round trip included; each daemon
            is told the other's.
    """

    def __init__(
        self, spec: TestSpec, latest: NTPTime, errors: Mapping[Role, ErrorEstimate]
    ) -> None:
        self._spec = spec
        self._latest = latest
        self._errors = errors
        self._sent: dict[Role, TestRequest] = {}

    def request(self, ask: Ask) -> TestRequest:
        """What to send for an Ask."""
        request = self._sent[ask.role] = TestRequest(
            role=ask.role,
            time=ask.time,
            latest=self._latest,
            error=self._errors[ask.role.other],
            spec=self._spec,
            tool_port=ask.tool_port,
            sid=ask.sid,
        )
        return request

    def cancellation(self, role: Role, sid: SID) -> TestRequest:
        """What takes back the last request to a role."""
        return replace(self._sent[role], time=NEVER, latest=NEVER, sid=sid)


def _reason(reply: TestAccept) -> str:
    if reply.accept is AcceptType.REJECT:
        return "busy" if reply.start else "denied"
    return "unsupported" if reply.accept is AcceptType.UNSUPPORTED else "failure"
