"""What has to be true of a daemon at every moment, whatever was done to it.

Everything that is held has an owner that is there: a reservation a control connection or a peer
agent, a port a reservation, a tester a peer agent, a timer whoever it is to call. `violations` is
pure: `bwctl.net.snapshot` takes what it looks at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bwctl.broker.reservation import Reservation
from bwctl.limits.quota import Holding
from bwctl.net.broker import Booking
from bwctl.values import NTPTime, seconds

LATE_S: Final = 5.0  # for a timer whose time has come
ENDING_S: Final = 30.0  # from the last moment of a tester to the point where nothing is left of it
WAITS_PER_AGENT: Final = 4  # timers of one test on which nobody waits any more, until its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A booking that somebody has and that has not been given back."""

    booking: Booking
    holder: str  # for messages
    confirmed: bool  # a peer agent carries it out
    pool: str  # name of the range that its ports are of
    step: int = 0  # by how much the clock was set since it was confirmed, ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentState:
    """A peer agent that is not over."""

    sid: str
    connected: bool  # its control connection is there
    ending: bool
    finished: bool  # no process of it is left
    released: bool  # its reservation was given back
    over: bool
    door: int | None = None  # the peer port where it listens


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a daemon has, and who says that it is his."""

    now: NTPTime
    settled: bool = True  # the clock was not set just now
    booked: Sequence[Reservation] = ()  # by the timetable
    held: Sequence[Held] = ()
    accounts: Sequence[str] = ()  # that are counted wrongly
    taken: Mapping[str, Collection[int]] = field(default_factory=dict)  # ports by pool
    quotas: Collection[Holding] = ()
    connections: Sequence[str] = ()  # control connections that are open
    lost: Sequence[str] = ()  # of these, those that are no more
    miscounts: Sequence[str] = ()  # addresses and classes
    agents: Sequence[AgentState] = ()
    testers: Mapping[int, bool] = field(default_factory=dict)  # guards: whether they have owners
    strays: Collection[int] = ()  # guards that nobody remembers
    gone: Sequence[str] = ()  # what timers are to call though it is gone, one name for each
    waits: int = 0  # timers on which nobody waits


def violations(snapshot: Snapshot) -> list[str]:
    """A sentence for everything that is not as it has to be; none if all is well."""
    return [
        *_reservations(snapshot),
        *_times(snapshot),
        *_ports(snapshot),
        *_counts(snapshot),
        *_connections(snapshot),
        *_agents(snapshot),
        *_processes(snapshot),
        *_timers(snapshot),
    ]


def leftovers(snapshot: Snapshot) -> list[str]:
    """What a daemon that has stopped still has; its peer agents may still wait for results."""
    taken = [(port, name) for name, ports in snapshot.taken.items() for port in ports]
    return [
        *(f"reservation of SID {one.sid.hex()} is left" for one in snapshot.booked),
        *(f"port {port} of {name} is left" for port, name in taken),
        *(f"the connection of {peer} is left" for peer in snapshot.connections),
        *(f"guard process {pid} is left" for pid in [*snapshot.testers, *snapshot.strays]),
        *(f"peer agent of SID {one.sid} is left" for one in snapshot.agents if not one.finished),
    ]


def _reservations(snapshot: Snapshot) -> Iterator[str]:
    holders = Counter(one.booking.reservation for one in snapshot.held)
    for reservation in snapshot.booked:
        number = holders.pop(reservation, 0)
        if number != 1:
            whose = f"{number} connections" if number else "no connection"
            yield f"reservation of SID {reservation.sid.hex()} belongs to {whose}"
    for reservation in holders:
        yield f"reservation of SID {reservation.sid.hex()} is held but not in the timetable"


def _times(snapshot: Snapshot) -> Iterator[str]:
    for one in snapshot.held:
        reservation, armed = one.booking.reservation, one.booking.timer is not None
        sid = reservation.sid.hex()
        if one.confirmed:
            over = reservation.end + reservation.fuzz + one.step
            if seconds(snapshot.now - over) > ENDING_S:
                yield f"the test of SID {sid} should have ended long ago"
            if armed:
                yield f"reservation of SID {sid} will be taken back though it was confirmed"
            continue
        if snapshot.settled and seconds(snapshot.now - reservation.start) > LATE_S:
            yield f"reservation of SID {sid} was not taken back at its start"
        if not armed:
            yield f"reservation of SID {sid} has neither a test nor a timer ({one.holder})"


def _ports(snapshot: Snapshot) -> Iterator[str]:
    owners: Counter[tuple[str, int]] = Counter()
    for one in snapshot.held:
        owners.update((one.pool, port) for port in one.booking.ports)
    for name, ports in snapshot.taken.items():
        for port in ports:
            number = owners.pop((name, port), 0)
            if number != 1:
                whose = f"{number} reservations" if number else "nobody"
                yield f"port {port} of {name} is taken by {whose}"
    for name, port in owners:
        yield f"port {port} of {name} is in use and not taken"


def _counts(snapshot: Snapshot) -> Iterator[str]:
    for account in snapshot.accounts:
        yield f"the reservations of class {account} are counted wrongly"
    known = {id(one.booking.holding) for one in snapshot.held}
    for holding in snapshot.quotas:
        if id(holding) not in known:
            yield f"quotas of {holding.who} count a reservation that is not there"
    for name in snapshot.miscounts:
        yield f"the connections of {name} are counted wrongly"


def _connections(snapshot: Snapshot) -> Iterator[str]:
    for peer in snapshot.lost:
        yield f"the connection of {peer} is lost and still counted"


def _agents(snapshot: Snapshot) -> Iterator[str]:
    for agent in snapshot.agents:
        if agent.over:
            yield f"peer agent of SID {agent.sid} is over and still there"
        if agent.finished and not agent.released:
            yield f"peer agent of SID {agent.sid} has finished and keeps its reservation"
        if agent.finished and agent.door:
            yield f"peer agent of SID {agent.sid} has finished and listens on port {agent.door}"
        if not agent.connected and not agent.ending:
            yield f"peer agent of SID {agent.sid} works for no connection"


def _processes(snapshot: Snapshot) -> Iterator[str]:
    for pid, owned in snapshot.testers.items():
        if not owned:
            yield f"guard process {pid} has no peer agent"
    for pid in snapshot.strays:
        yield f"guard process {pid} is remembered by nobody"


def _timers(snapshot: Snapshot) -> Iterator[str]:
    for name in snapshot.gone:
        yield f"a timer of a {name} that is gone"
    if snapshot.waits > WAITS_PER_AGENT * len(snapshot.agents):
        yield "more timers than owners: nobody waits for what they tell"
