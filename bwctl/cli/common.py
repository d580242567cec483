"""The options that all clients share. Source: clients.md 2.1."""

from __future__ import annotations

from collections.abc import Callable

from bwctl.cli import plugged, units
from bwctl.cli.auth import FORM, read_modes
from bwctl.cli.hosts import parse_host, parse_port
from bwctl.cli.optiontable import Group, Opt
from bwctl.values import LATENCY_TOOLS, THROUGHPUT_TOOLS, TRACE_TOOLS, Kind, ToolID

FACILITIES = (
    *("auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog"),
    *("user", "uucp", *(f"local{number}" for number in range(8))),
)
UNITS = "bBkKmMgGaA"  # wire.md 2.6a
PATH_LIMIT = 4096 - 64  # octets; room for the names of result files


def facility(text: str) -> str:
    """A syslog facility by name."""
    if text.lower() not in FACILITIES:
        raise ValueError(f"facility must be one of {', '.join(FACILITIES)}")
    return text.lower()


def directory(text: str) -> str:
    """A directory name that leaves room for file names."""
    if not 0 < len(text.encode(errors="surrogateescape")) <= PATH_LIMIT:
        raise ValueError(f"directory name must have 1 to {PATH_LIMIT} octets")
    return text


def picture(text: str) -> str:
    """The name of a file for a chart."""
    if not text.lower().endswith((".png", ".svg")) or len(text) < 5:
        raise ValueError("the name must end in .png or .svg")
    return directory(text)


def local_address(text: str) -> str:
    """A name, address or interface without a port."""
    if not text or text.startswith("-") or any(c.isspace() for c in text):
        raise ValueError("not a host name, address or interface")
    return text


TOOLS_OF = {
    Kind.THROUGHPUT: ("bwctl", THROUGHPUT_TOOLS),
    Kind.LATENCY: ("bwping", LATENCY_TOOLS),
    Kind.TRACE: ("bwtraceroute", TRACE_TOOLS),
}
TOOL_NAMES = {tool.name.lower().replace("_", "-"): tool for tool in ToolID if tool.name and tool}


def tools_of(kind: Kind) -> Callable[[str], tuple[ToolID, ...]]:
    """A reader of tester names, in order and without repetition, of one kind of test."""
    own = ", ".join(name for name, tool in TOOL_NAMES.items() if tool & TOOLS_OF[kind][1])

    def tool(name: str) -> ToolID:
        found = TOOL_NAMES.get(name.lower()) or plugged.tool_by_name(name)
        for program, tools in TOOLS_OF.values():
            if found & tools and tools is not TOOLS_OF[kind][1]:
                raise ValueError(f"{name} is a tester of {program}")
        if not found:
            raise ValueError(f"tester {name!r} is not one of {own}")
        return found

    return lambda text: tuple(dict.fromkeys(tool(name.strip()) for name in text.split(",")))


def ends(kind: Kind) -> Group:
    """The options that say where to test and with what."""
    return Group(
        "Test ends",
        (
            Opt(
                short="c",
                long="receiver",
                field="receiver",
                metavar="HOST",
                read=parse_host,
                once=True,
                help="daemon of the end that receives the data (default: this host)",
                more=f"Authentication words may follow: {FORM}. See HOSTS and AUTHENTICATION.",
            ),
            Opt(
                short="s",
                long="sender",
                field="sender",
                metavar="HOST",
                read=parse_host,
                once=True,
                help="daemon of the end that sends the data (default: this host)",
                more=f"Authentication words may follow: {FORM}.",
            ),
            Opt(
                short="A",
                long="authmethod",
                field="modes",
                metavar="MODE",
                read=read_modes,
                once=True,
                help="authentication for hosts without words of their own (default: O)",
                more=f"The words after the option have the form {FORM}.",
            ),
            Opt(
                short="4",
                long="ipv4",
                field="ip_version",
                const=4,
                apart="family",
                help="use IPv4 only",
            ),
            Opt(
                short="6",
                long="ipv6",
                field="ip_version",
                const=6,
                apart="family",
                help="use IPv6 only",
            ),
            Opt(
                short="B",
                long="local_address",
                field="local_address",
                metavar="ADDRESS",
                read=local_address,
                help="local address from which the daemons are contacted",
                more="The addresses of the test itself do not change.",
            ),
            Opt(
                short="T",
                long="tool",
                field="tools",
                metavar="NAMES",
                read=tools_of(kind),
                help="testers to use, a list with commas: the first that both ends have",
            ),
            Opt(
                long="tls",
                field="tls",
                help="reach all named daemons over TLS, as bwctls://HOST does for one",
                more="The name of the daemon and the issuer of its certificate are checked.",
            ),
            Opt(
                long="ca",
                field="ca_file",
                metavar="FILE",
                help="issuers to trust, PEM (default: those of the system)",
            ),
            Opt(
                long="cert",
                field="cert_file",
                metavar="FILE",
                help="certificate of ours for daemons that want one, PEM",
            ),
            Opt(
                long="key",
                field="key_file",
                metavar="FILE",
                help="its key, PEM (default: in the file of --cert)",
            ),
            Opt(
                short="o",
                long="flip",
                field="flip",
                help="the receiver connects to the sender, for a receiver behind a firewall",
                more="The direction of the data stays as it is.",
            ),
            Opt(
                short="E",
                long="no_endpoint",
                field="no_endpoint",
                help="the receiver's end (with -o: the sender's) may lack a daemon",
                more="If its daemon does not answer, the other end tests against what the user "
                "has started there, such as a server of iperf3, or pings the bare host. Its "
                "daemon has to allow that (allow_no_endpoint).",
            ),
            Opt(
                long="tester_port",
                field="tester_port",
                metavar="PORT",
                read=parse_port,
                help="with -E: port of the tester where there is no daemon (default: its own)",
            ),
        ),
    )


