"""How a client brings two daemons to one moment. Source: clients.md 7.4.

The daemons are asked in turn, each with the other's answer, until both say the same 64 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

from bwctl.errors import AcceptType
from bwctl.values import NO_SID, NTP_MAX, SID, NTPTime, Role
from bwctl.wire.messages import TestAccept

MAX_ROUNDS = 50  # C has no bound; two daemons of which one rounds would never end


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a TestRequest for a time to the daemon of a role."""

    role: Role
    time: NTPTime
    sid: SID
    tool_port: int


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


class Negotiation:
    """One test's search for a moment. `ask` says what to send, `answer` takes the reply."""

    def __init__(self, first: NTPTime, latest: NTPTime, tool_port: int = 0) -> None:
        self._latest = latest or NTP_MAX  # 0 = no limit, as on the wire
        self._held: dict[Role, NTPTime] = {}
        self._sid = NO_SID
        self._tool_port = tool_port
        self._next = Ask(Role.SERVER, first, NO_SID, 0)
        self._rounds = 0

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
        self._next = Ask(role.other, start, self._sid, port)
        return self._next


def _reason(reply: TestAccept) -> str:
    if reply.accept is AcceptType.REJECT:
        return "busy" if reply.start else "denied"
    return "unsupported" if reply.accept is AcceptType.UNSUPPORTED else "failure"
