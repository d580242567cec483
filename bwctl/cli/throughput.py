"""The options of `bwctl` alone. Source: clients.md 2.2."""

from __future__ import annotations

from bwctl.cli import units
from bwctl.cli.common import OUTPUT, SCHEDULE, TOS, UNITS, ends
from bwctl.cli.optiontable import Group, Opt
from bwctl.cli.program import Program
from bwctl.values import Kind, ToolID

THROUGHPUT = Group(
    "Test",
    (
        Opt(
            short="t",
            long="test_duration",
            field="duration",
            metavar="SECONDS",
            read=units.whole("test duration", 1, units.YEAR),
            help="how long the data flows (default: 10)",
        ),
        Opt(
            short="u",
            long="udp",
            field="udp",
            help="send UDP datagrams instead of a TCP stream",
        ),
        Opt(
            short="b",
            long="bandwidth",
            field="bandwidth",
            metavar="RATE",
            read=units.suffixed("bandwidth", units.RATE, 0, units.U64),
            help="rate limit in bit/s; k, m, g: 10^3, 10^6, 10^9 (default: UDP 1m, TCP none); "
            "with -P that of each stream, but with nuttcp of all together",
        ),
        Opt(
            short="P",
            long="parallel",
            field="parallel",
            metavar="N",
            read=units.whole("parallel streams", 1, units.U8),
            help="parallel streams, 1 to 255",
        ),
        Opt(
            short="O",
            long="omit",
            field="omit",
            metavar="SECONDS",
            read=units.whole("omitted time", 0, 60),
            help="leave out the first seconds, 0 to 60; they come on top of the duration",
        ),
        Opt(
            short="i",
            long="report_interval",
            field="report_interval_ms",
            metavar="SECONDS",
            read=units.milliseconds("report interval", units.U32 // 1000),
            help="time between intermediate reports; a fraction is allowed",
        ),
        Opt(
            short="l",
            long="buffer_length",
            field="buffer_length",
            metavar="BYTES",
            read=units.suffixed("buffer length", units.SIZE, 1, units.U32),
            help="length of reads, writes and datagrams; k, m: 2^10, 2^20",
        ),
        Opt(
            short="w",
            long="window",
            field="window",
            metavar="BYTES",
            read=units.suffixed("window size", units.SIZE, 1, units.U32),
            apart="window",
            help="TCP window size or UDP socket buffer; k, m: 2^10, 2^20",
        ),
        Opt(
            short="W",
            long="dynamic_window",
            field="window",
            metavar="BYTES",
            read=units.suffixed("window size", units.SIZE, 1, units.U32),
            implies="dynamic_window",
            apart="window",
            help="as -w; a daemon in C with a bottleneck_capacity may take what fits the path",
        ),
        Opt(
            short="m",
            long="mss",
            field="mss",
            metavar="BYTES",
            read=units.whole("maximum segment size", 28, 9216),
            help="TCP maximum segment size, 28 to 9216",
        ),
        Opt(
            short="D",
            long="dscp",
            field="tos",
            metavar="VALUE",
            read=units.dscp,
            once=True,
            apart="type of service",
            help="DSCP of the packets: 0 to 63, ef, cs0 to cs7, af11 to af43",
        ),
        TOS,
        Opt(
            short="f",
            long="units",
            field="units",
            metavar="C",
            read=units.character("units", UNITS),
            help=f"unit of the tester's figures, one of {UNITS}",
        ),
    ),
)

BWCTL = Program(
    name="bwctl",
    kind=Kind.THROUGHPUT,
    purpose="measure the throughput between two hosts, at a time their daemons agree on",
    groups=(ends(Kind.THROUGHPUT), THROUGHPUT, SCHEDULE, OUTPUT),
    default_tools=(ToolID.IPERF3, ToolID.IPERF, ToolID.NUTTCP, ToolID.THRULAY),
    examples=(
        ("bwctl -c recv.example.net -s send.example.net", "TCP, 10 seconds, between two others"),
        ("bwctl -s send.example.net -t 30 -P 4 -i 1", "from there to this host, four streams"),
        ("bwctl -c recv.example.net -u -b 200m", "UDP, 200 Mbit/s, from this host"),
        ("bwctl -c recv.example.net AE AESKEY jane keys", "with a key from the file `keys`"),
        ("bwctl -c [2001:db8::7]:4900 --json", "IPv6, other port, result for a program"),
        ("bwctl -c recv.example.net -I 3600 -n 24", "24 tests, one an hour"),
    ),
    also=(
        ("bwctl check HOST...", "daemons, their clocks, and the ports between them"),
        ("bwctl completion SHELL", "completion for bash, zsh or fish"),
        ("bwping, bwtraceroute", "delay and loss, and paths"),
        ("bwctl-keys, bwctl-simulate", "keys of users; whether a mesh of tests fits"),
    ),
    see_also="bwctl-check(1), bwctl-keys(1), bwctl-simulate(1), bwping(1), bwtraceroute(1), "
    "bwctld(8), iperf3(1), iperf(1), nuttcp(8)",
)
