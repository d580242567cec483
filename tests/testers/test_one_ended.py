"""ping and the traces: what the sender runs, what they refuse, how they are found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.values import ProbeAnswer, Role, TestSpec
from tests.testers.support import spec, spec6, tester

A, B = "192.0.2.1", "192.0.2.2"
A6, B6 = "2001:db8::1", "2001:db8::2"
NAMES = ("ping", "traceroute", "tracepath", "paris-traceroute")


class CommandLineTests(SynchronousTestCase):
    """The argv of the sender, word for word; the other end runs nothing."""

    def check(self, test: TestSpec, line: str, **commands: str) -> None:
        """Compare the sender's argv with text split at blanks."""
        one = next(tester(name) for name in NAMES if tester(name).tool_id == test.tool)
        argv = [one.command_line(test, role, 0, commands) for role in (Role.CLIENT, Role.SERVER)]
        self.assertEqual(argv, [line.split(), None])

    def test_ping(self) -> None:
        """Ten packets, one a second, if nobody says otherwise."""
        plain = spec("ping", duration=15)
        self.check(plain, f"ping -c 10 -i 1.000000 -W 1 -I {A} {B}")
        every = dict(packet_count=5, packet_spacing_ms=200, packet_size=1000, ttl=7, tos=32)
        self.check(
            spec("ping", **every),
            f"ping -c 5 -i 0.200000 -W 1 -s 1000 -t 7 -Q 32 -I {A} {B}",
        )

    def test_traceroute(self) -> None:
        """The size is the last word."""
        self.check(spec("traceroute"), f"traceroute -s {A} {B}")
        every = dict(first_ttl=2, last_ttl=9, tos=184, packet_size=100, output_format="a")
        self.check(spec("traceroute", **every), f"traceroute -f 2 -m 9 -t 184 -n -s {A} {B} 100")

    def test_tracepath(self) -> None:
        """Addresses are always asked for."""
        self.check(spec("tracepath"), f"tracepath -b {B}")
        every = dict(packet_size=1400, output_format="a")
        self.check(spec("tracepath", **every), f"tracepath -n -l 1400 {B}")

    def test_paris_traceroute(self) -> None:
        """It knows the hops and nothing else."""
        self.check(spec("paris-traceroute"), f"paris-traceroute {B}")
        every = dict(first_ttl=2, last_ttl=9, tos=184, packet_size=100, output_format="a")
        self.check(spec("paris-traceroute", **every), f"paris-traceroute -f 2 -m 9 -n {B}")

    def test_ipv6(self) -> None:
        """One program for both families where the configuration does not name another."""
        tail = f"-c 10 -i 1.000000 -W 1 -I {A6} {B6}"
        self.check(spec6("ping", duration=9), f"ping -6 {tail}")
        self.check(spec6("ping", duration=9), f"/sbin/ping -6 {tail}", ping_cmd="/sbin/ping")
        self.check(spec6("ping", duration=9), f"ping6 {tail}", ping_cmd="x", ping6_cmd="ping6")
        self.check(spec6("traceroute"), f"traceroute -6 -s {A6} {B6}")
        self.check(spec6("traceroute"), f"t6 -s {A6} {B6}", traceroute6_cmd="t6")
        self.check(spec6("tracepath"), f"tracepath -6 -b {B6}")
        self.check(spec6("tracepath"), f"t6 -b {B6}", tracepath6_cmd="t6")
        self.check(spec6("paris-traceroute"), f"p {B6}", paris_traceroute_cmd="p")

    def test_flip(self) -> None:
        """The sender is the server then, and asks the client; results come from it."""
        for name in NAMES:
            flipped = spec(name, server_sends=True)
            one = tester(name)
            self.assertIsNone(one.command_line(flipped, Role.CLIENT, 0, {}))
            argv = one.command_line(flipped, Role.SERVER, 0, {}) or []
            self.assertEqual(argv[-1], A)
            self.assertEqual(one.results_role(flipped), Role.SERVER)
            self.assertEqual(one.results_role(spec(name)), Role.CLIENT)

    def test_no_endpoint(self) -> None:
        """The client asks a host without a daemon; nobody could send from there."""
        for name in NAMES:
            one = tester(name)
            alone = spec(name, no_server_endpoint=True, duration=15)
            self.assertEqual(one.problems(alone), [])
            self.assertIsNone(one.command_line(alone, Role.SERVER, 0, {}))
            self.assertEqual((one.command_line(alone, Role.CLIENT, 0, {}) or [])[-1], B)
            back = replace(alone, server_sends=True)
            needs = f"{name} needs a daemon at the sending end (-E with -o)"
            self.assertEqual(one.problems(back), [needs])
            self.assertIsNone(one.command_line(back, Role.SERVER, 0, {}))

    def test_nothing_else(self) -> None:
        """No port, no socket, no more time."""
        for name in NAMES:
            one, test = tester(name), spec(name)
            self.assertEqual([one.ports(test, role) for role in Role], [0, 0])
            self.assertEqual((one.listens(test, 0), one.overtime(test)), ((), 0.0))
            self.assertEqual(one.parse(b"anything", test, Role.SERVER).summary, {})


