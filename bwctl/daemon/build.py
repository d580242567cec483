"""From settings to the parts of a daemon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from bwctl.broker.broker import ResourceBroker
from bwctl.broker.obstacles import Guard
from bwctl.broker.ports import PortPool
from bwctl.broker.timetable import Timetable
from bwctl.daemon.config import Settings
from bwctl.daemon.config_values import PortRange
from bwctl.interfaces import ITester
from bwctl.limits.classes import Limits
from bwctl.limits.keys import KeyRing
from bwctl.net.clock import IClock
from bwctl.net.hooks import HookRunner
from bwctl.net.host import Host
from bwctl.net.names import confirmed_name
from bwctl.net.plugged import Plugged
from bwctl.net.timers import Timers
from bwctl.testers.registry import BUILT_IN
from bwctl.values import IPAddress, ticks
from bwctl.wire.fields import Mode


@dataclass(frozen=True, slots=True)
class Configuration:
    """The three files, read and checked, and the plug-ins that they name."""

    settings: Settings
    limits: Limits
    keys: KeyRing
    plugged: Plugged = field(default_factory=Plugged)
    testers: Sequence[ITester] = BUILT_IN


def make_host(
    configuration: Configuration,
    testers: Iterable[ITester],
    reactor: Any,
    clock: IClock | None = None,
) -> Host:
    """Everything that the control connections of one daemon share."""
    settings = configuration.settings
    if clock is None:
        from bwctl.daemon.plugins import make_clock  # not for the clients' own ends

        clock = make_clock(settings, configuration.plugged, reactor)
    timers = Timers(reactor, clock)
    enabled = {one.name: one for one in testers if one.name not in settings.disabled}
    host = Host(
        reactor=reactor,
        clock=clock,
        timers=timers,
        testers=enabled,
        broker=ResourceBroker(_timetable(settings)),
        test_ports=_pool(settings.ports_for("")),
        ports={name: _pool(range_) for name, range_ in settings.tool_ports.items()},
        started=clock.now(),
        plugged=configuration.plugged,
        hooks=HookRunner(
            reactor,
            timers,
            settings.post_hooks,
            timeout=settings.hook_timeout,
            resolve=partial(_name_of, reactor),
        ),
    )
    apply_settings(host, configuration)
    return host


def apply_settings(host: Host, configuration: Configuration) -> None:
    """Put into force what may change while a daemon runs; reservations stay as they are."""
    settings = configuration.settings
    host.limits = configuration.limits
    host.keys = configuration.keys
    host.modes = Mode(settings.auth_mode)
    host.allow_unsync = settings.allow_unsync
    host.overrun = ticks(settings.overrun)
    host.commands = settings.commands
    host.cpus = _affinities(settings, host.testers)
    host.peer_ports = _ports(settings.peer_ports)
    host.max_connections = settings.max_connections
    host.max_connections_per_host = settings.max_connections_per_host
    host.handshake_timeout = settings.handshake_timeout
    host.control_timeout = settings.control_timeout
    host.die_by = settings.die_by
    host.max_result = host.max_output = settings.max_result_size
    if host.hooks is not None:
        host.hooks.hooks = settings.post_hooks


def _name_of(reactor: Any, address: IPAddress) -> Deferred[str]:
    """The name of a host, as hooks are given it; looking it up may take its time."""
    return deferToThreadPool(reactor, reactor.getThreadPool(), confirmed_name, str(address))


def _timetable(settings: Settings) -> Timetable:
    return Timetable(
        guard=Guard(settings.guard),
        trace_during_throughput=settings.trace_during_throughput,
        shared_tests=settings.shared_tests,
        setup_margin=ticks(settings.setup_margin),
        max_reservations=settings.max_reservations,
    )


def _affinities(settings: Settings, testers: Mapping[str, ITester]) -> dict[str, str]:
    chosen = {name: settings.affinity_for(name) for name in testers}
    return {name: ",".join(map(str, sorted(cpus))) for name, cpus in chosen.items() if cpus}


def _pool(ports: PortRange) -> PortPool:
    return PortPool(ports.low, ports.high, Random())  # noqa: S311 - spreads load, no secret


def _ports(ports: PortRange | None) -> range:
    return range(ports.low, ports.high + 1) if ports else range(0)
