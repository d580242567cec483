"""pour: a tester of a package of its own, to be taken as a pattern.

Install it where the daemons and the client run, then: bwctl -T pour -c RECEIVER -s SENDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from twisted.plugin import IPlugin
from zope.interface import implementer

from bwctl.interfaces import ITester
from bwctl.values import Listening, ProbeAnswer, Report, Role, TestSpec, ToolID

PROGRAM = [sys.executable, "-I", str(Path(__file__).with_name("program.py"))]


@implementer(IPlugin, ITester)
class Pour:
    """TCP from client to server; the server tells how much came."""

    name = "pour"
    tool_id = ToolID(0x10000)  # one of the bits for throughput: doc/design/extensions.rst
    default_port = 5299
    supports_flip = False
    supports_no_endpoint = True
    parsable_format = ""
    commands: Mapping[str, str] = {}
    server_ends_itself = True
    stop_signals = ("TERM",)
    signals_top_only = False
    private_directory = ""

    def problems(self, spec: TestSpec) -> list[str]:
        """Everything that would go wrong is told before the test."""
        problems = ["pour cannot do UDP (-u)"] if spec.udp else []
        if spec.server_sends:
            problems.append("pour cannot send from its server to its client (-o)")
        if spec.duration < 1:
            problems.append("pour needs a duration (-t) of at least 1 s")
        return problems

    def ignored(self, spec: TestSpec) -> list[str]:
        options = ("parallel", "bandwidth", "window", "mss", "tos", "omit", "report_interval_ms")
        return [name for name in options if getattr(spec, name)]

    def probes(self, commands: Mapping[str, str]) -> list[list[str]]:
        return [[*PROGRAM, "--version"]]

    def version(self, answers: Sequence[ProbeAnswer]) -> str | None:
        (answer,) = answers
        return answer.output.decode().strip() if answer.exit_status == 0 else None

    def ports(self, spec: TestSpec, role: Role) -> int:
        return 1 if role is Role.SERVER else 0

    def overtime(self, spec: TestSpec) -> float:
        return 0.0

    def listens(self, spec: TestSpec, port: int) -> tuple[Listening, ...]:
        return (Listening("tcp", port),)

    def command_line(
        self,
        spec: TestSpec,
        role: Role,
        port: int,
        commands: Mapping[str, str],
        own_port: int = 0,
    ) -> list[str] | None:
        if role is Role.CLIENT:
            return [*PROGRAM, "client", str(spec.server), str(port), str(spec.duration)]
        if spec.no_server_endpoint:
            return None
        return [*PROGRAM, "server", str(spec.server), str(port)]

    def results_role(self, spec: TestSpec) -> Role:
        return Role.SERVER

    def parse(self, output: bytes, spec: TestSpec, role: Role) -> Report:
        """The output is as hostile as the host that wrote it: anything may stand there."""
        if role is Role.CLIENT:
            return Report(tool=self.name)
        for line in output[-4096:].splitlines():
            try:
                told = json.loads(line)
                octets, seconds = int(told["bytes"]), float(told["seconds"])
            except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                continue
            if octets > 0 and 0 < seconds < 1e6:
                summary = {"bytes": octets, "bits_per_second": octets * 8 / seconds}
                return Report(tool=self.name, summary=summary)
        return Report(tool=self.name, error="no total found in the output")
