"""What ping and the traces share: the sending end runs them, the other end runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bwctl.values import IPAddress, Listening, ProbeAnswer, Report, Role, TestSpec


@dataclass(frozen=True)
class OneEnded:
    """The parts of an ITester that do not differ between them."""

    name: str = ""
    default_port: int = 0
    supports_flip: bool = True
    supports_no_endpoint: bool = True
    parsable_format: str = ""
    server_ends_itself: bool = True
    stop_signals: Sequence[str] = ("TERM",)
    signals_top_only: bool = False
    private_directory: str = ""

    def ports(self, spec: TestSpec, role: Role) -> int:
        """None."""
        return 0

    def overtime(self, spec: TestSpec) -> float:
        """None: the duration is the longest that it may run."""
        return 0.0

    def listens(self, spec: TestSpec, port: int) -> tuple[Listening, ...]:
        """Nobody listens."""
        return ()

    def results_role(self, spec: TestSpec) -> Role:
        """The sender."""
        return spec.sender

    def command_line(
        self,
        spec: TestSpec,
        role: Role,
        port: int,
        commands: Mapping[str, str],
        own_port: int = 0,
    ) -> list[str] | None:
        """The argv of the sender; None for the other end."""
        if role is not spec.sender or self._nobody_sends(spec):
            return None
        return self.sender_arguments(spec, commands)

    def sender_arguments(self, spec: TestSpec, commands: Mapping[str, str]) -> list[str]:
        """The argv of the sender."""
        raise NotImplementedError

    def parse(self, output: bytes, spec: TestSpec, role: Role) -> Report:
        """What one end's output says; the end that ran nothing has nothing to say."""
        if role is not spec.sender:
            return Report(tool=self.name)
        return self.read(output, spec)

    def read(self, output: bytes, spec: TestSpec) -> Report:
        """What the sender's output says."""
        raise NotImplementedError

    def problems_of_ends(self, spec: TestSpec) -> list[str]:
        """With flip the sender is the server, which then cannot be without a daemon."""
        if self._nobody_sends(spec):
            return [f"{self.name} needs a daemon at the sending end (-E with -o)"]
        return []

    def _nobody_sends(self, spec: TestSpec) -> bool:
        return spec.no_server_endpoint and spec.server_sends


def target(spec: TestSpec) -> IPAddress:
    """The address that the sender asks: the receiver's."""
    return spec.address(spec.sender.other)


def program(spec: TestSpec, commands: Mapping[str, str], name: str) -> list[str]:
    """The program for the family of a test: `ping`, or for IPv6 ping6_cmd, or else `ping -6`."""
    usual = commands.get(f"{name}_cmd") or name
    if spec.server.version == 4:
        return [usual]
    other = commands.get(f"{name}6_cmd")
    return [other] if other else [usual, "-6"]


def both_families(commands: Mapping[str, str], name: str, *arguments: str) -> list[list[str]]:
    """The same for a probe of both families, the address of the loopback last."""
    usual, other = commands.get(f"{name}_cmd") or name, commands.get(f"{name}6_cmd")
    six = [other] if other else [usual, "-6"]
    return [[usual, *arguments, "127.0.0.1"], [*six, *arguments, "::1"]]


def succeeded(answers: Sequence[ProbeAnswer]) -> bool:
    """Whether one of some probes ended with status 0."""
    return any(answer.exit_status == 0 for answer in answers)
