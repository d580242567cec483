"""thrulay: the embedded tester, which needs no program of the system. Source: thrulay.md 8."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from zope.interface import implementer

import bwctl
from bwctl.interfaces import ITester
from bwctl.testers import common
from bwctl.testers.common import Option
from bwctl.testers.jsontext import decoded, mapping, sequence
from bwctl.testers.reading import (
    MAX_INTERVALS,
    Half,
    clean,
    count,
    hint,
    interval_of,
    lines_of,
    long_enough,
    marked,
    number,
    rate,
    report,
    text_of,
)
from bwctl.values import Listening, ProbeAnswer, Report, Role, TestSpec, ToolID

RUN: Final = Path(bwctl.__file__).with_name("embedded") / "run.py"
MARK: Final = "#json "  # begins the line with the result
ALL_STREAMS: Final = 255

DEADLINE_S: Final = 60  # in which a server awaits its client: it starts some seconds earlier
MOST: Final = 100_000  # intervals in one result

INTERVAL: Final = Option("report_interval_ms", "--interval", common.interval)
OMIT: Final = Option("omit", "--omit")
WINDOW: Final = Option("window", "--window")
SERVER: Final = (INTERVAL, OMIT, WINDOW)
CLIENT: Final = (
    *SERVER,
    Option("buffer_length", "--block"),
    Option("tos", "--tos"),
    Option("mss", "--mss"),
)
KNOWN: Final = ("udp", "bandwidth", "parallel", *(option.field for option in CLIENT))
RANGES: Final = (  # those of bwctl/embedded/options.py
    common.Range("duration", "-t", 1, 1_000_000),
    common.Range("report_interval_ms", "-i", 10, 1_000_000_000),
    common.Range("parallel", "-P", 1, 255),
    common.Range("window", "-w", 1, (1 << 31) - 1),
    common.Range("buffer_length", "-l", 16, 1 << 20),  # the protocol's
    common.Range("mss", "-m", 1, 65_535),
    common.TOS_RANGE,
)


@implementer(ITester)
@dataclass(frozen=True)
class Thrulay:
    """The tester thrulay, TCP from client to server; the client measures."""

    name: str = "thrulay"
    tool_id: ToolID = ToolID.THRULAY
    default_port: int = 5003
    supports_flip: bool = False
    supports_no_endpoint: bool = True  # any thrulayd will do
    parsable_format: str = ""
    commands: Mapping[str, str] = field(default_factory=dict, hash=False)
    server_ends_itself: bool = True
    stop_signals: Sequence[str] = ("TERM",)
    signals_top_only: bool = False
    private_directory: str = ""

    def problems(self, spec: TestSpec) -> list[str]:
        """Why thrulay cannot do a test."""
        problems = common.common_problems(self, spec)
        if spec.udp:
            problems.append("thrulay cannot do UDP (-u) yet")
        elif spec.bandwidth:
            problems.append("thrulay cannot pace TCP (-b without -u)")
        if spec.report_interval_ms and spec.duration * 1000 // spec.report_interval_ms > MOST:
            problems.append(f"thrulay gives at most {MOST} intervals (-i)")
        return problems + common.range_problems("thrulay", spec, RANGES)

    def ignored(self, spec: TestSpec) -> list[str]:
        """Options that thrulay does not know."""
        return common.ignored(spec, KNOWN)

    def probes(self, commands: Mapping[str, str]) -> list[list[str]]:
        """Nothing to ask: it is a part of this package."""
        return []

    def version(self, answers: Sequence[ProbeAnswer]) -> str | None:
        """The version of this package."""
        return bwctl.__version__

    def ports(self, spec: TestSpec, role: Role) -> int:
        """One port for all streams of the server."""
        return int(role is Role.SERVER)

    def overtime(self, spec: TestSpec) -> float:
        """None: it ends with the test."""
        return 0.0

    def listens(self, spec: TestSpec, port: int) -> tuple[Listening, ...]:
        """The test port."""
        return (Listening("tcp", port),)

    def command_line(
        self,
        spec: TestSpec,
        role: Role,
        port: int,
        commands: Mapping[str, str],
        own_port: int = 0,
    ) -> list[str] | None:
        """The argv of one end; None for a server whose end has no daemon."""
        if role is Role.SERVER and spec.no_server_endpoint:
            return None
        ends = _server(spec, port) if role is Role.SERVER else _client(spec, port)
        return [sys.executable, "-I", "-S", str(RUN), "thrulay", role.value, *ends]

    def results_role(self, spec: TestSpec) -> Role:
        """The client, which gets an answer to each block."""
        return Role.CLIENT

    def parse(self, output: bytes, spec: TestSpec, role: Role) -> Report:
        """What one end's output says."""
        return marked(read(output, spec, role), output)


