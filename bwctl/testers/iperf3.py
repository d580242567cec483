"""iperf3: throughput in either direction. Source: testers.md 7."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from zope.interface import implementer

from bwctl.interfaces import ITester
from bwctl.testers import common, iperf3_json, iperf3_text
from bwctl.testers.common import Option, Range
from bwctl.testers.reading import MAX_OUTPUT, marked, text_of
from bwctl.values import Listening, ProbeAnswer, Report, Role, TestSpec, ToolID

JSON: Final = "J"
UNITS: Final = "kKmMgG"  # C also takes bBaA, which iperf3 (3.12) itself refuses
FORMATS: Final = "cJ"  # c, for iperf, has no effect

INTERVAL: Final = Option("report_interval_ms", "-i", common.interval)
CLIENT: Final = (
    Option("omit", "--omit"),
    Option("tos", "-S"),
    Option("server_sends", "--reverse", None),
    Option("duration", "-t"),
    Option("parallel", "-P"),
    Option("udp", "-u", None),
    Option("buffer_length", "-l"),
    Option("bandwidth", "-b"),
    Option("window", "-w"),
    Option("mss", "-M"),
)
KNOWN: Final = ("units", "output_format", INTERVAL.field, *(option.field for option in CLIENT))

RANGES: Final = (  # [run] with 3.12: beyond these it exits with "parameter error"
    Range("duration", "-t", 1, 86_400),
    Range("report_interval_ms", "-i", 100, 60_000),
    Range("parallel", "-P", 1, 128),
    Range("omit", "-O", 1, 60),
    Range("window", "-w", 1, 512 << 20),
    Range("mss", "-m", 1, 9216),
    common.TOS_RANGE,
)
BLOCK_RANGE: Final = Range("buffer_length", "-l", 1, 1 << 20)
UDP_BLOCK_RANGE: Final = Range("buffer_length", "-l", 16, common.MAX_DATAGRAM)

_VERSION: Final = re.compile(rb"iperf (3[0-9A-Za-z.+-]{0,40})")


@implementer(ITester)
@dataclass(frozen=True)
class Iperf3:
    """The tester iperf3."""

    name: str = "iperf3"
    tool_id: ToolID = ToolID.IPERF3
    default_port: int = 5201
    supports_flip: bool = True
    supports_no_endpoint: bool = True
    parsable_format: str = JSON
    commands: Mapping[str, str] = field(
        default_factory=lambda: {"iperf3_cmd": "iperf3"}, hash=False
    )
    server_ends_itself: bool = True  # -1
    stop_signals: Sequence[str] = ("TERM",)
    signals_top_only: bool = False
    private_directory: str = ""

    def problems(self, spec: TestSpec) -> list[str]:
        """Why iperf3 cannot do a test."""
        problems = common.common_problems(self, spec)
        problems += common.choice_problem("iperf3", "unit", "-f", spec.units, UNITS)
        problems += common.choice_problem("iperf3", "format", "-y", spec.output_format, FORMATS)
        ranges = (*RANGES, UDP_BLOCK_RANGE if spec.udp else BLOCK_RANGE)
        return problems + common.range_problems("iperf3", spec, ranges)

    def ignored(self, spec: TestSpec) -> list[str]:
        """Options that iperf3 does not know."""
        return common.ignored(spec, KNOWN)

    def probes(self, commands: Mapping[str, str]) -> list[list[str]]:
        """`iperf3 -v`."""
        return [[self._program(commands), "-v"]]

    def version(self, answers: Sequence[ProbeAnswer]) -> str | None:
        """The version; `iperf3 -v` exited with 1 in early versions."""
        (answer,) = answers
        found = _VERSION.search(answer.output[:1023]) if answer.exit_status in (0, 1) else None
        return found[1].decode() if found else None

    def ports(self, spec: TestSpec, role: Role) -> int:
        """One port for the server, for control and data."""
        return int(role is Role.SERVER)

    def overtime(self, spec: TestSpec) -> float:
        """None: it ends with the test."""
        return 0.0

    def listens(self, spec: TestSpec, port: int) -> tuple[Listening, ...]:
        """The control port, which is TCP for a UDP test too."""
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
        if role is Role.CLIENT:
            return [self._program(commands), *_client(spec, port)]
        return None if spec.no_server_endpoint else [self._program(commands), *_server(spec, port)]

    def results_role(self, spec: TestSpec) -> Role:
        """The client, which gets the server's figures at the end."""
        return Role.CLIENT

    def parse(self, output: bytes, spec: TestSpec, role: Role) -> Report:
        """What one end's output says, JSON or text, whatever was asked for."""
        text = text_of(output)
        start = iperf3_json.start_of(text)
        if start is None:
            return marked(iperf3_text.read(text, spec), output)
        return marked(iperf3_json.read(text, start, spec, role), output, MAX_OUTPUT)

    def _program(self, commands: Mapping[str, str]) -> str:
        return common.program(commands, self.commands, "iperf3_cmd")


def _server(spec: TestSpec, port: int) -> list[str]:
    """Arguments of the server, which serves one client."""
    return ["-s", "-1", "-B", str(spec.server), *_output(spec, port)]


def _client(spec: TestSpec, port: int) -> list[str]:
    """Arguments of the client."""
    ends = ["-c", str(spec.server), "-B", str(spec.client)]
    return [*ends, *_output(spec, port), "-Z", *common.arguments(spec, CLIENT)]


def _output(spec: TestSpec, port: int) -> list[str]:
    """Arguments of both ends; -f and -V would only put warnings in front of the JSON."""
    machine = spec.output_format == JSON
    return [
        *(["-J"] if machine else ["-f", spec.units or "m"]),
        *("-p", str(port)),
        *common.arguments(spec, (INTERVAL,)),
        *(["-V"] if spec.verbose and not machine else []),
    ]
