"""tracepath: the way and its path MTU, without any privilege. Source: testers.md 11."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from zope.interface import implementer

from bwctl.interfaces import ITester
from bwctl.testers import common, oneended, trace, tracepath_output
from bwctl.testers.common import Range
from bwctl.testers.oneended import OneEnded
from bwctl.testers.reading import marked
from bwctl.values import ProbeAnswer, Report, TestSpec, ToolID

KNOWN: Final = ("output_format", "packet_size", "first_ttl", "last_ttl")
USAGE_STATUS: Final = 255  # without arguments

_VERSION: Final = re.compile(rb"^tracepath\S* from ([ -~]{1,80})", re.MULTILINE)


@implementer(ITester)
@dataclass(frozen=True)
class Tracepath(OneEnded):
    """The tester tracepath. It binds no address: a host with several uses its default source."""

    name: str = "tracepath"
    tool_id: ToolID = ToolID.TRACEPATH
    commands: Mapping[str, str] = field(
        default_factory=lambda: {"tracepath_cmd": "tracepath", "tracepath6_cmd": ""}, hash=False
    )

    def problems(self, spec: TestSpec) -> list[str]:
        """Why tracepath cannot do a test."""
        problems = common.common_problems(self, spec) + self.problems_of_ends(spec)
        if spec.first_ttl or spec.last_ttl:
            problems.append("tracepath cannot be told its first or last hop (-F, -M)")
        problems += common.choice_problem(
            self.name, "format", "-y", spec.output_format, trace.NUMERIC
        )
        header = 28 if spec.server.version == 4 else 48
        size = Range("packet_size", "-l", header + 1, 65_535)
        return problems + common.range_problems(self.name, spec, [size])

    def ignored(self, spec: TestSpec) -> list[str]:
        """Options that tracepath does not know."""
        return common.ignored(spec, KNOWN)

    def probes(self, commands: Mapping[str, str]) -> list[list[str]]:
        """The version, then each family without arguments."""
        first = [argv[:-1] for argv in oneended.both_families(commands, self.name)]
        return [[first[0][0], "-V"], *first]

    def version(self, answers: Sequence[ProbeAnswer]) -> str | None:
        """The version; one family that is here is enough."""
        if not any(answer.exit_status == USAGE_STATUS for answer in answers[1:]):
            return None
        return common.found_version(_VERSION, answers[0])

    def sender_arguments(self, spec: TestSpec, commands: Mapping[str, str]) -> list[str]:
        """The argv of the sender; -b, as without addresses a hop without a name is nothing."""
        return [
            *oneended.program(spec, commands, self.name),
            "-n" if spec.output_format == trace.NUMERIC else "-b",
            *(["-l", str(spec.packet_size)] if spec.packet_size else []),
            str(oneended.target(spec)),
        ]

    def read(self, output: bytes, spec: TestSpec) -> Report:
        """What the sender's output says."""
        report = tracepath_output.read(trace.lines_of_trace(output))
        return marked(report, output, trace.MAX_LINES)