def _server(spec: TestSpec, port: int) -> list[str]:
    """Arguments of the server."""
    return [
        *("--bind", str(spec.server), "--port", str(port)),
        *_size(spec),
        *("--peer", str(spec.client), "--deadline", str(DEADLINE_S)),
        *common.arguments(spec, SERVER),
    ]


def _client(spec: TestSpec, port: int) -> list[str]:
    """Arguments of the client."""
    return [
        *("--connect", str(spec.server), "--bind", str(spec.client), "--port", str(port)),
        *_size(spec),
        *common.arguments(spec, CLIENT),
    ]


def _size(spec: TestSpec) -> list[str]:
    return ["--streams", str(max(1, spec.parallel)), "--duration", str(spec.duration)]


def read(output: bytes, spec: TestSpec, role: Role) -> Report:
    """The Report of one end, from the last line that holds a result."""
    text = text_of(output)
    start = ("\n" + text).rfind("\n" + MARK)
    result = decoded(text, start + len(MARK)) if start >= 0 else None
    if result is None:
        error = hint(lines_of(text)) or "no result found in the output"
        return Report(tool="thrulay", error=error)
    sent, received = halves(result, role)
    streams = count(result.get("streams"))
    return report(
        "thrulay",
        spec,
        sent=sent,
        received=received,
        streams=ALL_STREAMS if streams is None else streams,
        complaint=_text(result.get("error")),
        version=_text(result.get("version")),
        more={
            "rtt_ms": _round_trips(mapping(result.get("rtt_us"))),
            "mss": count(result.get("mss")) or None,
        },
        intervals=_intervals(spec, sequence(result.get("intervals"))),
    )


def halves(result: Mapping[str, Any], role: Role) -> tuple[Half | None, Half | None]:
    """What was sent and what arrived; the client knows that from the echoes."""
    received = half(result)
    sent = half({**result, "bytes": result.get("sent_bytes")})
    return (sent if role is Role.CLIENT else None), received


def half(block: Mapping[str, Any]) -> Half | None:
    """What the whole result, or an interval, counted."""
    octets = count(block.get("bytes"))
    start, end = number(block.get("start")) or 0.0, number(block.get("end"))
    seconds = number(block.get("seconds")) if end is None else max(0.0, end - start)
    if octets is None or seconds is None:
        return None
    return Half(
        octets=octets,
        seconds=seconds,
        bits_per_second=rate(octets, seconds),
        retransmits=count(block.get("retransmits")),
    )


def _text(value: object) -> str | None:
    """A string that is not empty, cleaned."""
    return clean(value) or None if isinstance(value, str) else None


def _round_trips(microseconds: Mapping[str, Any]) -> dict[str, float] | None:
    """The round trips in milliseconds."""
    found = {name: number(microseconds.get(name)) for name in ("min", "mean", "max")}
    return {name: value / 1000 for name, value in found.items() if value is not None} or None


def _intervals(spec: TestSpec, entries: Sequence[Any]) -> list[Mapping[str, Any]]:
    """The intervals without the fragment at the end of a server's."""
    blocks = [mapping(entry) for entry in entries[:MAX_INTERVALS]]
    return [
        interval_of(number(block.get("start")) or 0.0, number(block.get("end")) or 0.0, counted)
        for block in blocks
        if (counted := half(block)) is not None and long_enough(spec, counted.seconds)
    ]
