"""iperf 2: throughput from client to server. Source: testers.md 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from zope.interface import implementer

from bwctl.interfaces import ITester
from bwctl.testers import common, iperf_output
from bwctl.testers.common import Option
from bwctl.testers.reading import marked
from bwctl.values import Listening, ProbeAnswer, Report, Role, TestSpec, ToolID

UNITS: Final = "bBkKmMgGaA"
FORMATS: Final = "c"
LISTEN_S: Final = 60
"""Time that a server may wait for its client, added to the duration.

`-t` ends a waiting server of 2.1 too, and a server starts before its client by the padding of the
time slot: with the bare duration, as in C, it is gone when a short test begins.
"""

TOS: Final = Option("tos", "-S")
FORMAT: Final = Option("output_format", "-y")
STREAMS: Final = Option("parallel", "-P")
LENGTH: Final = Option("buffer_length", "-l")
UDP: Final = Option("udp", "-u", None)
BANDWIDTH: Final = Option("bandwidth", "-b")
WINDOW: Final = Option("window", "-w")
INTERVAL: Final = Option("report_interval_ms", "-i", common.interval)
KNOWN: Final = ("units",) + tuple(
    option.field for option in (TOS, FORMAT, STREAMS, LENGTH, UDP, BANDWIDTH, WINDOW, INTERVAL)
)


@implementer(ITester)
@dataclass(frozen=True)
class Iperf:
    """The tester iperf, versions 2.x."""

    name: str = "iperf"
    tool_id: ToolID = ToolID.IPERF
    default_port: int = 5202
    supports_flip: bool = False
    supports_no_endpoint: bool = True
    parsable_format: str = ""
    commands: Mapping[str, str] = field(default_factory=lambda: {"iperf_cmd": "iperf"}, hash=False)
    server_ends_itself: bool = True  # -P counts the connections that it serves
    stop_signals: Sequence[str] = ("TERM", "TERM")  # at the first it may only print a report
    signals_top_only: bool = False
    private_directory: str = ""

    def problems(self, spec: TestSpec) -> list[str]:
        """Why iperf cannot do a test."""
        problems = common.common_problems(self, spec)
        problems += common.choice_problem("iperf", "unit", "-f", spec.units, UNITS)
        problems += common.choice_problem("iperf", "format", "-y", spec.output_format, FORMATS)
        if spec.bandwidth and not spec.udp:
            problems.append("iperf cannot pace TCP (-b without -u)")
        ranges = [common.TOS_RANGE] + [common.DATAGRAM_RANGE] * spec.udp
        return problems + common.range_problems("iperf", spec, ranges)

    def ignored(self, spec: TestSpec) -> list[str]:
        """Options that iperf does not know."""
        return common.ignored(spec, KNOWN)

    def probes(self, commands: Mapping[str, str]) -> list[list[str]]:
        """`iperf -v`."""
        return [[self._program(commands), "-v"]]

    def version(self, answers: Sequence[ProbeAnswer]) -> str | None:
        """The version; `iperf -v` exits with 1 in many versions."""
        return common.word_behind(b"iperf version ", answers[0], (0, 1))

    def ports(self, spec: TestSpec, role: Role) -> int:
        """One port for the server."""
        return int(role is Role.SERVER)

    def overtime(self, spec: TestSpec) -> float:
        """None: it ends with the test."""
        return 0.0

    def listens(self, spec: TestSpec, port: int) -> tuple[Listening, ...]:
        """The test port, of the test's own protocol."""
        return (Listening("udp" if spec.udp else "tcp", port),)

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
        """The server, which knows what arrived; the client if the server has no daemon."""
        return Role.CLIENT if spec.no_server_endpoint else Role.SERVER

    def parse(self, output: bytes, spec: TestSpec, role: Role) -> Report:
        """What one end's output says."""
        return marked(iperf_output.read(output, spec, role), output)

    def _program(self, commands: Mapping[str, str]) -> str:
        return common.program(commands, self.commands, "iperf_cmd")


def _server(spec: TestSpec, port: int) -> list[str]:
    """Arguments of the server; it always gets its number of streams, so that it ends itself."""
    return [
        *("-B", str(spec.server), "-s", "-f", spec.units or "b"),
        *common.arguments(spec, (FORMAT,)),
        *("-P", str(max(1, spec.parallel))),
        *common.arguments(spec, (LENGTH,)),
        *("-m", "-p", str(port)),
        *common.arguments(spec, (UDP, WINDOW)),
        *("-t", str(spec.duration + LISTEN_S)),
        *_tail(spec),
    ]


def _client(spec: TestSpec, port: int) -> list[str]:
    """Arguments of the client."""
    return [
        *("-c", str(spec.server), "-B", str(spec.client)),
        *common.arguments(spec, (TOS,)),
        *("-f", spec.units or "b"),
        *common.arguments(spec, (FORMAT, STREAMS, LENGTH)),
        *("-m", "-p", str(port)),
        *common.arguments(spec, (UDP, BANDWIDTH, WINDOW)),
        *("-t", str(spec.duration)),
        *_tail(spec),
    ]


def _tail(spec: TestSpec) -> list[str]:
    """The last arguments of both; -V is iperf's option for IPv6."""
    return common.arguments(spec, (INTERVAL,)) + ["-V"] * (spec.server.version == 6)
