"""The options of `bwtraceroute` alone. Source: clients.md 2.6."""

from __future__ import annotations

from bwctl.cli import units
from bwctl.cli.common import NO_UNITS, OUTPUT, SCHEDULE, TOS, ends
from bwctl.cli.optiontable import Group, Opt
from bwctl.cli.program import Program
from bwctl.values import Kind, ToolID

MOST_OCTETS = 65000  # what traceroute takes

TRACE = Group(
    "Test",
    (
        Opt(
            short="t",
            long="test_duration",
            field="duration",
            metavar="SECONDS",
            read=units.whole("test duration", 0, units.YEAR),
            help="how long the tester may take (default: 10)",
        ),
        Opt(
            short="F",
            long="first_ttl",
            field="first_ttl",
            metavar="HOP",
            read=units.whole("first TTL", 0, units.U8),
            help="first hop to show, 0: the first one there is (default: 0)",
        ),
        Opt(
            short="M",
            long="max_ttl",
            field="last_ttl",
            metavar="HOP",
            read=units.whole("last TTL", 0, units.U8),
            help="last hop to look at, 0: as the tester likes (default: 0)",
        ),
        Opt(
            short="l",
            long="packet_length",
            field="packet_size",
            metavar="BYTES",
            read=units.whole("packet length", 0, MOST_OCTETS),
            help="octets in a packet, 0: as the tester likes (default: 0)",
        ),
        TOS,
        NO_UNITS,
    ),
)

BWTRACEROUTE = Program(
    name="bwtraceroute",
    kind=Kind.TRACE,
    purpose="show the path between two hosts, at a time their daemons agree on",
    groups=(ends(Kind.TRACE), TRACE, SCHEDULE, OUTPUT),
    default_tools=(ToolID.TRACEROUTE, ToolID.TRACEPATH, ToolID.PARIS_TRACEROUTE),
    examples=(
        ("bwtraceroute -c recv.example.net -s send.example.net", "the path between two others"),
        ("bwtraceroute -s send.example.net -y a", "from there to this host, addresses only"),
        ("bwtraceroute -E -c www.example.org -s send.example.net", "no daemon at the receiver"),
        ("bwtraceroute -c recv.example.net -T tracepath", "with the largest packet of the path"),
        ("bwtraceroute -c recv.example.net --json", "result for a program"),
    ),
    see_also="bwctl(1), bwping(1), bwctld(8), traceroute(8), tracepath(8)",
)
