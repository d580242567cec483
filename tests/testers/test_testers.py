"""What the testers say about themselves, about tests they cannot do, and about their probes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

import bwctl
from bwctl.interfaces import ITester
from bwctl.testers.iperf import Iperf
from bwctl.values import Listening, ProbeAnswer, Role, ToolID
from tests.testers.support import REGISTRY, spec, spec6, tester

NAMES = ("iperf3", "iperf", "nuttcp", "thrulay")  # those of throughput


class DescriptionTests(SynchronousTestCase):
    """The fixed facts of testers.md 1."""

    def facts(self, name: str) -> tuple[object, ...]:
        """The facts of one tester."""
        one = tester(name)
        flags = (one.supports_flip, one.supports_no_endpoint, one.server_ends_itself)
        return (one.tool_id, one.default_port, *flags, one.parsable_format, one.stop_signals)

    def test_facts(self) -> None:
        """Bits, ports and abilities."""
        expected = {
            "iperf": (ToolID.IPERF, 5202, False, True, True, "", ("TERM", "TERM")),
            "iperf3": (ToolID.IPERF3, 5201, True, True, True, "J", ("TERM",)),
            "nuttcp": (ToolID.NUTTCP, 5202, True, True, True, "", ("TERM",)),
            "thrulay": (ToolID.THRULAY, 5003, False, True, True, "", ("TERM",)),
            "ping": (ToolID.PING, 0, True, True, True, "", ("INT", "TERM")),
            "owamp": (ToolID.OWAMP, 861, True, True, False, "", ("TERM",)),
            "traceroute": (ToolID.TRACEROUTE, 0, True, True, True, "", ("TERM",)),
            "tracepath": (ToolID.TRACEPATH, 0, True, True, True, "", ("TERM",)),
            "paris-traceroute": (ToolID.PARIS_TRACEROUTE, 0, True, True, True, "", ("TERM",)),
        }
        self.assertEqual({one.name: self.facts(one.name) for one in REGISTRY}, expected)

    def test_special_treatment(self) -> None:
        """Only owamp needs a directory, and a signal for its first process alone."""
        special = {one.name for one in REGISTRY if one.signals_top_only or one.private_directory}
        self.assertEqual(special, {"owamp"})

    def test_commands(self) -> None:
        """One configuration key per program of the system; "": the other one with -6."""
        commands = {one.name: one.commands for one in REGISTRY}
        self.assertEqual(
            commands,
            {
                "iperf": {"iperf_cmd": "iperf"},
                "iperf3": {"iperf3_cmd": "iperf3"},
                "nuttcp": {"nuttcp_cmd": "nuttcp"},
                "thrulay": {},
                "ping": {"ping_cmd": "ping", "ping6_cmd": ""},
                "owamp": {"owamp_cmd": "owping", "owamp_server_cmd": "owampd"},
                "traceroute": {"traceroute_cmd": "traceroute", "traceroute6_cmd": ""},
                "tracepath": {"tracepath_cmd": "tracepath", "tracepath6_cmd": ""},
                "paris-traceroute": {"paris_traceroute_cmd": "paris-traceroute"},
            },
        )

    def test_interface(self) -> None:
        """Each one provides ITester, and can be a key."""
        for one in REGISTRY:
            self.assertTrue(verifyObject(ITester, one))
            self.assertEqual({one: 1}[type(one)()], 1)

    def test_ports(self) -> None:
        """Only nuttcp uses a port per stream."""
        ports = {
            name: [tester(name).ports(spec(name, parallel=4), role) for role in Role]
            for name in NAMES
        }
        self.assertEqual(
            ports, {"iperf": [1, 0], "iperf3": [1, 0], "nuttcp": [4, 0], "thrulay": [1, 0]}
        )
        self.assertEqual(tester("nuttcp").ports(spec("nuttcp"), Role.SERVER), 1)

    def test_overtime(self) -> None:
        """Two testers need longer than others, with UDP."""
        udp = {name: tester(name).overtime(spec(name, udp=True)) for name in NAMES}
        self.assertEqual(udp, {"iperf": 0.0, "iperf3": 0.0, "nuttcp": 1.5, "thrulay": 1.5})
        for name in ("nuttcp", "thrulay"):
            self.assertEqual(tester(name).overtime(spec(name)), 0.0)

    def test_listens(self) -> None:
        """iperf waits for UDP, thrulay for both; nuttcp waits at its control port."""
        sockets = {name: tester(name).listens(spec(name, udp=True), 5300) for name in NAMES}
        self.assertEqual(
            sockets,
            {
                "iperf": (Listening("udp", 5300),),
                "iperf3": (Listening("tcp", 5300),),
                "nuttcp": (Listening("tcp", 5000),),
                "thrulay": (Listening("tcp", 5300), Listening("udp", 5300)),
            },
        )
        self.assertEqual(tester("thrulay").listens(spec("thrulay"), 1), (Listening("tcp", 1),))
        self.assertEqual(tester("iperf").listens(spec("iperf"), 1), (Listening("tcp", 1),))

    def test_results_role(self) -> None:
        """Only iperf reports at the server, if that has a daemon."""
        roles = {name: tester(name).results_role(spec(name)) for name in NAMES}
        client = Role.CLIENT
        expected = {"iperf": Role.SERVER, "iperf3": client, "nuttcp": client, "thrulay": client}
        self.assertEqual(roles, expected)
        alone = spec("iperf", no_server_endpoint=True)
        self.assertEqual(tester("iperf").results_role(alone), client)


class ProbeTests(SynchronousTestCase):
    """Version probes. Source: testers.md 2."""

    def test_probes(self) -> None:
        """One command each; the embedded tester needs none."""
        probes = {name: tester(name).probes({}) for name in NAMES}
        self.assertEqual(
            probes,
            {
                "iperf": [["iperf", "-v"]],
                "iperf3": [["iperf3", "-v"]],
                "nuttcp": [["nuttcp", "-V"]],
                "thrulay": [],
            },
        )

    def check(self, name: str, status: int, output: bytes, version: str | None) -> None:
        """Compare the version in a probe's output."""
        self.assertEqual(tester(name).version([ProbeAnswer(status, output)]), version)

    def test_iperf(self) -> None:
        """Its exit status is 1 in many versions."""
        output = b"iperf version 2.1.8 (12 August 2022) pthreads\n"
        self.check("iperf", 1, output, "2.1.8")
        self.check("iperf", 0, output, "2.1.8")
        self.check("iperf", 2, output, None)
        self.check("iperf", 0, b"iperf 3.12 (cJSON 1.7.15)\n", None)
        self.check("iperf", 0, b"iperf version ", None)
        self.check("iperf", 0, b"iperf version \xff\xfe", None)

    def test_iperf3(self) -> None:
        """The text may stand behind other lines."""
        self.check("iperf3", 0, b"iperf 3.12 (cJSON 1.7.15)\nLinux\n", "3.12")
        self.check("iperf3", 1, b"notice\niperf 3.0.11\n", "3.0.11")
        self.check("iperf3", 0, b"iperf version 2.1.8\n", None)
        self.check("iperf3", 127, b"iperf 3.12\n", None)

    def test_nuttcp(self) -> None:
        """Exit status 0 is required."""
        self.check("nuttcp", 0, b"nuttcp-6.1.2\n", "6.1.2")
        self.check("nuttcp", 1, b"nuttcp-6.1.2\n", None)
        self.check("nuttcp", 0, b"bash: nuttcp-\n", None)

    def test_thrulay(self) -> None:
        """It comes with this package."""
        self.assertEqual(tester("thrulay").version([]), bwctl.__version__)


