"""The command lines of both ends, word for word."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

import bwctl
from bwctl.values import Role, TestSpec
from tests.testers.support import REGISTRY, spec, spec6, tester

A, B = "192.0.2.1", "192.0.2.2"
A6, B6 = "2001:db8::1", "2001:db8::2"
RUN = bwctl.__file__.replace("__init__.py", "embedded/run.py")

EVERYTHING = dict(
    tos=32,
    verbose=True,
    buffer_length=1200,
    window=65536,
    report_interval_ms=500,
    parallel=4,
    units="k",
)


class CommandLineTests(SynchronousTestCase):
    """One test of a tester per combination of options."""

    name = ""

    def check(self, test: TestSpec, server: str | None, client: str) -> None:
        """Compare the argv of both roles, port 5202, with text split at blanks."""
        line = tester(self.name).command_line
        argv = line(test, Role.SERVER, 5202, {})
        self.assertEqual(argv, None if server is None else server.split())
        self.assertEqual(line(test, Role.CLIENT, 5202, {}), client.split())


class IperfTests(CommandLineTests):
    """iperf; the server gets its number of streams and 60 s more than the test lasts."""

    name = "iperf"

    def test_tcp(self) -> None:
        """The least that can be asked for."""
        self.check(
            spec("iperf"),
            f"iperf -B {B} -s -f b -P 1 -m -p 5202 -t 62",
            f"iperf -c {B} -B {A} -f b -m -p 5202 -t 2",
        )

    def test_udp(self) -> None:
        """The rate only concerns the client."""
        self.check(
            spec("iperf", udp=True, bandwidth=10_000_000, report_interval_ms=1000, duration=3),
            f"iperf -B {B} -s -f b -P 1 -m -p 5202 -u -t 63 -i 1.000000",
            f"iperf -c {B} -B {A} -f b -m -p 5202 -u -b 10000000 -t 3 -i 1.000000",
        )

    def test_everything(self) -> None:
        """All options that it knows; CSV comes before the streams."""
        self.check(
            spec("iperf", udp=True, bandwidth=1_000_000, output_format="c", **EVERYTHING),
            f"iperf -B {B} -s -f k -y c -P 4 -l 1200 -m -p 5202 -u -w 65536 -t 62 -i 0.500000",
            f"iperf -c {B} -B {A} -S 32 -f k -y c -P 4 -l 1200 -m -p 5202 -u -b 1000000 -w 65536"
            " -t 2 -i 0.500000",
        )

    def test_ipv6(self) -> None:
        """-V means IPv6."""
        self.check(
            spec6("iperf"),
            f"iperf -B {B6} -s -f b -P 1 -m -p 5202 -t 62 -V",
            f"iperf -c {B6} -B {A6} -f b -m -p 5202 -t 2 -V",
        )

    def test_unknown_options_are_left_out(self) -> None:
        """MSS and omitted seconds do not reach it."""
        self.check(
            spec("iperf", mss=1400, omit=1, verbose=True),
            f"iperf -B {B} -s -f b -P 1 -m -p 5202 -t 62",
            f"iperf -c {B} -B {A} -f b -m -p 5202 -t 2",
        )

    def test_no_endpoint(self) -> None:
        """An end without a daemon runs nothing."""
        self.check(
            spec("iperf", no_server_endpoint=True),
            None,
            f"iperf -c {B} -B {A} -f b -m -p 5202 -t 2",
        )


class WindowTests(SynchronousTestCase):
    """-W, which only C's daemons tell from -w."""

    def test_dynamic_window(self) -> None:
        """It sets the window just as -w does."""
        for name in ("iperf", "iperf3", "nuttcp", "thrulay"):
            for role in Role:
                asked = [
                    tester(name).command_line(
                        spec(name, window=65536, dynamic_window=w), role, 1, {}
                    )
                    for w in (False, True)
                ]
                self.assertEqual(*asked)


