"""ping: round trips and loss, seen from the sender. Source: testers.md 10."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from zope.interface import implementer

from bwctl.interfaces import ITester
from bwctl.testers import common, latency, oneended, ping_output
from bwctl.testers.common import Option, Range
from bwctl.testers.oneended import OneEnded
from bwctl.testers.reading import MAX_REPLIES, marked
from bwctl.values import ProbeAnswer, Report, TestSpec, ToolID

LAST_REPLY_S: Final = 1  # that ping waits for the reply to its last packet

OPTIONS: Final = (
    Option("packet_size", "-s"),
    Option("ttl", "-t"),
    Option("tos", "-Q"),
)
KNOWN: Final = (*latency.FIELDS, *(option.field for option in OPTIONS))
RANGES: Final = (*latency.RANGES, Range("ttl", "-t", 1, 255), common.TOS_RANGE)

_VERSION: Final = re.compile(rb"^ping\S* (?:from|version) ([ -~]{1,80})", re.MULTILINE)


@implementer(ITester)
@dataclass(frozen=True)
class Ping(OneEnded):
    """The tester ping; Linux's options."""

    name: str = "ping"
    tool_id: ToolID = ToolID.PING
    commands: Mapping[str, str] = field(
        default_factory=lambda: {"ping_cmd": "ping", "ping6_cmd": ""}, hash=False
    )
    stop_signals: Sequence[str] = ("INT", "TERM")  # at INT it prints its statistics

    def problems(self, spec: TestSpec) -> list[str]:
        """Why ping cannot do a test."""
        problems = common.common_problems(self, spec) + self.problems_of_ends(spec)
        header = 28 if spec.server.version == 4 else 8
        size = Range("packet_size", "-l", 1, 65535 - header)
        problems += common.range_problems(self.name, spec, (*RANGES, size))
        return problems + latency.time_problems(self.name, spec)

    def ignored(self, spec: TestSpec) -> list[str]:
        """Options that ping does not know."""
        return common.ignored(spec, KNOWN)

    def probes(self, commands: Mapping[str, str]) -> list[list[str]]:
        """The version, then one packet of each family, which takes the right to send it."""
        first = oneended.both_families(commands, self.name, "-c", "1")
        return [[first[0][0], "-V"], *first]

    def version(self, answers: Sequence[ProbeAnswer]) -> str | None:
        """The version; one family that works is enough."""
        if not oneended.succeeded(answers[1:]):
            return None
        return common.found_version(_VERSION, answers[0])

    def sender_arguments(self, spec: TestSpec, commands: Mapping[str, str]) -> list[str]:
        """The argv of the sender."""
        return [
            *oneended.program(spec, commands, self.name),
            *("-c", str(latency.packets(spec)), "-i", common.interval(latency.spacing_ms(spec))),
            *("-W", str(LAST_REPLY_S)),
            *common.arguments(spec, OPTIONS),
            *("-I", str(spec.address(spec.sender)), str(oneended.target(spec))),
        ]

    def read(self, output: bytes, spec: TestSpec) -> Report:
        """What the sender's output says."""
        return marked(ping_output.read(output, spec), output, MAX_REPLIES)
