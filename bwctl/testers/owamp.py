"""owamp: delay in one direction, between clocks that agree. Source: testers.md 12; RFC 4656."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from zope.interface import implementer

from bwctl.interfaces import ITester
from bwctl.testers import common, latency, owamp_output
from bwctl.testers.common import Option, Range
from bwctl.testers.reading import MAX_REPLIES, marked
from bwctl.values import Listening, ProbeAnswer, Report, Role, TestSpec, ToolID

MACHINE: Final = "M"  # for programs
RAW: Final = "R"  # a line for each packet
FORMATS: Final = {"": (), MACHINE: ("-M", "-U"), RAW: ("-R",)}
PORTS: Final = 3  # of each end: control, and two for packets

OPTIONS: Final = (
    Option("packet_size", "-s"),  # octets of padding
    Option("tos", "-D", lambda tos: str(tos >> 2)),
)
KNOWN: Final = ("output_format", *latency.FIELDS, *(option.field for option in OPTIONS))
RANGES: Final = (
    *latency.RANGES,
    Range("packet_size", "-l", 1, 65_000),
    Range("tos", "-S", 0, 252),
)

_VERSION: Final = re.compile(rb"^Version: ([0-9][0-9A-Za-z.-]{0,30})", re.MULTILINE)


@implementer(ITester)
@dataclass(frozen=True)
class Owamp:
    """The tester owamp: owampd for one test, and owping.

    owampd keeps the packets of a session in files, so it has a directory of its own. There it also
    finds no configuration: anybody may test with it while it runs. It gets -f, without which it
    does not run as root: whoever runs our daemon as root wants that.
    """

    name: str = "owamp"
    tool_id: ToolID = ToolID.OWAMP
    default_port: int = 861
    supports_flip: bool = True
    supports_no_endpoint: bool = True
    parsable_format: str = ""
    commands: Mapping[str, str] = field(
        default_factory=lambda: {"owamp_cmd": "owping", "owamp_server_cmd": "owampd"}, hash=False
    )
    server_ends_itself: bool = False
    stop_signals: Sequence[str] = ("TERM",)
    signals_top_only: bool = True  # owping then stops its other processes, and fetches the results
    private_directory: str = "DIRECTORY"

    def problems(self, spec: TestSpec) -> list[str]:
        """Why owamp cannot do a test."""
        problems = common.common_problems(self, spec)
        formats = "".join(FORMATS)
        problems += common.choice_problem(self.name, "format", "-y", spec.output_format, formats)
        if spec.ttl:
            problems.append("owamp cannot set the TTL (-t)")
        if spec.tos % 4:
            problems.append("owamp sets the DSCP alone: the TOS (-S) has to be a multiple of 4")
        problems += common.range_problems(self.name, spec, RANGES)
        return problems + latency.time_problems(self.name, spec)

    def ignored(self, spec: TestSpec) -> list[str]:
        """Options that owamp does not know; the TTL is no such: it is refused."""
        return common.ignored(spec, (*KNOWN, "ttl"))

    def probes(self, commands: Mapping[str, str]) -> list[list[str]]:
        """The help of both programs."""
        return [[self._program(commands, key), "-h"] for key in self.commands]

    def version(self, answers: Sequence[ProbeAnswer]) -> str | None:
        """The version of owping; both programs have to be here."""
        if len(answers) < 2 or any(answer.exit_status != 0 for answer in answers):
            return None
        return common.found_version(_VERSION, answers[0])

    def ports(self, spec: TestSpec, role: Role) -> int:
        """Three of its own for each end."""
        return PORTS

    def overtime(self, spec: TestSpec) -> float:
        """The gaps between the packets are random; then owping waits for late ones, and asks."""
        gap = latency.spacing_ms(spec) / 1000
        return 5.0 + 3.0 * gap * math.sqrt(latency.packets(spec))

    def listens(self, spec: TestSpec, port: int) -> tuple[Listening, ...]:
        """The control port."""
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
            return [self._program(commands, "owamp_cmd"), *_client(spec, port, own_port)]
        if spec.no_server_endpoint:
            return None
        server = ["-Z", "-f", "-R", self.private_directory, "-d", self.private_directory]
        return [
            self._program(commands, "owamp_server_cmd"),
            *server,
            *("-S", _address(spec, port), "-P", _range(port)),
        ]

    def results_role(self, spec: TestSpec) -> Role:
        """The client, which fetches what the server has seen."""
        return Role.CLIENT

    def parse(self, output: bytes, spec: TestSpec, role: Role) -> Report:
        """What one end's output says; the server only logs."""
        if role is Role.SERVER:
            return Report(tool=self.name)
        return marked(owamp_output.read(output, spec), output, MAX_REPLIES)

    def _program(self, commands: Mapping[str, str], key: str) -> str:
        return common.program(commands, self.commands, key)


def _client(spec: TestSpec, port: int, own_port: int) -> list[str]:
    """Arguments of owping; its packets use the ports behind the first of its own."""
    return [
        "-f" if spec.server_sends else "-t",
        *FORMATS.get(spec.output_format, ()),
        *("-c", str(latency.packets(spec)), "-i", common.interval(latency.spacing_ms(spec))),
        *common.arguments(spec, OPTIONS),
        *("-S", str(spec.client)),
        *(["-P", _range(own_port)] if own_port else []),
        _address(spec, port),
    ]


def _range(first: int) -> str:
    """The two ports behind a control port."""
    return f"{first + 1}-{first + 2}"


def _address(spec: TestSpec, port: int) -> str:
    return f"[{spec.server}]:{port}"