class Iperf3Tests(CommandLineTests):
    """iperf3; a machine format needs neither units nor words."""

    name = "iperf3"

    def test_tcp(self) -> None:
        """The least that can be asked for."""
        self.check(
            spec(),
            f"iperf3 -s -1 -B {B} -f m -p 5202",
            f"iperf3 -c {B} -B {A} -f m -p 5202 -Z -t 2",
        )

    def test_flip(self) -> None:
        """The client asks for the other direction."""
        self.check(
            spec(server_sends=True, verbose=True, duration=3),
            f"iperf3 -s -1 -B {B} -f m -p 5202 -V",
            f"iperf3 -c {B} -B {A} -f m -p 5202 -V -Z --reverse -t 3",
        )

    def test_json(self) -> None:
        """-f and -V would print warnings in front of the JSON."""
        self.check(
            spec(output_format="J", verbose=True, units="g", report_interval_ms=1000),
            f"iperf3 -s -1 -B {B} -J -p 5202 -i 1.000000",
            f"iperf3 -c {B} -B {A} -J -p 5202 -i 1.000000 -Z -t 2",
        )

    def test_format_of_iperf(self) -> None:
        """Format c changes nothing."""
        self.check(
            spec(output_format="c"),
            f"iperf3 -s -1 -B {B} -f m -p 5202",
            f"iperf3 -c {B} -B {A} -f m -p 5202 -Z -t 2",
        )

    def test_everything(self) -> None:
        """All options that it knows."""
        self.check(
            spec(udp=True, bandwidth=1_000_000, mss=1400, omit=1, **EVERYTHING),
            f"iperf3 -s -1 -B {B} -f k -p 5202 -i 0.500000 -V",
            f"iperf3 -c {B} -B {A} -f k -p 5202 -i 0.500000 -V -Z --omit 1 -S 32 -t 2 -P 4 -u"
            " -l 1200 -b 1000000 -w 65536 -M 1400",
        )

    def test_paced_tcp(self) -> None:
        """TCP can have a rate."""
        self.check(
            spec(bandwidth=5_000_000),
            f"iperf3 -s -1 -B {B} -f m -p 5202",
            f"iperf3 -c {B} -B {A} -f m -p 5202 -Z -t 2 -b 5000000",
        )

    def test_ipv6(self) -> None:
        """The addresses say it."""
        self.check(
            spec6(),
            f"iperf3 -s -1 -B {B6} -f m -p 5202",
            f"iperf3 -c {B6} -B {A6} -f m -p 5202 -Z -t 2",
        )

    def test_no_endpoint(self) -> None:
        """An end without a daemon runs nothing."""
        self.check(
            spec(no_server_endpoint=True, server_sends=True),
            None,
            f"iperf3 -c {B} -B {A} -f m -p 5202 -Z --reverse -t 2",
        )


class NuttcpTests(CommandLineTests):
    """nuttcp; the control port is the one that a C peer uses."""

    name = "nuttcp"

    def test_tcp(self) -> None:
        """The least that can be asked for."""
        self.check(
            spec("nuttcp"),
            "nuttcp -vv -p 5202 -P 5000 -T 2 --nofork -1",
            f"nuttcp -vv -p 5202 -P 5000 -T 2 -t {B}",
        )

    def test_flip(self) -> None:
        """The client receives."""
        self.check(
            spec("nuttcp", server_sends=True),
            "nuttcp -vv -p 5202 -P 5000 -T 2 --nofork -1",
            f"nuttcp -vv -p 5202 -P 5000 -T 2 -r {B}",
        )

    def test_everything(self) -> None:
        """Rate in kbit/s, window in KiB, a whole TOS octet."""
        self.check(
            spec("nuttcp", udp=True, bandwidth=1_500_999, mss=1400, **EVERYTHING),
            "nuttcp -vv -l 1200 -p 5202 -P 5000 -u -w 64 -M 1400 -i 0.500000 -T 2 --nofork -1",
            "nuttcp -vv -l 1200 -p 5202 -P 5000 -u -R 1500 -w 64 -M 1400 -i 0.500000 -T 2 -c 32t"
            f" -N 4 -t {B}",
        )

    def test_ipv6(self) -> None:
        """Both ends are told."""
        self.check(
            spec6("nuttcp", tos=184),
            "nuttcp -vv -p 5202 -P 5000 -T 2 -6 --nofork -1",
            f"nuttcp -vv -p 5202 -P 5000 -T 2 -6 -c 184t -t {B6}",
        )

    def test_unknown_options_are_left_out(self) -> None:
        """Units, formats and omitted seconds do not reach it."""
        self.check(
            spec("nuttcp", units="g", output_format="J", omit=3, no_server_endpoint=True),
            None,
            f"nuttcp -vv -p 5202 -P 5000 -T 2 -t {B}",
        )


