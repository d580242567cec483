"""The parameters of a simulation as text: those of a mesh file's `simulate`, and the options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bwctl.broker.obstacles import Guard
from bwctl.interfaces import ClientFacts
from bwctl.limits.classes import Limits
from bwctl.mesh import readers
from bwctl.mesh.node import Node
from bwctl.simulate.daemon import DaemonSettings
from bwctl.simulate.settings import CLIENT, HostSettings, Settings

LONGEST: Final = 366 * 86_400
MINUTES: Final = 3600.0  # beyond this a clock is none


def read_guard(value: Any) -> Guard:
    """`max` or `sum`."""
    try:
        return Guard(value)
    except ValueError:
        raise ValueError("must be max or sum") from None


SHARED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "duration": readers.time_span(60, LONGEST),
    "seed": readers.whole(0, 1 << 63),
    "rtt": readers.time_span(0, 60),
    "clock_offset": readers.time_span(0, MINUTES),
    "clock_error": readers.time_span(0, MINUTES),
    "failure_rate": readers.decimal(0, 1),
    "late_after": readers.time_span(0, LONGEST),
    "sync_fuzz": readers.time_span(0, MINUTES),
}
"""Names of parameters, and what reads their values out of JSON."""

POLICY: Final[Mapping[str, Callable[[Any], Any]]] = {
    "limits": readers.text,
    "client": readers.address,
    "user": readers.text,
}
"""The limits file of all daemons, and who the client is before them."""

DAEMON: Final[Mapping[str, Callable[[Any], Any]]] = {
    "setup_margin": readers.time_span(0, 3600),
    "overrun": readers.time_span(0, 3600),
    "guard": read_guard,
    "max_connections": readers.whole(1, 1_000_000),
    "max_connections_per_host": readers.whole(1, 1_000_000),
}
"""Those that are options of bwctl-server.conf."""

HOST: Final[Mapping[str, Callable[[Any], Any]]] = {
    "rtt": readers.time_span(0, 60),
    "clock_offset": readers.decimal(-MINUTES, MINUTES),
    "clock_error": readers.time_span(0, MINUTES),
}
"""Those that a host may have of its own; its clock's offset is exact, and may be negative."""

Given = Mapping[str, Any]


def read_parameters(node: Node | None, hosts: Mapping[str, Any]) -> dict[str, Any]:
    """What the object `simulate` of a mesh file sets; every problem goes to its file.

    Args:
        hosts: of the mesh, by name.
    """
    if node is None:
        return {}
    known = {**SHARED, **POLICY, **DAEMON}
    keys = node.keys((*known, "hosts"))
    found = {key: node.get(key, known[key], None) for key in keys if key in known}
    found["hosts"] = _hosts(node.at("hosts"), hosts)
    return found


def _hosts(node: Node | None, hosts: Mapping[str, Any]) -> dict[str, HostSettings]:
    found: dict[str, HostSettings] = {}
    for name in node.keys(tuple(hosts)) if node is not None else ():
        own = node.at(name) if node is not None else None
        if own is not None and name in hosts:
            keys = own.keys(tuple(HOST))
            values = {key: own.get(key, HOST[key], None) for key in keys if key in HOST}
            found[name] = HostSettings(**values)
    return found


def make_settings(given: Given, limits: Limits | None) -> Settings:
    """Settings out of the parameters that are given, by name; `limits` is the file, read."""
    daemon = {name: value for name, value in given.items() if name in DAEMON}
    if limits is not None:
        daemon["limits"] = limits
    client = ClientFacts(address=given.get("client", CLIENT), user=given.get("user"))
    shared = {name: value for name, value in given.items() if name in SHARED or name == "hosts"}
    return Settings(**shared, client=client, daemon=DaemonSettings(**daemon))
