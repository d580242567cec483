"""owamp: command lines of both ends, ports of its own at each, what it refuses."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.values import Listening, ProbeAnswer, Role, TestSpec
from tests.testers.support import spec, spec6, tester

A, B = "192.0.2.1", "192.0.2.2"
OWAMP = tester("owamp")


class CommandLineTests(SynchronousTestCase):
    def check(self, test: TestSpec, server: str | None, client: str) -> None:
        """The server's ports are 5202 to 5204, the client's 5300 to 5302."""
        argv = OWAMP.command_line(test, Role.SERVER, 5202, {}, 5202)
        self.assertEqual(argv, None if server is None else server.split())
        self.assertEqual(OWAMP.command_line(test, Role.CLIENT, 5202, {}, 5300), client.split())

    def test_plain(self) -> None:
        """Each end has two ports for packets; both are bound to their address."""
        server = f"owampd -Z -f -R DIRECTORY -d DIRECTORY -S [{B}]:5202 -P 5203-5204"
        tail = f"-c 10 -i 1.000000 -S {A} -P 5301-5302 [{B}]:5202"
        self.check(spec("owamp"), server, f"owping -t {tail}")
        self.check(spec("owamp", server_sends=True), server, f"owping -f {tail}")
        alone = spec("owamp", no_server_endpoint=True)
        self.check(alone, None, f"owping -t {tail}")
        self.assertEqual(OWAMP.private_directory, "DIRECTORY")

    def test_everything(self) -> None:
        """Padding, DSCP and formats."""
        server = "owampd -Z -f -R DIRECTORY -d DIRECTORY -S [2001:db8::2]:5202 -P 5203-5204"
        options = dict(packet_count=5, packet_spacing_ms=100, packet_size=200, tos=184)
        tail = "-c 5 -i 0.100000 -s 200 -D 46 -S 2001:db8::1 -P 5301-5302 [2001:db8::2]:5202"
        for letter, flags in (("M", "-M -U"), ("R", "-R")):
            test = spec6("owamp", output_format=letter, **options)
            self.check(test, server, f"owping -t {flags} {tail}")

    def test_commands(self) -> None:
        """Both programs come from the configuration."""
        commands = {"owamp_cmd": "/x/owping", "owamp_server_cmd": "/x/owampd"}
        programs = [
            (OWAMP.command_line(spec("owamp"), role, 1, commands) or [])[0] for role in Role
        ]
        self.assertEqual(programs, ["/x/owampd", "/x/owping"])
        self.assertEqual(OWAMP.probes(commands), [["/x/owping", "-h"], ["/x/owampd", "-h"]])

    def test_ports(self) -> None:
        """Three in a row at each end; its server listens at the first."""
        self.assertEqual([OWAMP.ports(spec("owamp"), role) for role in Role], [3, 3])
        self.assertEqual(OWAMP.listens(spec("owamp"), 5202), (Listening("tcp", 5202),))

    def test_overtime(self) -> None:
        """The gaps are random: a hundred of them may well take a third longer."""
        self.assertEqual(OWAMP.overtime(spec("owamp", packet_count=100)), 35.0)


class CheckTests(SynchronousTestCase):
    def check(self, *sentences: str, **options: Any) -> None:
        """Compare the problems with a test of 30 s."""
        self.assertEqual(OWAMP.problems(spec("owamp", duration=30, **options)), list(sentences))

    def test_problems(self) -> None:
        """What owping would only complain of when it is too late."""
        self.check(output_format="R", tos=184, packet_size=65000, server_sends=True)
        self.check("owamp has no format 'J' (-y), only M, R", output_format="J")
        self.check("owamp cannot set the TTL (-t)", ttl=5)
        self.check("owamp sets the DSCP alone: the TOS (-S) has to be a multiple of 4", tos=2)
        self.check("owamp takes packet size (-l) from 1 to 65000, not 65001", packet_size=65001)
        sentence = (
            "owamp sends 40 packets (-N) every 1 s (-i) in 39 s, longer than the test of 30 s"
        )
        self.check(sentence, packet_count=40)

    def test_ignored(self) -> None:
        """Options of other kinds of tests."""
        test = spec("owamp", tos=4, packet_size=9, ttl=3, output_format="M", first_ttl=1, omit=2)
        self.assertEqual(OWAMP.ignored(test), ["omit", "first_ttl"])

    def test_version(self) -> None:
        """Both programs have to be here."""
        told = ProbeAnswer(0, b"usage...\n\nVersion: 5.2.3-1\n\n")
        self.assertIsNone(OWAMP.version([told]))
        self.assertIsNone(OWAMP.version([told, ProbeAnswer(None, b"")]))
        self.assertEqual(OWAMP.version([told, ProbeAnswer(0, b"")]), "5.2.3-1")


class ReadingTests(SynchronousTestCase):
    """Outputs that the samples do not have."""

    def test_server(self) -> None:
        """Its log is no result, and no complaint."""
        report = OWAMP.parse(b"owampd[5]: owampd: exiting...\n", spec("owamp"), Role.SERVER)
        self.assertEqual((report.error, report.summary), (None, {}))

    def test_clocks_that_disagree(self) -> None:
        """A delay may be negative; synchronised clocks have an error."""
        text = (
            b"5 sent, 0 lost (0.000%), 1 duplicates\n"
            b"one-way delay min/median/max = -3.5/-3.1/1e+02 us, (err=0.5 us)\n"
            b"hops takes 2 values; min hops = 1, max hops = 3\n"
            b"1-reordering = 20.000000%\nno 2-reordering\n"
        )
        report = OWAMP.parse(text, spec("owamp", packet_count=5), Role.CLIENT)
        self.assertIsNone(report.error)
        wanted = {
            "duplicates": 1,
            "owd_ms": {"min": -0.0035, "median": -0.0031, "max": 0.1},
            "maxerr_ms": 0.0005,
            "synchronized": True,
            "ttl_min": 252,
            "ttl_max": 254,
            "reordering": 1,
        }
        self.assertEqual({key: report.summary[key] for key in wanted}, wanted)

    def test_raw_rows(self) -> None:
        """Duplicates count once; what arrives after its successor is reordered."""
        sent, second = 17198242156592986702, 1 << 32
        rows = [(0, 2), (2, 1), (1, 3), (1, 4), (3, None)]
        text = "".join(
            f"{seq} {sent} 1 1e-06 {sent + delay * second if delay else 0:020} 1 1e-06 250\n"
            for seq, delay in rows
        )
        report = OWAMP.parse(text.encode(), spec("owamp", packet_count=4), Role.CLIENT)
        self.assertEqual(
            report.summary,
            {
                "sent": 4,
                "received": 3,
                "lost": 1,
                "loss_percent": 25.0,
                "duplicates": 1,
                "owd_ms": {"min": 1000.0, "median": 2000.0, "max": 3000.0},
                "maxerr_ms": 0.002,
                "synchronized": True,
                "ttl_min": 250,
                "ttl_max": 250,
                "reordering": 1,
            },
        )
        self.assertEqual([one["seq"] for one in report.intervals if "duplicate" in one], [1])

    def test_not_finished(self) -> None:
        """A session that broke off is no result; of several the last one counts."""
        values = "SUMMARY\t3.00\nSESSION_FINISHED\t{}\nSENT\t{}\nLOST\t0\n"
        options = spec("owamp", packet_count=5)
        report = OWAMP.parse(values.format(0, 5).encode(), options, Role.CLIENT)
        self.assertEqual(report.error, "the session did not come to its end")
        both = (values.format(1, 1) + values.format(1, 5)).encode()
        self.assertEqual(OWAMP.parse(both, options, Role.CLIENT).summary["sent"], 5)
        few = OWAMP.parse(values.format(1, 1).encode(), options, Role.CLIENT)
        self.assertEqual(few.error, "sent 1 of 5 packets")
