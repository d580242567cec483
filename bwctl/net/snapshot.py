"""What a daemon has at this moment, for `bwctl.net.invariants`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from bwctl.net.agent import PeerAgent
from bwctl.net.broker import Booking, BrokerService
from bwctl.net.control import ControlProtocol
from bwctl.net.factory import ControlFactory
from bwctl.net.hook_process import HookProcess
from bwctl.net.invariants import LATE_S, AgentState, Held, Snapshot
from bwctl.net.link import ClientLink, ServerLink
from bwctl.net.once import Once
from bwctl.net.process import TesterProcess, is_guard
from bwctl.net.slottime import SlotTime

_PROC = Path("/proc/self")


def snapshot(factory: ControlFactory, probes: Collection[TesterProcess] = ()) -> Snapshot:
    """Everything that one daemon has.

    Args:
        probes: processes that look for testers.
    """
    host, book = factory.host, factory.connections
    names = {id(pool): name for name, pool in host.ports.items()}
    names[id(host.test_ports)] = "test_port"
    carrying = [one.agent for one in book.open]
    gone, waits = _timers(factory)
    return Snapshot(
        now=host.clock.now(),
        settled=host.timers.is_settled(LATE_S),
        booked=list(host.broker.timetable),
        held=list(_held(factory, names)),
        accounts=[str(name) for name in host.broker.miscounts()],
        taken={
            name: pool.taken
            for name, pool in {**host.ports, "test_port": host.test_ports}.items()
            if pool.in_use
        },
        quotas=host.quotas.ledger.holdings,
        connections=[str(one.peer) for one in book.open],
        lost=[str(one.peer) for one in book.open if one.is_gone],
        miscounts=book.miscounts(one.peer for one in book.open),
        agents=[_state(one, booking, one in carrying) for one, booking in book.agents.items()],
        testers=dict(_testers(factory, probes)),
        strays=_strays(),
        gone=gone,
        waits=waits,
    )


def _held(factory: ControlFactory, names: dict[int, str]) -> Iterator[Held]:
    """Every booking that was not given back, once for each who has it."""

    def held(booking: Booking, holder: str) -> Held:
        return Held(
            booking=booking,
            holder=holder,
            confirmed=id(booking) in carried,
            pool=names[id(factory.host.pool(booking.tester))],
            step=factory.broker.confirmed.step(booking.reservation),
        )

    book = factory.connections
    carried = {id(booking) for agent, booking in book.agents.items() if not agent.finished.fired}
    known: set[int] = set()
    for connection in book.open:
        if connection.booking is not None and not connection.booking.released:
            known.add(id(connection.booking))
            yield held(connection.booking, f"the connection of {connection.peer}")
    for booking in book.agents.values():
        if id(booking) in carried - known and not booking.released:
            yield held(booking, "a peer agent")


def _state(agent: PeerAgent, booking: Booking, connected: bool) -> AgentState:
    return AgentState(
        sid=booking.sid.hex(),
        connected=connected,
        ending=agent.ending,
        finished=agent.finished.fired,
        released=booking.released,
        over=agent.over.fired,
        door=agent.door,
    )


def _testers(
    factory: ControlFactory, probes: Collection[TesterProcess]
) -> Iterator[tuple[int, bool]]:
    """Guards of this daemon, and whether somebody has them; a hook has a time limit of its own."""
    owned = {agent.process for agent in factory.connections.agents} | {*probes}
    for process in TesterProcess.running:
        if process.is_of(factory.host.timers) and process.pid is not None:
            yield process.pid, process in owned or isinstance(process, HookProcess)


def _strays() -> list[int]:
    """Children of this program that are guards, and not known as such to any daemon in it."""
    known = {process.pid for process in TesterProcess.running}
    children = {int(pid) for one in _tasks() for pid in _read(one / "children").split()}
    return [pid for pid in children - known if is_guard(_read(Path(f"/proc/{pid}/cmdline")))]


def _tasks() -> list[Path]:
    try:
        return list((_PROC / "task").iterdir())
    except OSError:  # this system has no such thing, or we have no descriptor
        return []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it is gone, or this system has no such thing
        return b""


def _timers(factory: ControlFactory) -> tuple[list[str], int]:
    """Kinds of things that timers are to call and that are gone; timers nobody waits for."""
    gone: list[str] = []
    waits = 0
    for call, args in factory.host.timers.calls():
        owner: Any = getattr(call, "__self__", None)
        is_there = _IS_THERE.get(type(owner))
        if isinstance(owner, Once):
            waits += not owner.awaited
        elif is_there is not None and not is_there(factory, owner, args):
            gone.append(type(owner).__name__)
    return gone, waits


def _is_open(factory: ControlFactory, connection: Any, args: Any) -> bool:
    return connection in factory.connections.open


def _is_held(factory: ControlFactory, broker: Any, args: tuple[Booking]) -> bool:
    return not args[0].released


def _is_at_work(factory: ControlFactory, agent: Any, args: Any) -> bool:
    return agent in factory.connections.agents and not agent.finished.fired


def _is_waited_for(factory: ControlFactory, time: Any, args: Any) -> bool:
    agents = factory.connections.agents
    return any(agent.time is time and not agent.finished.fired for agent in agents)


def _is_linked(factory: ControlFactory, link: Any, args: Any) -> bool:
    return bool(link.is_there)


def _runs(factory: ControlFactory, process: Any, args: Any) -> bool:
    return not process.ended.fired


_IS_THERE: dict[type, Callable[[ControlFactory, Any, Any], bool]] = {
    ControlProtocol: _is_open,
    BrokerService: _is_held,
    PeerAgent: _is_at_work,
    SlotTime: _is_waited_for,
    ClientLink: _is_linked,
    ServerLink: _is_linked,
    TesterProcess: _runs,
    HookProcess: _runs,
}
"""Whom timers call, and how to tell whether that is there still."""