class ProblemTests(SynchronousTestCase):
    """Tests that a tester refuses, with a sentence per reason."""

    def check(self, name: str, *sentences: str, **options: Any) -> None:
        """Compare the problems with a test."""
        self.assertEqual(tester(name).problems(spec(name, **options)), list(sentences))

    def test_plain_tests_are_possible(self) -> None:
        """TCP and UDP with all."""
        for name in NAMES:
            self.check(name, parallel=4, window=65536, tos=184, report_interval_ms=1000)
        for name in NAMES:
            self.check(name, udp=True, bandwidth=10_000_000, buffer_length=1200)

    def test_flip(self) -> None:
        """Two testers have one direction only."""
        self.check("iperf3", server_sends=True)
        self.check("nuttcp", server_sends=True)
        for name in ("iperf", "thrulay"):
            sentence = f"{name} cannot send from its server to its client (-o)"
            self.check(name, sentence, server_sends=True)

    def test_no_endpoint(self) -> None:
        """All of them can talk to a program without a daemon."""
        for name in NAMES:
            self.check(name, no_server_endpoint=True)
        bound = replace(Iperf(), supports_no_endpoint=False)
        sentences = bound.problems(spec("iperf", no_server_endpoint=True))
        self.assertEqual(sentences, ["iperf needs a daemon at both ends (-E)"])

    def test_no_duration(self) -> None:
        """0 seconds would mean for ever, or nothing."""
        self.check("iperf", "iperf needs a duration (-t) of at least 1 s", duration=0)

    def test_units(self) -> None:
        """iperf3 refuses four of the letters that C lets pass."""
        for letter in "bBkKmMgGaA":
            self.check("iperf", units=letter)
        for letter in "kKmMgG":
            self.check("iperf3", units=letter)
        self.check("iperf3", "iperf3 has no unit 'b' (-f), only k, K, m, M, g, G", units="b")
        self.check("iperf3", "iperf3 has no unit 'km' (-f), only k, K, m, M, g, G", units="km")

    def test_formats(self) -> None:
        """iperf has CSV, iperf3 has JSON and takes c without effect."""
        self.check("iperf", output_format="c")
        self.check("iperf3", output_format="c")
        self.check("iperf3", output_format="J")
        self.check("nuttcp", output_format="?")
        self.check("iperf", "iperf has no format 'J' (-y), only c", output_format="J")
        self.check("iperf3", "iperf3 has no format 'x' (-y), only c, J", output_format="x")

    def test_pacing(self) -> None:
        """A rate for TCP, and rates that nuttcp would take for no limit."""
        self.check("iperf3", bandwidth=1)
        self.check("nuttcp", bandwidth=1000)
        self.check("iperf", "iperf cannot pace TCP (-b without -u)", bandwidth=1000)
        self.check("thrulay", "thrulay cannot pace TCP (-b without -u)", bandwidth=1000)
        self.check(
            "nuttcp",
            "nuttcp takes bandwidth (-b) from 1000 to 9223372036854775808, not 999",
            bandwidth=999,
        )

    def test_intervals_of_thrulay(self) -> None:
        """Neither too short nor too many."""
        short = "thrulay takes report interval ms (-i) from 10 to 1000000000, not 9"
        self.check("thrulay", short, report_interval_ms=9)
        self.check("thrulay", report_interval_ms=10, duration=100)
        many = "thrulay gives at most 10000 intervals (-i)"
        self.check("thrulay", many, report_interval_ms=10, duration=101)

    def test_udp_with_thrulay(self) -> None:
        """One stream, the whole of it, of packets that can be sent and that leave a trace."""
        self.check("thrulay", udp=True)
        for sentence, options in (
            ("thrulay has one stream with UDP (-P)", {"parallel": 2}),
            ("thrulay cannot omit the start of a UDP test (-O)", {"omit": 1}),
            (
                "thrulay takes buffer length (-l) from 52 to 65535, not 51",
                {"buffer_length": 51},
            ),
            (
                "thrulay: the rate is too low to send a single packet in that time (-b)",
                {"bandwidth": 5999},
            ),
            (
                "thrulay: more than 134217728 packets: a lower rate or a shorter test, please (-b)",
                {"bandwidth": 10**12, "buffer_length": 100},
            ),
        ):
            self.check("thrulay", sentence, **{"udp": True, "bandwidth": 10**6, **options})
        problems = tester("thrulay").problems(spec6("thrulay", udp=True, buffer_length=71))
        self.assertEqual(problems, ["thrulay takes buffer length (-l) from 72 to 65535, not 71"])

    def test_ranges_of_iperf3(self) -> None:
        """What iperf3 itself refuses is refused before the test."""
        self.check("iperf3", parallel=128, omit=60, mss=9216, report_interval_ms=100)
        self.check("iperf3", "iperf3 takes parallel (-P) from 1 to 128, not 129", parallel=129)
        self.check("iperf3", "iperf3 takes omit (-O) from 1 to 60, not 61", omit=61)
        self.check(
            "iperf3",
            "iperf3 takes duration (-t) from 1 to 86400, not 90000",
            "iperf3 takes report interval ms (-i) from 100 to 60000, not 99",
            "iperf3 takes mss (-m) from 1 to 9216, not 9217",
            duration=90_000,
            report_interval_ms=99,
            mss=9217,
        )

    def test_blocks(self) -> None:
        """The largest block of iperf3, and what fits into a datagram."""
        self.check("iperf3", buffer_length=1 << 20)
        block = "iperf3 takes buffer length (-l) from 1 to 1048576, not 1048577"
        self.check("iperf3", block, buffer_length=(1 << 20) + 1)
        datagram = "{} takes buffer length (-l) from {} to 65507, not 65508"
        for name, least in (("iperf", 1), ("iperf3", 16), ("nuttcp", 1)):
            self.check(name, datagram.format(name, least), udp=True, buffer_length=65508)
        self.check("iperf", buffer_length=65508)


