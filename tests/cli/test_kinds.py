"""What the command lines of bwping and bwtraceroute have of their own."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.exits import UsageError
from bwctl.cli.latency import BWPING
from bwctl.cli.options import Options, parse
from bwctl.cli.program import Program
from bwctl.cli.programs import PROGRAMS
from bwctl.cli.trace import BWTRACEROUTE
from bwctl.values import NEVER, ErrorEstimate, Kind, Role, TestSpec, ToolID
from bwctl.wire.request import TestRequest

ONE, OTHER = ip_address("127.0.0.1"), ip_address("127.0.0.2")

# line, fields of the test that differ from the defaults
PING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("", {"packet_count": 10, "packet_spacing_ms": 1000, "duration": 15}),
    ("-N 3 -i 0.2", {"packet_count": 3, "packet_spacing_ms": 200, "duration": 5}),
    ("-N 65535 -i 65.535", {"packet_count": 65535, "packet_spacing_ms": 65535}),
    ("-l 65507 -t 255 -S 0x20", {"packet_size": 65507, "ttl": 255, "tos": 0x20}),
    ("--num_packets=4 --packet_interval=0.5", {"duration": 7}),
    ("--packet_length=100 --ttl=3 -y x", {"packet_size": 100, "ttl": 3, "output_format": "x"}),
)
TRACE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("", {"duration": 10}),
    ("-t 0", {"duration": 10}),
    ("-t 7 -F 2 -M 30 -l 1200", {"duration": 7, "first_ttl": 2, "last_ttl": 30}),
    ("--first_ttl=1 --max_ttl=255 --packet_length=65000", {"packet_size": 65000}),
    ("--test_duration=9 -S 8 -y a", {"duration": 9, "tos": 8, "output_format": "a"}),
)
RANGES = (  # program, option, highest, rule
    (BWPING, "-N", 65535, "number of packets must be 1 to 65535"),
    (BWPING, "-i", 65.535, "packet interval must be 0.001 to 65.535"),
    (BWPING, "-l", 65507, "packet length must be 0 to 65507"),
    (BWPING, "-t", 255, "TTL must be 0 to 255"),
    (BWTRACEROUTE, "-F", 255, "first TTL must be 0 to 255"),
    (BWTRACEROUTE, "-M", 255, "last TTL must be 0 to 255"),
    (BWTRACEROUTE, "-l", 65000, "packet length must be 0 to 65000"),
)


def read(program: Program, line: str) -> Options:
    return parse(program, ["-c", "h", *line.split()])


class KindTests(SynchronousTestCase):
    def check(self, program: Program, line: str, given: dict[str, Any]) -> None:
        """The test has these fields, and comes through the wire as it is."""
        options = read(program, line)
        spec = options.spec(options.tools[0], client=ONE, server=OTHER)
        self.assertEqual({name: getattr(spec, name) for name in given}, given, line)
        self.assertEqual(spec.kind, program.kind)
        self.assertEqual(self.sent(spec), spec, line)

    def sent(self, spec: TestSpec) -> TestSpec:
        """The test as a daemon reads it."""
        request = TestRequest(
            role=Role.SERVER, time=NEVER, latest=NEVER, error=ErrorEstimate(0, 1), spec=spec
        )
        return TestRequest.decode(request.encode()).spec

    def test_latency(self) -> None:
        """bwping: packets, their distance, and the time that follows from both."""
        for line, given in PING:
            self.check(BWPING, line, given)

    def test_trace(self) -> None:
        """bwtraceroute: hops and the longest time; 0 is the default time, as in C."""
        for line, given in TRACE:
            self.check(BWTRACEROUTE, line, given)

    def test_testers(self) -> None:
        """Each client has the testers of its kind, and says whose the others are."""
        self.assertEqual(read(BWPING, "").tools, (ToolID.PING, ToolID.OWAMP))
        self.assertEqual(read(BWPING, "-T owamp").tools, (ToolID.OWAMP,))
        self.assertEqual(read(BWTRACEROUTE, "").tools[:2], (ToolID.TRACEROUTE, ToolID.TRACEPATH))
        for program, name, owner in (
            (BWPING, "iperf3", "bwctl"),
            (BWPING, "tracepath", "bwtraceroute"),
            (BWTRACEROUTE, "ping", "bwping"),
        ):
            usage = self.assertRaises(UsageError, read, program, f"-T {name}")
            self.assertEqual(usage.message, f"-T {name}: {name} is a tester of {owner}")

    def test_ranges(self) -> None:
        """What the wire cannot hold is refused by name and range, not cut."""
        for program, option, highest, rule in RANGES:
            read(program, f"{option} {highest}")
            for value in (highest + 1, -1, "x"):
                usage = self.assertRaises(UsageError, read, program, f"{option} {value}")
                self.assertEqual(usage.message, f"{option} {value}: {rule}")
        usage = self.assertRaises(UsageError, read, BWPING, "-N 10 -i 1 -I 16")
        self.assertIn("the duration + 2", usage.message)

    def test_programs(self) -> None:
        """One program for each kind of test, with a manual page and options of unique names."""
        self.assertEqual({program.kind for program in PROGRAMS.values()}, set(Kind))
        for program in PROGRAMS.values():
            names = [name for opt in program.options() for name in opt.names]
            self.assertEqual(len(names), len(set(names)), program.name)
