"""The options of `bwctl-simulate`, in groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bwctl.broker.obstacles import Guard
from bwctl.cli import units
from bwctl.cli.common import tools_of
from bwctl.cli.optiontable import Group, Opt
from bwctl.mesh import readers
from bwctl.mesh.reader import MAX_HOSTS, MAX_SECONDS, YEAR
from bwctl.simulate.parameters import LONGEST, MINUTES, read_guard
from bwctl.values import Kind, ToolID

SHAPES: Final = ("mesh", "star")
GUARDS: Final = tuple(guard.value for guard in Guard)


def _choice(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return read


def _one_tool(text: str) -> ToolID:
    tools = tools_of(Kind.THROUGHPUT)(text)
    if len(tools) > 1:
        raise ValueError("must be one tester")
    return tools[0]


MESH = Group(
    "Mesh",
    (
        Opt(
            long="mesh",
            field="mesh",
            metavar="FILE",
            apart="mesh",
            help="the mesh that FILE describes; - is standard input",
        ),
        Opt(
            long="hosts",
            field="host_count",
            metavar="N",
            read=units.whole("hosts", 2, MAX_HOSTS),
            apart="mesh",
            help="a mesh of N hosts with one test, which the options below describe",
        ),
        Opt(
            long="pairs",
            field="pairs",
            metavar="SHAPE",
            read=_choice(*SHAPES),
            help="mesh (default), every host to every other, or star, the first and the others",
        ),
        Opt(
            short="T",
            long="tool",
            field="tool",
            metavar="NAME",
            read=_one_tool,
            help="tester (default: iperf3)",
        ),
        Opt(
            short="t",
            long="test_duration",
            field="test_duration",
            metavar="TIME",
            read=readers.whole_span(1, MAX_SECONDS),
            help="how long the data of one test flow (default: 30s)",
        ),
        Opt(
            short="I",
            long="test_interval",
            field="test_interval",
            metavar="TIME",
            read=readers.whole_span(1, YEAR),
            help="time between the tests of one pair (default: 6h)",
        ),
        Opt(
            short="R",
            long="randomize",
            field="randomize",
            metavar="PERCENT",
            read=units.whole("percentage", 0, 50),
            help="let planned starts vary by so much of the interval, either way (default: 0)",
        ),
        Opt(
            short="L",
            long="latest_time",
            field="latest",
            metavar="TIME",
            read=readers.whole_span(1, YEAR),
            help="longest wait for a time slot (default: as bwctl, at most half of the interval)",
        ),
    ),
)

TIME = Group(
    "Simulation",
    (
        Opt(
            long="duration",
            field="duration",
            metavar="TIME",
            read=readers.time_span(60, LONGEST),
            help="how long tests are planned (default: 7d)",
        ),
        Opt(
            long="seed",
            field="seed",
            metavar="N",
            read=units.whole("seed", 0, 1 << 63),
            help="what chance does; the same seed gives the same report (default: 1)",
        ),
        Opt(
            long="failure_rate",
            field="failure_rate",
            metavar="SHARE",
            read=units.decimal("share", 0, 1),
            help="share of tests, 0 to 1, that a fault befalls (default: 0)",
            more="A daemon does not answer, the client is lost at any moment, a StartSession is "
            "late, or a tester hangs until it is killed. What fails so does not count against "
            "the mesh.",
        ),
        Opt(
            long="late_after",
            field="late_after",
            metavar="TIME",
            read=readers.time_span(0, LONGEST),
            help="wait after which a test counts as late (default: interval / 10, at least 1m)",
        ),
    ),
)

HOSTS = Group(
    "Hosts",
    (
        Opt(
            long="rtt",
            field="rtt",
            metavar="TIME",
            read=readers.time_span(0, 60),
            help="round trip between the client and each daemon (default: 20ms)",
        ),
        Opt(
            long="clock_offset",
            field="clock_offset",
            metavar="TIME",
            read=readers.time_span(0, MINUTES),
            help="clocks are wrong by at most so much, either way (default: 0)",
        ),
        Opt(
            long="clock_error",
            field="clock_error",
            metavar="TIME",
            read=readers.time_span(0, MINUTES),
            help="the error bound that daemons know of their clocks (default: 10ms)",
        ),
    ),
)

DAEMONS = Group(
    "Daemons",
    (
        Opt(
            long="limits",
            field="limits",
            metavar="FILE",
            help="the limits of all daemons, as bwctl-server.limits (default: none)",
        ),
        Opt(
            long="user",
            field="user",
            metavar="NAME",
            read=readers.text,
            help="the client comes with this user's key (default: in open mode)",
        ),
        Opt(
            long="client",
            field="client",
            metavar="ADDRESS",
            read=readers.address,
            help="the client's address, for limits by network (default: 192.0.2.1)",
        ),
        *(
            Opt(
                long=name,
                field=name,
                metavar="TIME",
                read=readers.time_span(0, 3600),
                help=f"{what} (default: {default})",
            )
            for name, what, default in (
                ("sync_fuzz", "added to every clock's error bound", "0"),
                ("setup_margin", "added to a start that was asked for too early", "250ms"),
                ("overrun", "padding for testers that run long", "1.5s"),
            )
        ),
        Opt(
            long="guard",
            field="guard",
            metavar="RULE",
            read=read_guard,
            help="time between two tests: max or sum of their paddings (default: max)",
        ),
        Opt(
            long="max_connections_per_host",
            field="max_connections_per_host",
            metavar="N",
            read=units.whole("connections", 1, 1_000_000),
            help="control connections that a daemon takes from one client (default: 32)",
        ),
    ),
)

OUTPUT = Group(
    "Output",
    (
        Opt(long="json", field="json", help="print one JSON object and nothing else on stdout"),
        Opt(long="all_hosts", field="all_hosts", help="show every host, not just the busiest"),
        Opt(short="V", long="version", field="", help="print the version and exit"),
        Opt(short="h", long="help", field="", help="print this help and exit"),
    ),
)

GROUPS: Final = (MESH, TIME, HOSTS, DAEMONS, OUTPUT)