class ProblemTests(SynchronousTestCase):
    def check(self, name: str, *sentences: str, **options: Any) -> None:
        """Compare the problems with a test of 30 s."""
        test = spec(name, **{"duration": 30, **options})
        self.assertEqual(tester(name).problems(test), list(sentences))

    def test_plain_tests_are_possible(self) -> None:
        """As little, and as much as can be."""
        for name in NAMES:
            self.check(name)
        most = dict(packet_count=65535, packet_spacing_ms=65535, ttl=255, tos=254)
        self.check("ping", **most, packet_size=65507, duration=10_000_000)
        self.check("traceroute", first_ttl=255, last_ttl=255, packet_size=65000, tos=254)
        self.check("tracepath", packet_size=65535)
        self.check("paris-traceroute", first_ttl=30)

    def test_formats(self) -> None:
        """Traces know `a`; ping has no formats, and takes no notice of one."""
        for name in NAMES[1:]:
            self.check(name, output_format="a")
            self.check(name, f"{name} has no format 'J' (-y), only a", output_format="J")
        self.check("ping", output_format="J")

    def test_ranges_of_ping(self) -> None:
        """What fits into one packet of either family."""
        size = "ping takes packet size (-l) from 1 to {}, not {}"
        self.check("ping", size.format(65507, 65508), packet_size=65508)
        six = [
            tester("ping").problems(spec6("ping", duration=30, packet_size=65527 + n))
            for n in (0, 1)
        ]
        self.assertEqual(six, [[], [size.format(65527, 65528)]])
        self.check("ping", "ping takes ttl (-t) from 1 to 255, not 256", ttl=256)
        self.check("ping", "ping takes tos (-S) from 0 to 255, not 256", tos=256)
        sentence = "ping takes packet count (-N) from 1 to 65535, not 65536"
        self.check("ping", sentence, packet_count=65536, packet_spacing_ms=1, duration=99)

    def test_time_of_ping(self) -> None:
        """The packets have to fit into the test; C's client asks for five seconds more."""
        self.check("ping", packet_count=31)
        sentence = "ping sends 32 packets (-N) every 1 s (-i) in 31 s, longer than the test of 30 s"
        self.check("ping", sentence, packet_count=32)
        self.check("ping", packet_count=65535, packet_spacing_ms=1, duration=66)
        self.check("ping", "ping needs a duration (-t) of at least 1 s", packet_count=1, duration=0)

    def test_ranges_of_traces(self) -> None:
        """Hops from the first to the last."""
        beyond = "{} would begin at hop {} (-F), beyond the last one, {} (-M)"
        for name in ("traceroute", "paris-traceroute"):
            self.check(name, beyond.format(name, 31, 30), first_ttl=31)
            self.check(name, beyond.format(name, 5, 4), first_ttl=5, last_ttl=4)
            sentence = f"{name} takes last ttl (-M) from 1 to 255, not 256"
            self.check(name, sentence, last_ttl=256)
        size = "traceroute takes packet size (-l) from 1 to 65000, not 65001"
        self.check("traceroute", size, packet_size=65001)
        sentence = "tracepath cannot be told its first or last hop (-F, -M)"
        for options in ({"first_ttl": 1}, {"last_ttl": 30}):
            self.check("tracepath", sentence, **options)
        size = "tracepath takes packet size (-l) from {} to 65535, not {}"
        self.check("tracepath", size.format(29, 28), packet_size=28)
        six = tester("tracepath").problems(spec6("tracepath", packet_size=48))
        self.assertEqual(six, [size.format(49, 48)])

    def test_ignored(self) -> None:
        """Options that are set and do nothing are named."""
        options = dict(
            tos=4, packet_count=3, packet_spacing_ms=100, packet_size=99, ttl=3, first_ttl=1,
            last_ttl=3, output_format="a", parallel=2, udp=True, verbose=True, server_sends=True,
        )  # fmt: skip
        ignored = {name: tester(name).ignored(spec(name, **options)) for name in NAMES}
        foreign = ["udp", "parallel", "packet_count", "packet_spacing_ms"]
        self.assertEqual(
            ignored,
            {
                "ping": ["output_format", "udp", "parallel", "first_ttl", "last_ttl"],
                "traceroute": [*foreign, "ttl"],
                "tracepath": ["tos", *foreign, "ttl"],
                "paris-traceroute": ["tos", *foreign, "packet_size", "ttl"],
            },
        )


