"""What `bwctl check` has found, as tables with advice, and as JSON (schema bwctl.check/1)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from bwctl import __version__
from bwctl.net.checkup import HostCheck, WayCheck
from bwctl.net.pair import EndWish
from bwctl.render.jsonform import json_object
from bwctl.render.wording import scaled
from bwctl.results import ClockReading
from bwctl.text import sanitise
from bwctl.values import ToolID, seconds, single_tools, tool_name

SCHEMA = "bwctl.check/1"


def report_text(hosts: Sequence[HostCheck], ways: Sequence[WayCheck]) -> str:
    """Two tables, and what to do about what is wrong."""
    lines = _table(("daemon", "control", "TLS", "clock", "testers"), map(_host_row, hosts))
    if ways:
        heads = ("from", "to", "tester", "peer port", "tester port", "result")
        lines += ["", *_table(heads, map(_way_row, ways))]
    advice = list(dict.fromkeys([*_host_advice(hosts), *_way_advice(ways)]))
    lines += ["", *(f"* {one}" for one in advice)] if advice else []
    return "".join(f"{sanitise(line)}\n" for line in lines)


_TLS: Final = {"ok": "ok", "not offered": "no", None: "-"}


def _table(heads: Sequence[str], rows: Any) -> list[str]:
    table = [heads, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]


def _host_row(host: HostCheck) -> tuple[str, ...]:
    if host.failure is not None:
        return (_name(host.wish), host.failure.code, "-", "-", "-")
    rtt = host.clock.rtt_s if host.clock else 0.0
    return (
        _name(host.wish),
        f"ok, {rtt * 1000:.3g} ms",
        _TLS.get(host.tls, "failed"),
        _clock(host.clock),
        _names(host.tools),
    )


def _clock(clock: ClockReading | None) -> str:
    if clock is None or clock.offset_s is None:
        return "-"
    state = "" if clock.error.synchronised else ", not synchronised"
    return f"{clock.offset_s:+.4f} s, +-{_error(clock):.3g} s{state}"


def _error(clock: ClockReading) -> float:
    """Seconds that the difference of the clocks may be off."""
    return seconds(clock.error.ticks) + clock.rtt_s


def _names(tools: ToolID) -> str:
    return ", ".join(map(tool_name, single_tools(tools))) or "none"


def _way_row(way: WayCheck) -> tuple[str, ...]:
    result = way.result
    peer = "closed" if way.peer_closed else _port(result.peer_port)
    tester = "closed" if way.tester_closed else _port(result.tester_port)
    rate = result.summary.get("bits_per_second")
    failed = "denied" if way.denied_by is not None else "failed"
    told = scaled(rate, "bit/s") if rate and way.failure is None else failed
    return (_name(way.sender), _name(way.receiver), way.tester, peer, tester, told)


def _port(port: int | None) -> str:
    return str(port) if port else "-"


def _name(wish: EndWish) -> str:
    return "here" if wish.is_local else wish.name


def _host_advice(hosts: Sequence[HostCheck]) -> Iterator[str]:
    for host in hosts:
        name = _name(host.wish)
        if host.failure is not None:
            yield f"{host.failure.message}: {host.failure.hint}".rstrip(": ")
            continue
        if host.tls not in (None, "ok", "not offered"):
            yield f"{name}, TLS: {host.tls}"
        clock = host.clock
        if clock is None or clock.offset_s is None:
            continue
        if not clock.error.synchronised:
            yield f"{name}: nothing synchronises its clock; run chronyd or ntpd there"
        if abs(clock.offset_s) > _error(clock):
            yield f"{name}: its clock is further from ours than both admit"


def _way_advice(ways: Sequence[WayCheck]) -> Iterator[str]:
    for way in ways:
        sender, receiver, result = _name(way.sender), _name(way.receiver), way.result
        if way.failure is None:
            continue
        if way.denied_by is not None:
            yield f"{way.failure.message}: {way.failure.hint}"
        elif way.peer_closed:
            port = f"TCP port {result.peer_port}" if result.peer_port else "the peer port"
            yield (
                f"firewall of {receiver}: let {sender} in at {port}, and at all of peer_port "
                "(without that option: any port that the system gives)"
            )
        elif way.tester_closed:
            yield (
                f"{way.tester} of {sender} did not reach port {result.tester_port} of {receiver}: "
                f"its firewall has to let {sender} in at all of {way.tester}_port or test_port "
                "(default: 5202-5900), TCP and UDP; or the tester did not run there"
            )
        else:
            yield f"{sender} -> {receiver} with {way.tester}: {way.failure.message}"


def json_text(hosts: Sequence[HostCheck], ways: Sequence[WayCheck]) -> str:
    """One object in one line."""
    found = {
        "schema": SCHEMA,
        "program": "bwctl check",
        "program_version": __version__,
        "daemons": [_host_object(host) for host in hosts],
        "ways": [_way_object(way) for way in ways],
        "advice": list(dict.fromkeys([*_host_advice(hosts), *_way_advice(ways)])),
    }
    return json.dumps(found, allow_nan=False) + "\n"


def _host_object(host: HostCheck) -> dict[str, Any]:
    clock = host.clock
    found = {
        "daemon": _name(host.wish),
        "status": "failed" if host.failure else "ok",
        "address": str(host.address) if host.address else None,
        "protocol_version": host.version,
        "tls": host.tls,
        "testers": _names(host.tools).split(", ") if host.tools else None,
        "clock_offset_seconds": clock.offset_s if clock else None,
        "clock_error_seconds": _error(clock) if clock else None,
        "clock_synchronised": clock.error.synchronised if clock else None,
        "rtt_bound_seconds": clock.rtt_s if clock else None,
        "error": {"code": host.failure.code, "message": host.failure.message}
        if host.failure
        else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _way_object(way: WayCheck) -> dict[str, Any]:
    found = {
        "sender": _name(way.sender),
        "receiver": _name(way.receiver),
        "tester": way.tester,
        "status": "failed" if way.failure else "ok",
        "peer_port": way.result.peer_port,
        "peer_port_open": _open(way, way.peer_closed, way.result.peer_port),
        "tester_port": way.result.tester_port,
        "tester_port_open": _open(way, way.tester_closed, way.result.tester_port),
        "result": json_object(way.result),
    }
    return {key: value for key, value in found.items() if value is not None}


def _open(way: WayCheck, closed: bool, port: int | None) -> bool | None:
    """None: not known."""
    if closed:
        return False
    return True if port and way.failure is None else None