class ThrulayTests(CommandLineTests):
    """thrulay, which this Python runs."""

    name = "thrulay"

    def check(self, test: TestSpec, server: str | None, client: str) -> None:
        """Compare what follows the name of the embedded program."""
        python = f"{sys.executable} -I -S {RUN} thrulay"
        whole = None if server is None else f"{python} server {server}"
        super().check(test, whole, f"{python} client {client}")

    def test_tcp(self) -> None:
        """The least that can be asked for."""
        self.check(
            spec("thrulay"),
            f"--bind {B} --port 5202 --protocol tcp --streams 1 --duration 2 --peer {A}"
            " --deadline 60",
            f"--connect {B} --bind {A} --port 5202 --streams 1 --duration 2",
        )

    def test_udp(self) -> None:
        """The server is told the rate too: it grants no more."""
        self.check(
            spec("thrulay", udp=True, bandwidth=100_000_000, buffer_length=1200, window=65536),
            f"--bind {B} --port 5202 --protocol udp --streams 1 --duration 2 --rate 100000000"
            f" --peer {A} --deadline 60 --window 65536",
            f"--connect {B} --bind {A} --port 5202 --streams 1 --duration 2 --rate 100000000"
            " --window 65536 --packet 1200",
        )
        argv = tester("thrulay").command_line(spec("thrulay", udp=True), Role.CLIENT, 5202, {})
        self.assertEqual((argv or [])[-2:], ["--rate", "1000000"])  # as iperf's

    def test_everything(self) -> None:
        """All options that it knows."""
        self.check(
            spec("thrulay", mss=1400, omit=3, **EVERYTHING),
            f"--bind {B} --port 5202 --protocol tcp --streams 4 --duration 2 --peer {A}"
            " --deadline 60 --interval 0.500000 --omit 3 --window 65536",
            f"--connect {B} --bind {A} --port 5202 --streams 4 --duration 2"
            " --interval 0.500000 --omit 3 --window 65536 --block 1200 --tos 32 --mss 1400",
        )

    def test_long(self) -> None:
        """A day has more seconds than a result has intervals."""
        argv = tester("thrulay").command_line(spec("thrulay", duration=86400), Role.CLIENT, 1, {})
        self.assertEqual((argv or [])[-2:], ["--interval", "9"])

    def test_no_endpoint(self) -> None:
        """An end without a daemon runs nothing."""
        self.check(
            spec6("thrulay", no_server_endpoint=True),
            None,
            f"--connect {B6} --bind {A6} --port 5202 --streams 1 --duration 2",
        )


class ConfiguredProgramTests(SynchronousTestCase):
    """A program of the configuration replaces the default, as one word."""

    def test_command(self) -> None:
        """The path is used by both roles and by the probe."""
        path = "/opt/a b/tool"
        for name in ("iperf", "iperf3", "nuttcp"):
            commands = {f"{name}_cmd": path}
            for role in Role:
                argv = tester(name).command_line(spec(name), role, 5202, commands)
                self.assertEqual((argv or [])[0], path)
            self.assertEqual(tester(name).probes(commands)[0][0], path)

    def test_every_word_is_text(self) -> None:
        """No argument is empty or anything but a string."""
        for one in REGISTRY:
            test = spec(one.name, mss=1400, **EVERYTHING)
            lines = [one.command_line(test, role, 5202, {}, 5300) for role in Role]
            words = [word for argv in lines for word in argv or []]
            self.assertTrue(words and all(isinstance(word, str) and word for word in words))
