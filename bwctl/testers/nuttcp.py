"""nuttcp: throughput in either direction. Source: testers.md 8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from zope.interface import implementer

from bwctl.interfaces import ITester
from bwctl.testers import common, nuttcp_output
from bwctl.testers.common import Option, Range
from bwctl.testers.reading import marked
from bwctl.values import Listening, ProbeAnswer, Report, Role, TestSpec, ToolID

CONTROL_PORT: Final = 5000
"""Both ends have to use the same one, and a C peer always uses this."""
UDP_OVERTIME_S: Final = 1.5

LENGTH: Final = Option("buffer_length", "-l")
UDP: Final = Option("udp", "-u", None)
RATE: Final = Option("bandwidth", "-R", lambda rate: str(rate // 1000))
WINDOW: Final = Option("window", "-w", lambda octets: str(octets // 1024))
MSS: Final = Option("mss", "-M")
INTERVAL: Final = Option("report_interval_ms", "-i", common.interval)
TOS: Final = Option("tos", "-c", "{}t".format)  # without the t it would be a DSCP
STREAMS: Final = Option("parallel", "-N")
KNOWN: Final = tuple(
    option.field for option in (LENGTH, UDP, RATE, WINDOW, MSS, INTERVAL, TOS, STREAMS)
)

RANGES: Final = (
    Range("parallel", "-P", 1, 128),
    Range("bandwidth", "-b", 1000, 1 << 63),  # less is -R 0: without limit
    Range("window", "-w", 1024, 1 << 32),
    common.TOS_RANGE,
)


@implementer(ITester)
@dataclass(frozen=True)
class Nuttcp:
    """The tester nuttcp, a one-shot server with its control connection on port 5000.

    Two of its tests on one host collide, and the data ports must not include the control port.
    Nothing is bound to the addresses of the test: hosts with several use their default source.
    """

    name: str = "nuttcp"
    tool_id: ToolID = ToolID.NUTTCP
    default_port: int = 5202
    supports_flip: bool = True
    supports_no_endpoint: bool = True
    parsable_format: str = ""
    commands: Mapping[str, str] = field(
        default_factory=lambda: {"nuttcp_cmd": "nuttcp"}, hash=False
    )
    server_ends_itself: bool = True  # -1
    stop_signals: Sequence[str] = ("TERM",)
    signals_top_only: bool = False
    private_directory: str = ""

    def problems(self, spec: TestSpec) -> list[str]:
        """Why nuttcp cannot do a test."""
        ranges = [*RANGES] + [common.DATAGRAM_RANGE] * spec.udp
        return common.common_problems(self, spec) + common.range_problems("nuttcp", spec, ranges)

    def ignored(self, spec: TestSpec) -> list[str]:
        """Options that nuttcp does not know."""
        return common.ignored(spec, KNOWN)

    def probes(self, commands: Mapping[str, str]) -> list[list[str]]:
        """`nuttcp -V`."""
        return [[self._program(commands), "-V"]]

    def version(self, answers: Sequence[ProbeAnswer]) -> str | None:
        """The version, behind `nuttcp-`."""
        return common.word_behind(b"nuttcp-", answers[0], (0,))

    def ports(self, spec: TestSpec, role: Role) -> int:
        """One port per stream for the server."""
        return max(1, spec.parallel) if role is Role.SERVER else 0

    def overtime(self, spec: TestSpec) -> float:
        """With UDP it is done 2.3 s after the test; a time slot has 1.5 s for that."""
        return UDP_OVERTIME_S if spec.udp else 0.0

    def listens(self, spec: TestSpec, port: int) -> tuple[Listening, ...]:
        """The control port; the data ports only open once a client is there."""
        return (Listening("tcp", CONTROL_PORT),)

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
        """The client; the server prints nothing."""
        return Role.CLIENT

    def parse(self, output: bytes, spec: TestSpec, role: Role) -> Report:
        """What one end's output says."""
        return marked(nuttcp_output.read(output, spec, role), output)

    def _program(self, commands: Mapping[str, str]) -> str:
        return common.program(commands, self.commands, "nuttcp_cmd")


def _server(spec: TestSpec, port: int) -> list[str]:
    """Arguments of the server."""
    return [
        *_head(spec, port),
        *common.arguments(spec, (UDP, WINDOW, MSS, INTERVAL)),
        *("-T", str(spec.duration)),
        *_family(spec),
        *("--nofork", "-1"),
    ]


def _client(spec: TestSpec, port: int) -> list[str]:
    """Arguments of the client, which transmits or, flipped, receives."""
    return [
        *_head(spec, port),
        *common.arguments(spec, (UDP, RATE, WINDOW, MSS, INTERVAL)),
        *("-T", str(spec.duration)),
        *_family(spec),
        *common.arguments(spec, (TOS, STREAMS)),
        *("-r" if spec.server_sends else "-t", str(spec.server)),
    ]


def _head(spec: TestSpec, port: int) -> list[str]:
    """The first arguments of both."""
    length = common.arguments(spec, (LENGTH,))
    return ["-vv", *length, "-p", str(port), "-P", str(CONTROL_PORT)]


def _family(spec: TestSpec) -> list[str]:
    return ["-6"] if spec.server.version == 6 else []
