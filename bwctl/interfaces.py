"""The public border: what a site or another package may plug in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zope.interface import Attribute, Interface

from bwctl.values import Listening, Report, Role, TestSpec, ToolID


class ITester(Interface):
    """A tester as data and pure functions; running it is the work of `bwctl.net`."""

    name: str = Attribute("lower-case name, as in -T and in configuration keys")
    tool_id: ToolID = Attribute("one bit")
    default_port: int = Attribute("port of the tester's server where no daemon chose one")
    supports_flip: bool = Attribute("data can flow from the tool's server to its client")
    supports_no_endpoint: bool = Attribute("the server end may be something without a daemon")
    parsable_format: str = Attribute("output format character of --parsable, '' for none")
    commands: Mapping[str, str] = Attribute("configuration key (iperf3_cmd) -> default program")
    server_ends_itself: bool = Attribute("the server role exits after one test without a signal")
    stop_signals: Sequence[str] = Attribute("signals for a gentle stop, sent 0.3 s apart")

    def problems(spec: TestSpec) -> list[str]:
        """Why this tester cannot do a test: sentences, none if it can."""

    def ignored(spec: TestSpec) -> list[str]:
        """Names of options set in a TestSpec that this tester does not know."""

    def probes(commands: Mapping[str, str]) -> list[list[str]]:
        """Command lines that tell whether the tester is here; none: it always is."""

    def version(exit_status: int, output: bytes) -> str | None:
        """Version text from a probe's exit status and output, None if not usable."""

    def ports(spec: TestSpec) -> int:
        """How many consecutive ports the server role needs from the pool (0: none)."""

    def overtime(spec: TestSpec) -> float:
        """Seconds that this tester may need beyond the test's own, more than any other would."""

    def listens(spec: TestSpec, port: int) -> tuple[Listening, ...]:
        """Sockets that the server role holds when it is ready; () where nobody can tell."""

    def command_line(
        spec: TestSpec, role: Role, port: int, commands: Mapping[str, str]
    ) -> list[str] | None:
        """The argv for one test end; None if that end has nothing to run.

        `commands` has the programs of the configuration where they differ from the defaults.
        """

    def results_role(spec: TestSpec) -> Role:
        """Role of the end whose output holds the result."""

    def parse(output: bytes, spec: TestSpec, role: Role) -> Report:
        """What one end's output says; the output is hostile and of any length."""