class ProbeTests(SynchronousTestCase):
    """Source: testers.md 2: either family is enough."""

    def test_probes(self) -> None:
        """The version first; then one real packet of each family."""
        self.assertEqual(
            tester("ping").probes({}),
            [["ping", "-V"], ["ping", "-c", "1", "127.0.0.1"], ["ping", "-6", "-c", "1", "::1"]],
        )
        self.assertEqual(
            tester("traceroute").probes({"traceroute6_cmd": "t6"}),
            [
                ["traceroute", "--version"],
                ["traceroute", "-n", "127.0.0.1"],
                ["t6", "-n", "::1"],
            ],
        )
        self.assertEqual(
            tester("tracepath").probes({"tracepath_cmd": "t"}), [["t", "-V"], ["t"], ["t", "-6"]]
        )
        self.assertEqual(
            tester("paris-traceroute").probes({}),
            [["paris-traceroute", "--version"], ["paris-traceroute", "-n", "127.0.0.1"]],
        )

    def version(self, name: str, said: bytes, *statuses: int | None) -> str | None:
        """What a tester makes of its version's text and of the statuses that follow."""
        answers = [ProbeAnswer(0, said), *(ProbeAnswer(status, b"") for status in statuses)]
        return tester(name).version(answers)

    def test_either_family(self) -> None:
        """A version alone does not show that it may be used."""
        for name, said, good, version in (
            ("ping", b"ping from iputils 20221126\nlibcap: yes\n", 0, "iputils 20221126"),
            ("traceroute", b"Modern traceroute for Linux, version 2.1.2\n", 0, "2.1.2"),
            ("tracepath", b"tracepath from iputils 20221126\n", 255, "iputils 20221126"),
        ):
            self.assertIsNone(self.version(name, said))
            self.assertIsNone(self.version(name, said, 1))
            self.assertIsNone(self.version(name, said, None, 2))
            self.assertEqual(self.version(name, said, good), version)
            self.assertEqual(self.version(name, said, 2, good), version)
            self.assertEqual(self.version(name, b"", 2, good), "unknown")
        self.assertEqual(self.version("paris-traceroute", b"version 1.0\n", 0), "1.0")
        self.assertIsNone(self.version("paris-traceroute", b"version 1.0\n", 1))
