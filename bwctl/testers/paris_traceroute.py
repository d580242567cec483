"""paris-traceroute: a trace that load balancers do not confuse. Source: testers.md 11."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from zope.interface import implementer

from bwctl.interfaces import ITester
from bwctl.testers import common, oneended, trace, traceroute_output
from bwctl.testers.common import Option
from bwctl.testers.oneended import OneEnded
from bwctl.testers.reading import marked
from bwctl.values import ProbeAnswer, Report, TestSpec, ToolID

COMMAND: Final = "paris_traceroute_cmd"
OPTIONS: Final = (Option("first_ttl", "-f"), Option("last_ttl", "-m"))
KNOWN: Final = ("output_format", *(option.field for option in OPTIONS))
RANGES: Final = (trace.FIRST_RANGE, trace.LAST_RANGE)

_VERSION: Final = re.compile(rb"version ([0-9][0-9A-Za-z.]{0,30})")


@implementer(ITester)
@dataclass(frozen=True)
class ParisTraceroute(OneEnded):
    """The tester paris-traceroute. It binds no address, as tracepath."""

    name: str = "paris-traceroute"
    tool_id: ToolID = ToolID.PARIS_TRACEROUTE
    commands: Mapping[str, str] = field(
        default_factory=lambda: {COMMAND: "paris-traceroute"}, hash=False
    )

    def problems(self, spec: TestSpec) -> list[str]:
        """Why paris-traceroute cannot do a test."""
        problems = common.common_problems(self, spec) + self.problems_of_ends(spec)
        problems += common.choice_problem(
            self.name, "format", "-y", spec.output_format, trace.NUMERIC
        )
        problems += common.range_problems(self.name, spec, RANGES)
        return problems + trace.order_problem(self.name, spec)

    def ignored(self, spec: TestSpec) -> list[str]:
        """Options that paris-traceroute does not know."""
        return common.ignored(spec, KNOWN)

    def probes(self, commands: Mapping[str, str]) -> list[list[str]]:
        """The version, then a trace to this host, which takes the right to raw sockets."""
        program = self._program(commands)
        return [[program, "--version"], [program, "-n", "127.0.0.1"]]

    def version(self, answers: Sequence[ProbeAnswer]) -> str | None:
        """The version."""
        if not oneended.succeeded(answers[1:]):
            return None
        return common.found_version(_VERSION, answers[0])

    def sender_arguments(self, spec: TestSpec, commands: Mapping[str, str]) -> list[str]:
        """The argv of the sender; the address tells the family."""
        return [
            self._program(commands),
            *common.arguments(spec, OPTIONS),
            *(["-n"] if spec.output_format == trace.NUMERIC else []),
            str(oneended.target(spec)),
        ]

    def read(self, output: bytes, spec: TestSpec) -> Report:
        """What the sender's output says."""
        report = traceroute_output.read(self.name, trace.lines_of_trace(output), spec)
        return marked(report, output, trace.MAX_LINES)

    def _program(self, commands: Mapping[str, str]) -> str:
        return common.program(commands, self.commands, COMMAND)