class IgnoredTests(SynchronousTestCase):
    """Options that are set and do nothing are named."""

    def test_names(self) -> None:
        """Everything set at once."""
        options: dict[str, Any] = dict(
            tos=32,
            verbose=True,
            output_format="c",
            bandwidth=1,
            buffer_length=1,
            window=1,
            dynamic_window=True,
            report_interval_ms=1,
            parallel=2,
            mss=1400,
            omit=1,
            units="m",
            ttl=5,
        )
        ignored = {name: tester(name).ignored(spec(name, **options)) for name in NAMES}
        self.assertEqual(
            ignored,
            {
                "iperf": ["dynamic_window", "mss", "omit", "ttl"],
                "iperf3": ["dynamic_window", "ttl"],
                "nuttcp": ["output_format", "dynamic_window", "omit", "units", "ttl"],
                "thrulay": ["output_format", "dynamic_window", "units", "ttl"],
            },
        )

    def test_udp(self) -> None:
        """thrulay's UDP knows no segment size; what it refuses it does not ignore."""
        test = spec("thrulay", udp=True, mss=1400, omit=1, parallel=2)
        self.assertEqual(tester("thrulay").ignored(test), ["mss"])

    def test_nothing_set(self) -> None:
        """A plain test has no ignored option."""
        for name in NAMES:
            self.assertEqual(tester(name).ignored(spec(name, server_sends=True)), [])
