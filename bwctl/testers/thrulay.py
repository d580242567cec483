"""thrulay: the embedded tester, which needs no program of the system. Source: thrulay.md 8."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zope.interface import implementer

import bwctl
from bwctl.embedded import datagrams
from bwctl.interfaces import ITester
from bwctl.testers import common, thrulay_output
from bwctl.testers.common import Option
from bwctl.testers.reading import marked
from bwctl.values import Listening, ProbeAnswer, Report, Role, TestSpec, ToolID

RUN: Final = Path(bwctl.__file__).with_name("embedded") / "run.py"

DEADLINE_S: Final = 60  # in which a server awaits its client: it starts some seconds earlier
MOST: Final = 10_000  # intervals in one result, which the daemons have to keep and to read
UDP_OVERTIME_S: Final = 1.5  # one second of waiting for the last packets, and the report

INTERVAL: Final = Option("report_interval_ms", "--interval", common.interval)
OMIT: Final = Option("omit", "--omit")
WINDOW: Final = Option("window", "--window")
TOS: Final = Option("tos", "--tos")
SERVER: Final = (INTERVAL, OMIT, WINDOW)
CLIENT: Final = (*SERVER, Option("buffer_length", "--block"), TOS, Option("mss", "--mss"))
UDP_SERVER: Final = (INTERVAL, WINDOW)
UDP_CLIENT: Final = (*UDP_SERVER, Option("buffer_length", "--packet"), TOS)
KNOWN: Final = ("udp", "bandwidth", "parallel", *(option.field for option in CLIENT))
UDP_KNOWN: Final = ("udp", "bandwidth", "parallel", "omit", *(one.field for one in UDP_CLIENT))

RANGES: Final = (  # those of bwctl/embedded/options.py
    common.Range("duration", "-t", 1, 1_000_000),
    common.Range("report_interval_ms", "-i", 10, 1_000_000_000),
    common.Range("window", "-w", 1, (1 << 31) - 1),
    common.TOS_RANGE,
)
TCP_RANGES: Final = (
    common.Range("parallel", "-P", 1, 255),
    common.Range("buffer_length", "-l", 16, 1 << 20),  # the protocol's
    common.Range("mss", "-m", 1, 65_535),
)


@implementer(ITester)
@dataclass(frozen=True)
class Thrulay:
    """The tester thrulay, from client to server.

    With TCP the client measures; with UDP the server does, and tells the client at the end.
    """

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
            problems += _udp_problems(spec)
        else:
            problems += common.range_problems("thrulay", spec, TCP_RANGES)
        if spec.bandwidth and not spec.udp:
            problems.append("thrulay cannot pace TCP (-b without -u)")
        if spec.report_interval_ms and spec.duration * 1000 // spec.report_interval_ms > MOST:
            problems.append(f"thrulay gives at most {MOST} intervals (-i)")
        return problems + common.range_problems("thrulay", spec, RANGES)

    def ignored(self, spec: TestSpec) -> list[str]:
        """Options that thrulay does not know."""
        return common.ignored(spec, UDP_KNOWN if spec.udp else KNOWN)

    def probes(self, commands: Mapping[str, str]) -> list[list[str]]:
        """Nothing to ask: it is a part of this package."""
        return []

    def version(self, answers: Sequence[ProbeAnswer]) -> str | None:
        """The version of this package."""
        return bwctl.__version__

    def ports(self, spec: TestSpec, role: Role) -> int:
        """One port for all streams of the server; with UDP the same number of both protocols."""
        return int(role is Role.SERVER)

    def overtime(self, spec: TestSpec) -> float:
        """With UDP it is done some 1.2 s after the test."""
        return UDP_OVERTIME_S if spec.udp else 0.0

    def listens(self, spec: TestSpec, port: int) -> tuple[Listening, ...]:
        """The test port; with UDP also that for the packets."""
        packets = (Listening("udp", port),) if spec.udp else ()
        return (Listening("tcp", port), *packets)

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
        """The client, which gets an answer to each block, or the server's report."""
        return Role.CLIENT

    def parse(self, output: bytes, spec: TestSpec, role: Role) -> Report:
        """What one end's output says."""
        return marked(thrulay_output.read(output, spec, role), output)


def _udp_problems(spec: TestSpec) -> list[str]:
    """What is special with UDP."""
    problems = []
    if spec.parallel > 1:
        problems.append("thrulay has one stream with UDP (-P)")
    if spec.omit:
        problems.append("thrulay cannot omit the start of a UDP test (-O)")
    least = datagrams.headers(spec.server.version == 6) + datagrams.DATAGRAM.size
    sizes = common.Range("buffer_length", "-l", least, datagrams.MAX_PACKET)
    problems += common.range_problems("thrulay", spec, [sizes])
    try:
        datagrams.proposal(1, _packet_size(spec), _rate(spec), spec.duration)
    except ValueError as error:
        problems.append(f"thrulay: {error} (-b)")
    return problems


def _packet_size(spec: TestSpec) -> int:
    return spec.buffer_length or datagrams.DEFAULT_PACKET


def _rate(spec: TestSpec) -> int:
    return spec.bandwidth or datagrams.DEFAULT_RATE


def _server(spec: TestSpec, port: int) -> list[str]:
    """Arguments of the server."""
    return [
        *("--bind", str(spec.server), "--port", str(port)),
        *("--protocol", "udp" if spec.udp else "tcp"),
        *_size(spec),
        *("--peer", str(spec.client), "--deadline", str(DEADLINE_S)),
        *common.arguments(spec, UDP_SERVER if spec.udp else SERVER),
    ]


def _client(spec: TestSpec, port: int) -> list[str]:
    """Arguments of the client."""
    return [
        *("--connect", str(spec.server), "--bind", str(spec.client), "--port", str(port)),
        *_size(spec),
        *common.arguments(spec, UDP_CLIENT if spec.udp else CLIENT),
    ]


def _size(spec: TestSpec) -> list[str]:
    udp = ["--rate", str(_rate(spec))] if spec.udp else []
    words = ["--streams", str(max(1, spec.parallel)), "--duration", str(spec.duration), *udp]
    if not spec.report_interval_ms and spec.duration > MOST:
        words += ["--interval", str(-(-spec.duration // MOST))]  # its default would be 1 s
    return words


if __name__ == "__main__":
    from bwctl.embedded import byhand

    sys.exit(byhand.main())
