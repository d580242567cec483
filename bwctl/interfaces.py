"""The public border: what a site or another package may plug in. See doc/integrating.md.

A plug-in is an object that provides `twisted.plugin.IPlugin` and one of these interfaces, and is
named in a module of a directory `twisted/plugins`. One that provides
`twisted.application.service.IService` too is started and stopped with the daemon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

from bwctl.results import TestEnded
from bwctl.values import (
    ErrorEstimate,
    IPAddress,
    Listening,
    NTPTime,
    ProbeAnswer,
    Report,
    Role,
    TestSpec,
    ToolID,
)

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class ITester(Interface):
    """A tester as data and pure functions; running it is the work of `bwctl.net`.

    What it says of a TestSpec is remembered until the daemon reads its limits again.
    """

    name: str = Attribute("lower-case name, as in -T and in configuration keys")
    tool_id: ToolID = Attribute("one bit")
    default_port: int = Attribute("port of the tester's server where no daemon chose one")
    supports_flip: bool = Attribute("data can flow from the tool's server to its client")
    supports_no_endpoint: bool = Attribute("the server end may be something without a daemon")
    parsable_format: str = Attribute("output format character of --parsable, '' for none")
    commands: Mapping[str, str] = Attribute("configuration key (iperf3_cmd) -> default program")
    server_ends_itself: bool = Attribute("the server role exits after one test without a signal")
    stop_signals: Sequence[str] = Attribute("signals for a gentle stop, sent 0.3 s apart")
    signals_top_only: bool = Attribute("they are for its first process, not for all its group")
    private_directory: str = Attribute(
        "word of its command line for the path of a directory made for it alone (mode 0700, its "
        "current one, removed at its end); '' for none"
    )

    def problems(spec: TestSpec) -> list[str]:
        """Why this tester cannot do a test: sentences, none if it can."""

    def ignored(spec: TestSpec) -> list[str]:
        """Names of options set in a TestSpec that this tester does not know."""

    def probes(commands: Mapping[str, str]) -> list[list[str]]:
        """Command lines that tell whether the tester is here; none: it always is.

        They are run one after another, until `version` knows.
        """

    def version(answers: Sequence[ProbeAnswer]) -> str | None:
        """Version text from the answers to the first probes, without a probe from none.

        None: not known yet, or, if these are all, the tester is not usable.
        """

    def ports(spec: TestSpec, role: Role) -> int:
        """How many consecutive ports an end needs from the pool of its daemon (0: none)."""

    def overtime(spec: TestSpec) -> float:
        """Seconds that this tester may need beyond the test's own, more than any other would."""

    def listens(spec: TestSpec, port: int) -> tuple[Listening, ...]:
        """Sockets that the server role holds when it is ready; () where nobody can tell."""

    def command_line(
        spec: TestSpec, role: Role, port: int, commands: Mapping[str, str], own_port: int = 0
    ) -> list[str] | None:
        """The argv for one test end; None if that end has nothing to run, whatever the ports are.

        `port` is that of the tester's server, `own_port` the first of those that `ports` asked for
        at this end. `commands` has the programs of the configuration where they differ from the
        defaults. Where one end has nothing to run the other does not wait for it.
        """

    def results_role(spec: TestSpec) -> Role:
        """Role of the end whose output holds the result."""

    def parse(output: bytes, spec: TestSpec, role: Role) -> Report:
        """What one end's output says; the output is hostile and of any length.

        A long one is read in a thread, while the reactor goes on.
        """


class IKeyStore(Interface):
    """Where the keys of identities are, in place of bwctl-server.keys."""

    name: str = Attribute("as in the option key_store")

    def key(identity: str) -> bytes | None | Deferred[bytes | None]:
        """The key of an identity, 16 octets; None if it has none. Soon or later, without blocking.

        The identity is what a stranger sent: 1 to 16 octets of UTF-8, the wrong ones escaped.
        The Deferred is cancelled when nobody waits for it any more.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFacts:
    """Who asks: one control connection, once it is known who is at the other end."""

    address: IPAddress
    user: str | None = None  # None: open mode
    certificate_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """A request for a time slot, or to move one that is held; the limits may still forbid it."""

    client: ClientFacts
    limit_class: str
    spec: TestSpec
    role: Role  # of this end in the tester
    earliest: NTPTime  # start asked for
    latest: NTPTime | None  # None: any
    moves: bool  # the client holds a time slot and wants another


class IPolicy(Interface):
    """A site's own rules beside those of bwctl-server.limits. They must not block."""

    name: str = Attribute("as in the option policy")

    def limit_class(client: ClientFacts) -> str | None:
        """Name of the class of bwctl-server.limits for a client; None: what that file says."""

    def denials(request: RequestFacts) -> Sequence[str]:
        """Why a request may not be, in sentences for the log; none: nothing against it."""


class IClock(Interface):
    """What a daemon or a client reads time from. All of it is called often and must not block."""

    name: str = Attribute("as in the option clock_source")

    def now() -> NTPTime:
        """Wall time."""

    def mono() -> float:
        """Seconds that only grow and never step. A daemon has its own in place of a plug-in's."""

    def error() -> ErrorEstimate:
        """How far `now` may be off."""

    def synchronised() -> bool:
        """Whether something disciplines the clock."""


class IResultSink(Interface):
    """Is told of every test in which this daemon had an end and a tester ran."""

    name: str = Attribute("as in the option result_sink")

    def test_ended(ended: TestEnded) -> object:
        """A test is over at both ends; what it returns is of no interest."""
