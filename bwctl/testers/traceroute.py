"""traceroute: the way from the sender to the receiver. Source: testers.md 11."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from zope.interface import implementer

from bwctl.interfaces import ITester
from bwctl.testers import common, oneended, trace, traceroute_output
from bwctl.testers.common import Option, Range
from bwctl.testers.oneended import OneEnded
from bwctl.testers.reading import marked
from bwctl.values import ProbeAnswer, Report, TestSpec, ToolID

OPTIONS: Final = (Option("first_ttl", "-f"), Option("last_ttl", "-m"), Option("tos", "-t"))
KNOWN: Final = ("output_format", "packet_size", *(one.field for one in OPTIONS))
RANGES: Final = (
    trace.FIRST_RANGE,
    trace.LAST_RANGE,
    Range("packet_size", "-l", 1, 65_000),  # [run] with 2.1.2
    common.TOS_RANGE,
)

_VERSION: Final = re.compile(rb"\b[Vv]ersion ([0-9][0-9A-Za-z.]{0,30})")


@implementer(ITester)
@dataclass(frozen=True)
class Traceroute(OneEnded):
    """The tester traceroute; the options of Linux's modern one."""

    name: str = "traceroute"
    tool_id: ToolID = ToolID.TRACEROUTE
    commands: Mapping[str, str] = field(
        default_factory=lambda: {"traceroute_cmd": "traceroute", "traceroute6_cmd": ""},
        hash=False,
    )

    def problems(self, spec: TestSpec) -> list[str]:
        """Why traceroute cannot do a test."""
        problems = common.common_problems(self, spec) + self.problems_of_ends(spec)
        problems += common.choice_problem(
            self.name, "format", "-y", spec.output_format, trace.NUMERIC
        )
        problems += common.range_problems(self.name, spec, RANGES)
        return problems + trace.order_problem(self.name, spec)

    def ignored(self, spec: TestSpec) -> list[str]:
        """Options that traceroute does not know."""
        return common.ignored(spec, KNOWN)

    def probes(self, commands: Mapping[str, str]) -> list[list[str]]:
        """The version, then a trace of each family to this host."""
        first = oneended.both_families(commands, self.name, "-n")
        return [[first[0][0], "--version"], *first]

    def version(self, answers: Sequence[ProbeAnswer]) -> str | None:
        """The version; one family that works is enough."""
        if not oneended.succeeded(answers[1:]):
            return None
        return common.found_version(_VERSION, answers[0])

    def sender_arguments(self, spec: TestSpec, commands: Mapping[str, str]) -> list[str]:
        """The argv of the sender."""
        return [
            *oneended.program(spec, commands, self.name),
            *common.arguments(spec, OPTIONS),
            *(["-n"] if spec.output_format == trace.NUMERIC else []),
            *("-s", str(spec.address(spec.sender)), str(oneended.target(spec))),
            *([str(spec.packet_size)] if spec.packet_size else []),
        ]

    def read(self, output: bytes, spec: TestSpec) -> Report:
        """What the sender's output says."""
        report = traceroute_output.read(self.name, trace.lines_of_trace(output), spec)
        return marked(report, output, trace.MAX_LINES)
