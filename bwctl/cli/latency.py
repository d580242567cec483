"""The options of `bwping` alone. Source: clients.md 2.5."""

from __future__ import annotations

from bwctl.cli import units
from bwctl.cli.common import NO_UNITS, OUTPUT, SCHEDULE, TOS, ends
from bwctl.cli.optiontable import Group, Opt
from bwctl.cli.program import Program
from bwctl.values import Kind, ToolID

PACKETS = 10
SPACING_MS = 1000
MOST_OCTETS = 65507  # of ICMP or UDP payload in one IPv4 packet

LATENCY = Group(
    "Test",
    (
        Opt(
            short="N",
            long="num_packets",
            field="packet_count",
            metavar="N",
            read=units.whole("number of packets", 1, units.U16),
            help=f"how many packets to send (default: {PACKETS})",
        ),
        Opt(
            short="i",
            long="packet_interval",
            field="packet_spacing_ms",
            metavar="SECONDS",
            read=units.milliseconds("packet interval", 65.535, least=0.001),
            help="time from one packet to the next; a fraction is allowed (default: 1)",
            more="The test is given the time of all packets and 5 seconds for late answers.",
        ),
        Opt(
            short="l",
            long="packet_length",
            field="packet_size",
            metavar="BYTES",
            read=units.whole("packet length", 0, MOST_OCTETS),
            help="octets in a packet, 0: as the tester likes (default: 0)",
        ),
        Opt(
            short="t",
            long="ttl",
            field="ttl",
            metavar="HOPS",
            read=units.whole("TTL", 0, units.U8),
            help="time to live of the packets, 0: as the system likes (default: 0)",
        ),
        TOS,
        NO_UNITS,
    ),
)

BWPING = Program(
    name="bwping",
    kind=Kind.LATENCY,
    purpose="measure the delay and loss between two hosts, at a time their daemons agree on",
    groups=(ends(Kind.LATENCY), LATENCY, SCHEDULE, OUTPUT),
    default_tools=(ToolID.PING, ToolID.OWAMP),
    examples=(
        ("bwping -c recv.example.net -s send.example.net", "10 packets between two others"),
        ("bwping -s send.example.net -N 100 -i 0.1", "from there to this host, 10 a second"),
        ("bwping -E -c www.example.org -s send.example.net", "the receiver needs no daemon"),
        ("bwping -c recv.example.net -T owamp", "delay of each direction, by owping"),
        ("bwping -c recv.example.net --json", "result for a program"),
    ),
    see_also="bwctl(1), bwtraceroute(1), bwctld(8), ping(8), owping(1)",
)
