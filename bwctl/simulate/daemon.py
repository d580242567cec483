"""A simulated daemon: its real broker and limits, on virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from bwctl.broker.broker import ResourceBroker
from bwctl.broker.obstacles import Guard
from bwctl.broker.ports import PortPool
from bwctl.broker.timetable import Timetable
from bwctl.interfaces import ITester
from bwctl.limits.classes import Limits
from bwctl.net.broker import BrokerService
from bwctl.net.connections import Connections
from bwctl.net.eventlog import EventLog
from bwctl.net.host import EVERYTHING, TEST_PORTS, Host
from bwctl.net.timers import Timers
from bwctl.simulate.clock import HostClock, VirtualReactor
from bwctl.simulate.use import Use
from bwctl.values import IPAddress, ticks

if TYPE_CHECKING:
    from bwctl.simulate.connection import SimulatedConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonSettings:
    """What all daemons of a simulation have in common; fields as in bwctl-server.conf."""

    limits: Limits = EVERYTHING
    guard: Guard = Guard.MAX
    setup_margin: float = 0.25
    overrun: float = 1.5
    max_connections: int = 1000
    max_connections_per_host: int = 32


class _Silent(EventLog):
    """A log that nobody keeps: thousands of reservations a second are not for reading."""

    def tell(self, level: object, format: str | None, fields: dict[str, Any]) -> None:
        """Nobody."""


class SilentBroker(BrokerService):
    """The broker of a simulated daemon."""

    log: ClassVar[EventLog] = _Silent()


class SimulatedDaemon:
    """One host: its broker, its clock, and what becomes of its time."""

    def __init__(
        self,
        name: str,
        address: IPAddress,
        reactor: VirtualReactor,
        clock: HostClock,
        testers: Mapping[str, ITester],
        settings: DaemonSettings,
        random: Random,
    ) -> None:
        self.name = name
        self.address = address
        self.reactor = reactor
        self.clock = clock
        self.random = random
        self.host = Host(
            reactor=reactor,
            clock=clock,
            timers=Timers(reactor, clock, heartbeat=False),
            testers=testers,
            versions=dict.fromkeys(testers, "simulated"),
            broker=ResourceBroker(
                Timetable(guard=settings.guard, setup_margin=ticks(settings.setup_margin))
            ),
            limits=settings.limits,
            overrun=ticks(settings.overrun),
            test_ports=PortPool(*TEST_PORTS, random),
            take_ports=_take_ports,
            max_connections=settings.max_connections,
            max_connections_per_host=settings.max_connections_per_host,
            started=clock.now(),
        )
        self.broker = SilentBroker(self.host)
        self.connections: Connections[SimulatedConnection] = Connections()
        self.use = Use()
        classes = settings.limits.classes.values()
        self.counts_octets = any(one.bytes_per_day for one in classes)

    @property
    def leftovers(self) -> list[str]:
        """What should be empty once all clients are gone, and is not."""
        host = self.host
        counts = {
            "reservations": len(host.broker.timetable),
            "ports": host.test_ports.in_use,
            "timers": len(host.timers),
            "connections": len(self.connections.open),
        }
        return [f"{count} {what}" for what, count in counts.items() if count]


def _take_ports(pool: PortPool, count: int, address: IPAddress, *, datagrams: bool) -> int | None:
    """Nobody else is there who could hold a port."""
    return pool.take(count)