TOS = Opt(
    short="S",
    long="tos",
    field="tos",
    metavar="VALUE",
    read=units.tos,
    once=True,
    apart="type of service",
    help="TOS octet of the packets, even, 0 to 254; 0x for hexadecimal",
)

NO_UNITS = Opt(
    short="f",
    long="units",
    field="units",
    metavar="C",
    read=units.character("units", UNITS),
    help="taken for the sake of scripts; these testers have no units",
)

SCHEDULE = Group(
    "Time and repetition",
    (
        Opt(
            short="n",
            long="num_tests",
            field="num_tests",
            metavar="N",
            read=units.whole("number of tests", 0, units.U32),
            help="how many tests (default: 1, or no end with -I, --streaming, --schedule)",
        ),
        Opt(
            short="I",
            long="test_interval",
            field="test_interval",
            metavar="SECONDS",
            read=units.whole("test interval", 0, units.YEAR),
            apart="repetition",
            help="time from one test to the next, at least the duration + 2",
        ),
        Opt(
            short="R",
            long="randomize",
            field="randomize",
            metavar="PERCENT",
            read=units.whole("random part of the interval", 0, 50),
            help="vary the interval by up to this part, 0 to 50 (default: 10)",
        ),
        Opt(
            long="streaming",
            field="streaming",
            apart="repetition",
            help="start the next test as soon as the last one ends",
        ),
        Opt(
            long="schedule",
            field="schedule",
            metavar="TIMES",
            read=units.schedule,
            apart="repetition",
            help="test at these local times: a list of HH, HH:MM, HH:MM:SS or *:MM",
        ),
        Opt(
            short="L",
            long="latest_time",
            field="latest_time",
            metavar="SECONDS",
            read=units.whole("latest time", 0, units.YEAR),
            help="wait at most this long for a free time slot",
            more="The default is twice the duration but at least 600 seconds; with -I it is "
            "the rest of the interval, at most half of it, but at least "
            "10 seconds.",
        ),
        Opt(
            short="a",
            long="allow_ntp_unsync",
            field="allow_unsync_s",
            metavar="SECONDS",
            read=units.decimal("clock error", 0, units.YEAR),
            help="what this host's clock may err by, besides the kernel's own bound",
            more="It counts where this host is an end of the test and where clocks are compared. "
            "Tests do not need it, be this host's clock synchronised or not; a daemon decides for "
            "itself whether it takes part while its own clock is not (allow_unsync).",
        ),
    ),
)

OUTPUT = Group(
    "Output",
    (
        Opt(
            long="json",
            field="json",
            apart="format",
            help="print one JSON object per test on stdout and nothing else there",
            more="Its first key is schema, with the value bwctl.result/1. A test that failed "
            "gives an object with the key error.",
        ),
        Opt(
            long="csv",
            field="csv",
            apart="format",
            help="print a row with names and one row per test on stdout, nothing else there",
            more="The columns and their order stay as they are from release to release.",
        ),
        Opt(
            long="classic",
            field="classic",
            apart="format",
            help="stdout octet for octet as C's clients, and no summary on stderr",
            more="On a terminal control characters are still shown as escapes.",
        ),
        Opt(
            long="plot",
            field="plot",
            metavar="FILE",
            read=picture,
            help="draw a chart of each test; the name ends in .png or .svg",
            more="It shows the rate over time, for bwping the round trips, for bwtraceroute the "
            "round trip to each hop. Repeated tests have a file each, with the number of the "
            "test before the ending. Without -i it asks for intervals of a second.",
        ),
        Opt(
            short="x",
            long="both",
            field="both",
            help="show the output of both ends",
        ),
        Opt(
            short="y",
            long="format",
            field="output_format",
            metavar="C",
            read=units.character("output format"),
            help="output format of the tester, one character",
        ),
        Opt(
            long="parsable",
            field="parsable",
            help="use the tester's format for programs instead of -y",
            more="Lines of the daemons and warnings of the tester go to stderr.",
        ),
        Opt(
            short="p",
            long="print",
            field="to_files",
            help="write the output to files and print their names",
            more="A file of such a name is replaced; what a link leads to is not.",
        ),
        Opt(
            short="d",
            long="output_dir",
            field="output_dir",
            metavar="DIR",
            read=directory,
            help="directory for the files of -p (default: the current one)",
        ),
        Opt(
            short="v",
            long="verbose",
            field="verbose",
            counts=True,
            help="tell more; twice: tell everything",
        ),
        Opt(
            short="q",
            long="quiet",
            field="quiet",
            help="no progress and no summary on stderr; failures are still told",
        ),
        Opt(
            short="r",
            long="syslog_to_stderr",
            field="syslog_to_stderr",
            help="show notes and failures on stderr whatever -q says",
        ),
        Opt(
            short="e",
            long="facility",
            field="facility",
            metavar="NAME",
            read=facility,
            help="send notes, failures and one line per test to syslog too",
            more="NAME is the facility, such as user, daemon or local3.",
        ),
        Opt(short="V", long="version", field="", help="print the version and exit"),
        Opt(short="h", long="help", field="", help="print this help and exit"),
    ),
)
