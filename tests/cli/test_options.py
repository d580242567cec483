"""The command line of bwctl."""

from __future__ import annotations

import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields
from datetime import time
from io import StringIO
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import bwctl
from bwctl import __version__
from bwctl.cli.auth import AuthWords
from bwctl.cli.checkprogram import parse as parse_check
from bwctl.cli.exits import ExitStatus, UsageError, complaint
from bwctl.cli.hosts import HostPort
from bwctl.cli.latency import BWPING
from bwctl.cli.options import Options, parse, remarks
from bwctl.cli.throughput import BWCTL
from bwctl.values import TestSpec, ToolID

PACKAGES = Path(bwctl.__file__).parent.parent
ONE, OTHER = ip_address("127.0.0.1"), ip_address("127.0.0.2")


def read(line: str) -> Options:
    """The options of a line that has a receiver already."""
    return parse(BWCTL, ["-c", "h", *line.split()])


def error(line: str) -> str:
    """The message of a line that cannot be used."""
    try:
        options = parse(BWCTL, line.split())
    except UsageError as usage:
        return usage.message
    raise AssertionError(f"{line!r} was taken for {options}")


# option, field, value, and the Options field that it gives
VALUES: tuple[tuple[str, str, str, Any], ...] = (
    ("-B", "--local_address", "eth0", {"local_address": "eth0"}),
    ("-T", "--tool", "nuttcp,IPERF3", {"tools": (ToolID.NUTTCP, ToolID.IPERF3)}),
    ("-n", "--num_tests", "3", {"num_tests": 3}),
    ("-I", "--test_interval", "60", {"test_interval": 60}),
    ("-R", "--randomize", "0", {"randomize": 0}),
    ("-L", "--latest_time", "30", {"latest_time": 30}),
    ("-a", "--allow_ntp_unsync", "0.5", {"allow_unsync_s": 0.5}),
    ("-S", "--tos", "0xb8", {"tos": 0xB8}),
    ("-D", "--dscp", "af11", {"tos": 0x28}),
    ("-f", "--units", "M", {"units": "M"}),
    ("-y", "--format", "J", {"output_format": "J"}),
    ("-d", "--output_dir", "some/where", {"output_dir": "some/where"}),
    ("-e", "--facility", "LOCAL3", {"facility": "local3"}),
    ("-t", "--test_duration", "20", {"duration": 20}),
    ("-b", "--bandwidth", "200m", {"bandwidth": 200_000_000}),
    ("-i", "--report_interval", "0.5", {"report_interval_ms": 500}),
    ("-l", "--buffer_length", "8k", {"buffer_length": 8192}),
    ("-w", "--window", "1m", {"window": 1 << 20}),
    ("-W", "--dynamic_window", "1m", {"window": 1 << 20, "dynamic_window": True}),
    ("-P", "--parallel", "4", {"parallel": 4}),
    ("-O", "--omit", "2", {"omit": 2}),
    ("-m", "--mss", "1460", {"mss": 1460}),
)

SWITCHES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("-4", "--ipv4", {"ip_version": 4}),
    ("-6", "--ipv6", {"ip_version": 6}),
    ("-o", "--flip", {"flip": True}),
    ("-E", "--no_endpoint", {"no_endpoint": True}),
    ("", "--streaming", {"streaming": True}),
    ("", "--parsable", {"parsable": True}),
    ("", "--json", {"json": True}),
    ("", "--csv", {"csv": True}),
    ("", "--classic", {"classic": True}),
    ("-x", "--both", {"both": True}),
    ("-p", "--print", {"to_files": True}),
    ("-v", "--verbose", {"verbose": 1}),
    ("-q", "--quiet", {"quiet": True}),
    ("-r", "--syslog_to_stderr", {"syslog_to_stderr": True}),
    ("-u", "--udp", {"udp": True, "bandwidth": 1_000_000}),
)

# option, lowest, highest, rule
RANGES = (
    ("-n", 0, 4294967295, "number of tests must be 0 to 4294967295"),
    ("-I", 12, 31536000, "test interval must be 0 to 31536000"),
    ("-R", 0, 50, "random part of the interval must be 0 to 50"),
    ("-L", 0, 31536000, "latest time must be 0 to 31536000"),
    ("-a", 0, 31536000, "clock error must be 0 to 31536000"),
    ("-t", 1, 31536000, "test duration must be 1 to 31536000"),
    ("-b", 0, 2**64 - 1, "bandwidth must be 0 to 18446744073709551615"),
    ("-i", 0, 4294967, "report interval must be 0 to 4294967"),
    ("-l", 1, 2**32 - 1, "buffer length must be 1 to 4294967295"),
    ("-w", 1, 2**32 - 1, "window size must be 1 to 4294967295"),
    ("-W", 1, 2**32 - 1, "window size must be 1 to 4294967295"),
    ("-P", 1, 255, "parallel streams must be 1 to 255"),
    ("-O", 0, 60, "omitted time must be 0 to 60"),
    ("-m", 28, 9216, "maximum segment size must be 28 to 9216"),
    ("-E --tester_port", 1, 65535, "port must be 1 to 65535"),
)


TLS = {"tls": True, "ca_file": "a", "cert_file": "b", "key_file": "c"}


class ValueTests(SynchronousTestCase):
    """Single options."""

    def check(self, line: str, given: dict[str, Any]) -> None:
        """The line gives these fields and leaves the others at their defaults."""
        options, default = read(line), read("")
        for field in fields(Options):
            expected = given.get(field.name, getattr(default, field.name))
            self.assertEqual(getattr(options, field.name), expected, f"{line}: {field.name}")

    def test_defaults(self) -> None:
        """What holds without options."""
        expected = Options(
            receiver=HostPort("h"),
            tools=(ToolID.IPERF3, ToolID.IPERF, ToolID.NUTTCP, ToolID.THRULAY),
        )
        self.assertEqual(read(""), expected)
        self.assertEqual(remarks(expected), [])

    def test_values(self) -> None:
        """Every option with a value: short, long, joined and not."""
        for short, long, text, given in VALUES:
            for line in (f"{short} {text}", f"{short}{text}", f"{long} {text}", f"{long}={text}"):
                self.check(line, given)

    def test_switches(self) -> None:
        """Every option without a value."""
        for short, long, given in SWITCHES:
            self.check(long, given)
            self.check(short, given if short else {})

    def test_tls(self) -> None:
        """--tls is for all named daemons, bwctls:// for one; the files go with either."""
        self.check("--tls --ca a --cert b --key c", TLS)
        given = {"receiver": HostPort("h", 4824, tls=True)} | {**TLS, "tls": False}
        line = "-c bwctls://h --ca a --cert b --key c"
        options = parse(BWCTL, line.split())
        self.assertEqual({name: getattr(options, name) for name in given}, given)

    def test_plot(self) -> None:
        """A chart needs intervals: --plot asks for them where -i does not, shorter in a short test.
        The name is one of a picture."""
        for line, milliseconds in {"": 1000, "-t 4": 250, "-t 4 -i 2": 2000}.items():
            given = {"plot": "some/where.SVG", "report_interval_ms": milliseconds}
            given |= {"duration": 4} if "-t" in line else {}
            self.check(f"--plot some/where.SVG {line}", given)
        for name in ("chart", "chart.gif", ".png", "chart.png/"):
            self.assertEqual(
                error(f"-c h --plot {name}"), f"--plot {name}: the name must end in .png or .svg"
            )

    def test_every_option_is_tested(self) -> None:
        """No option of the table is missing here."""
        tested = {row[1] for row in VALUES} | {row[1] for row in SWITCHES}
        elsewhere = {"receiver", "sender", "authmethod", "tester_port", "schedule"}
        elsewhere |= {"version", "help", "tls", "ca", "cert", "key", "plot"}
        self.assertEqual(
            {f"--{opt.long}" for opt in BWCTL.options()}, tested | {f"--{n}" for n in elsewhere}
        )

    def test_names_are_unique(self) -> None:
        """No two options share a name."""
        names = [name for opt in BWCTL.options() for name in opt.names]
        self.assertEqual(len(names), len(set(names)))

    def test_unique_prefixes(self) -> None:
        """A long option may be shortened as far as it is unique."""
        longs = [opt.long for opt in BWCTL.options()]
        for _, long, text, given in VALUES:
            for end in range(3, len(long)):
                prefix = long[2:end]
                if [name for name in longs if name.startswith(prefix)] == [long[2:]]:
                    self.check(f"--{prefix} {text}", given)
                    self.check(f"--{prefix}={text}", given)

    def test_ambiguous_prefix(self) -> None:
        """A prefix of two options is an error that names both."""
        message = error("-c h --par 3")
        self.assertEqual(message, "ambiguous option: --par could match --parallel, --parsable")

    def test_hyphens(self) -> None:
        """A hyphen does for an underscore."""
        self.check("--report-interval 2", {"report_interval_ms": 2000})
        self.check("--no-endpoint", {"no_endpoint": True})
        self.check("--test-d=2", {"duration": 2})

    def test_cluster(self) -> None:
        """Short options may share one word, the last with its value."""
        self.check("-vvxP3", {"verbose": 2, "both": True, "parallel": 3})
        self.check("-uoxb 5k", {"udp": True, "flip": True, "both": True, "bandwidth": 5000})

    def test_verbose_counts(self) -> None:
        """-v may be repeated."""
        self.check("-v --verbose -v", {"verbose": 3})

    def test_last_one_wins(self) -> None:
        """Of a repeated option the last one counts."""
        self.check("-t 3 -t 4", {"duration": 4})

    def test_order_is_free(self) -> None:
        """Options may stand before and after the hosts."""
        options = parse(BWCTL, ["-t", "3", "-c", "h", "-P", "2", "-s", "g", "-v"])
        self.assertEqual((options.duration, options.parallel, options.verbose), (3, 2, 1))

    def test_value_that_looks_odd(self) -> None:
        """A value may start with an equals sign."""
        self.assertEqual(parse(BWCTL, ["-cxh", "-xpd", "=dir"]).output_dir, "=dir")

    def test_schedule(self) -> None:
        """--schedule gives local times of day."""
        self.check("--schedule 12:30,6", {"schedule": (time(6), time(12, 30))})


class RangeTests(SynchronousTestCase):
    """What is refused before anything is sent."""

    def test_bounds(self) -> None:
        """The ends of each range are in it."""
        for option, low, high, _ in RANGES:
            read(f"{option} {low}")
            read(f"{option} {high}")

    def test_outside(self) -> None:
        """One below and one above are not; the message names option, value and rule."""
        for option, low, high, rule in RANGES:
            for value in {high + 1, low - 1, -1} - {11}:
                if rule.startswith(("bandwidth", "buffer", "window")) and value < 0:
                    continue
                expected = f"{option.split()[-1]} {value}: {rule}"
                self.assertEqual(error(f"-c h {option} {value}"), expected)

    def test_not_a_number(self) -> None:
        """No option takes a word for a number."""
        for option, *_ in RANGES:
            self.assertIn(f"{option.split()[-1]} x: ", error(f"-c h {option} x"))

    def test_option_is_named_as_written(self) -> None:
        """The message has the option as the user wrote it, prefixes in full."""
        for written, named in {
            "-P": "-P",
            "--parallel": "--parallel",
            "--paral": "--parallel",
        }.items():
            message = error(f"-c h {written} 300")
            self.assertEqual(message, f"{named} 300: parallel streams must be 1 to 255")

    def test_one_line_and_a_hint(self) -> None:
        """stderr gets two lines, not the help."""
        usage = self.assertRaises(UsageError, read, "-P 300")
        self.assertEqual(
            complaint("bwctl", usage.failure),
            "bwctl: -P 300: parallel streams must be 1 to 255\n"
            "bwctl: hint: `bwctl --help` lists the options\n",
        )
        self.assertEqual(usage.status, 2)

    def test_bad_values(self) -> None:
        """Values that are no numbers have rules too."""
        cases = {
            "-b 10x": "bandwidth must be a whole number, with k, m, g, t, p, e or z after it",
            "-w 4g": "window size must be 1 to 4294967295",
            "-i 0.0001": "report interval must be 0 or at least 0.001",
            "-a nan": "clock error must be 0 to 31536000",
            "-S 3": "TOS must be an even number, 0 to 254 (0x and 0 prefixes allowed)",
            "-D af14": "DSCP must be 0 to 63 or a name: none, ef, cs0 to cs7, af11 to af43",
            "-f x": "units must be one of b B k K m M g G a A",
            "-f MM": "units must be one of b B k K m M g G a A",
            "-y JJ": "output format must be one printable ASCII character",
            "-T foo": "tester 'foo' is not one of iperf, nuttcp, thrulay, iperf3",
            "-T iperf3,": "tester '' is not one of iperf, nuttcp, thrulay, iperf3",
            "-T ping": "ping is a tester of bwping",
            "-T iperf3,traceroute": "traceroute is a tester of bwtraceroute",
            "-T paris-traceroute": "paris-traceroute is a tester of bwtraceroute",
            "--schedule 25": "'25' is not HH, HH:MM, HH:MM:SS or *:MM",
            "-c h:99999": "port must be 1 to 65535",
            "-s a:b:c": "not an IPv6 address; write [ADDRESS]:PORT for one with a port",
            "-A x": "mode must be made of the letters A, E and O",
            f"-d {'x' * 4096}": "directory name must have 1 to 4032 octets",
        }
        for line, rule in cases.items():
            self.assertEqual(error(line), f"{line}: {rule}")
        self.assertIn("facility must be one of auth, ", error("-e nowhere"))

    def test_empty_values(self) -> None:
        """An empty value is refused by the same rules."""
        for option in ("-c", "-B", "-d", "-P", "-y", "--parallel"):
            usage = self.assertRaises(UsageError, parse, BWCTL, [option, ""])
            self.assertIn(": ", usage.message)


class UsageTests(SynchronousTestCase):
    """Lines that are wrong as a whole."""

    def test_missing_value(self) -> None:
        """An option at the end, or before another one, lacks its value."""
        for line in ("-c", "-c -s g", "--receiver", "-c --sender g"):
            self.assertEqual(error(line), "-c/--receiver: a value must follow")
        self.assertEqual(error("-c h --paral"), "-P/--parallel: a value must follow")

    def test_unknown_option(self) -> None:
        """An unknown option is an error."""
        self.assertEqual(error("-c h --foo"), "not an option and not a value: --foo")
        self.assertEqual(error("-c h -Z"), "not an option and not a value: -Z")

    def test_stray_word(self) -> None:
        """So is a word that belongs to no option, also after --."""
        self.assertEqual(error("-c h word"), "not an option and not a value: word")
        self.assertEqual(error("-c h -- word"), "not an option and not a value: word")

    def test_bare_host(self) -> None:
        """A host alone gets the two lines that were probably meant; nothing else does."""
        for line, hint in (
            ("h", "`bwctl -c h` tests from here to h, `bwctl -s h` from h to here"),
            (
                "-t 5 h:4 x",
                "`bwctl -c h:4` tests from here to h:4, `bwctl -s h:4` from h:4 to here",
            ),
            ("-c h word", ""),
            ("--foo", ""),
        ):
            with self.assertRaises(UsageError) as caught:
                parse(BWCTL, line.split())
            self.assertEqual(caught.exception.hint, hint, line)

    def test_nearly(self) -> None:
        """A mistyped command, option or mode gets what was probably meant."""
        for line, hint in (
            ("chekc h", "did you mean `bwctl check`?"),
            ("-c h --jsn", "did you mean --json?"),
            ("-c h --test-duratoin=5", "did you mean --test_duration?"),
            ("-c h AX AESKEY jane keys", "AX: a mode is made of the letters A, E and O"),
        ):
            usage = self.assertRaises(UsageError, parse, BWCTL, line.split())
            self.assertEqual(usage.hint, hint, line)
        usage = self.assertRaises(UsageError, parse_check, ["h", "--jsn"])
        self.assertEqual(usage.hint, "did you mean --json?")
        usage = self.assertRaises(UsageError, parse, BWPING, ["chekc"])
        self.assertNotIn("did you mean", usage.hint)

    def test_value_of_a_switch(self) -> None:
        """A switch takes no value."""
        self.assertEqual(error("-c h --udp=1"), "-u/--udp: ignored explicit argument '1'")

    def test_only_one(self) -> None:
        """Hosts and their authentication are given once."""
        self.assertEqual(error("-c h -c g"), "-c: only one is allowed")
        self.assertEqual(error("-s h --sender g"), "--sender: only one is allowed")
        self.assertEqual(error("-c h -A O -A O"), "-A: only one is allowed")
        self.assertEqual(error("-c h -S 8 -S 8"), "-S: only one is allowed")

    def test_exclusive(self) -> None:
        """Options that contradict each other, in either order."""
        cases = {"-4": "-6", "-w 1": "-W 1", "-S 8": "-D ef", "-I 60": "--streaming"}
        cases |= {"--schedule 6": "-I 60", "--streaming": "--schedule 6"}
        cases |= {"--json": "--csv", "--csv": "--classic", "--classic": "--json"}
        for one, other in cases.items():
            for first, second in ((one, other), (other, one)):
                expected = f"{second.split()[0]}: not together with {first.split()[0]}"
                self.assertEqual(error(f"-c h {first} {second}"), expected)

    def test_rules(self) -> None:
        """Rules about several options."""
        cases = {
            "-t 3": "no host: give -c RECEIVER, -s SENDER or both",
            "-c h --ca f": "--ca, --cert and --key are for TLS",
            "-c h --cert f": "--ca, --cert and --key are for TLS",
            "-c bwctls://h --key f": "--key f: only with --cert",
            "-4 -c ::1": "-4: an address of the other IP version was given",
            "-6 -c 127.0.0.1": "-6: an address of the other IP version was given",
            "-c 127.0.0.1 -s ::1": "one host is an IPv4 address and the other an IPv6 address",
            "-c h --tester_port 5201": "--tester_port 5201: only with -E",
            "-c h -I 11": "-I 11: test interval must be at least the duration + 2 seconds",
            "-c h -I 21 -t 20": "-I 21: test interval must be at least the duration + 2 seconds",
            "-c h -u -b 0": "-b 0: UDP needs a rate",
            "-c h --json -p": "--json: not together with -p",
            "-c h --csv -p": "--csv: not together with -p",
        }
        for line, message in cases.items():
            self.assertEqual(error(line), message)

    def test_allowed_together(self) -> None:
        """The near misses of those rules."""
        lines = ("-I 12", "-4 -4", "-s h:4824", "-s 127.0.0.1 -4", "-E --tester_port 1", "-b 0")
        lines += ("--classic -p", "--csv --plot a.png", "--classic --parsable --plot a.svg")
        for line in (*lines, "-I 0", "--json -x --parsable", "-w 1 -w 2"):
            read(line)

    def test_remarks(self) -> None:
        """Options without effect are told."""
        cases = {
            "-q -v": "-q has no effect together with -v",
            "-d dir": "-d has no effect without -p",
            "--parsable -y c": "-y has no effect together with --parsable",
            "-u -W 1m": "-W has no effect with -u",
            "-u -m 1460": "-m has no effect with -u",
            "-L 1": "-L 1: even an idle daemon offers no time slot before about 2 seconds",
        }
        for line, remark in cases.items():
            self.assertEqual(remarks(read(line)), [remark])
        for line in ("-q", "-p -d dir", "-L 2"):
            self.assertEqual(remarks(read(line)), [])


class AuthenticationTests(SynchronousTestCase):
    """Authentication words in all positions."""

    JANE = AuthWords(6, "jane", "keys")

    def check(self, line: str, receiver: AuthWords, sender: AuthWords) -> None:
        """Both ends have their words, and the rest of the line is read."""
        options = parse(BWCTL, line.split())
        self.assertEqual((options.receiver_auth, options.sender_auth), (receiver, sender), line)

    def test_none(self) -> None:
        """The default is the open mode."""
        self.check("-c h -s g", AuthWords(1), AuthWords(1))

    def test_after_one_host(self) -> None:
        """Words belong to the host before them, however its option is written."""
        for option in ("-c h", "-ch", "--receiver h", "--receiver=h", "--rec h", "-vc h", "-xvch"):
            self.check(f"{option} AE AESKEY jane keys", self.JANE, AuthWords())
            self.check(f"-s g {option} AE AESKEY jane keys -t 3", self.JANE, AuthWords())
            self.check(f"{option} AE AESKEY jane keys -s g -v", self.JANE, AuthWords())
        self.check("-c h -s g AE AESKEY jane keys", AuthWords(), self.JANE)

    def test_after_both_hosts(self) -> None:
        """Each host has its own words."""
        self.check("-c h AE AESKEY jane keys -s g AEO AESKEY joe", self.JANE, AuthWords(7, "joe"))

    def test_default(self) -> None:
        """-A is for hosts without words, wherever it stands."""
        for option in ("-A AE", "-AAE", "--authmethod AE", "--authmethod=AE", "--auth AE"):
            line = f"{option} AESKEY jane keys"
            self.check(f"{line} -c h -s g", self.JANE, self.JANE)
            self.check(f"-c h {line} -s g", self.JANE, self.JANE)
            self.check(f"-c h -s g O {line}", self.JANE, AuthWords(1))

    def test_option_ends_the_words(self) -> None:
        """A key file cannot begin with a hyphen: the passphrase is asked for."""
        self.check("-c h AE AESKEY jane -s g", AuthWords(6, "jane"), AuthWords())

    def test_other_options_have_no_words(self) -> None:
        """A mode after any other option is a stray word."""
        self.assertEqual(error("-c h -t 3 AE"), "not an option and not a value: AE")

    def test_not_a_mode(self) -> None:
        """A stray word after a host is named."""
        self.assertEqual(error("-c h AEX"), "not an option and not a value: AEX")

    def test_broken_words(self) -> None:
        """Errors show where the words stand."""
        self.assertEqual(error("-s g AE AESKEY"), "-s g AE AESKEY: an identity must follow")
        self.assertEqual(error("-c h -A E"), "-A E: this mode needs a key")
        self.assertEqual(error("-c h -A"), "-A/--authmethod: a value must follow")


class DerivedTests(SynchronousTestCase):
    """What follows from the options."""

    def test_count(self) -> None:
        """One test, unless repetition is asked for; 0 is as if not given."""
        cases = {"": 1, "-n 0": 1, "-n 5": 5, "-I 60": None, "-I 60 -n 5": 5, "-I 60 -n 0": None}
        cases |= {"--streaming": None, "--schedule 6": None, "-I 0": 1, "--streaming -n 2": 2}
        for line, count in cases.items():
            self.assertEqual(read(line).count, count, line)
            self.assertEqual(read(line).endless, count is None, line)

    def test_latest(self) -> None:
        """How long to wait for a time slot."""
        cases = {"": 600, "-t 400": 800, "-L 30": 30, "-L 0": 600, "-I 60": 30}
        cases |= {"-I 15": 10, "-t 2 -I 4": 10}
        for line, latest in cases.items():
            self.assertEqual(read(line).latest_s, latest, line)

    def test_verbose_wins(self) -> None:
        """-q is silent only without -v."""
        self.assertTrue(read("-q").silent)
        self.assertFalse(read("-q -v").silent)
        self.assertFalse(read("").silent)

    def test_spec(self) -> None:
        """The options become a TestSpec."""
        options = read("-t 5 -P 2 -O 1 -w 1m -i 0.5 -m 1400 -D ef -f m -l 8k -v -y c")
        self.assertEqual(
            options.spec(ToolID.IPERF3, client=ONE, server=OTHER),
            TestSpec(
                tool=ToolID.IPERF3,
                client=ONE,
                server=OTHER,
                duration=5,
                parallel=2,
                omit=1,
                window=1 << 20,
                report_interval_ms=500,
                mss=1400,
                tos=0xB8,
                units="m",
                buffer_length=8192,
                verbose=True,
                output_format="c",
            ),
        )

    def test_spec_of_other_switches(self) -> None:
        """Flip, UDP and --parsable are in the TestSpec too; -E counts once a daemon is missing."""
        options = read("-o -E -u -W 1m --parsable -y c")
        spec = options.spec(ToolID.IPERF3, client=ONE, server=OTHER, parsable_format="J")
        self.assertTrue(spec.server_sends and spec.dynamic_window and not spec.no_server_endpoint)
        self.assertEqual((spec.udp, spec.bandwidth, spec.output_format), (True, 1_000_000, "J"))

    def test_format_for_results(self) -> None:
        """Where nobody reads the tester's text it writes its exact format, but not too much of it;
        -y wins. The daemons tell more, as nobody reads their lines either."""
        cases = {
            "": "",
            "--classic": "",
            "--json": "J",
            "--csv": "J",
            "--csv -y c": "c",
            "--json -t 2000": "J",
            "--json -t 2001": "",
            "--json -t 2001 -i 2": "J",
            "--json -t 100 -P 21": "",
            "--parsable -t 9999": "J",
        }
        for line, letter in cases.items():
            spec = read(line).spec(ToolID.IPERF3, client=ONE, server=OTHER, parsable_format="J")
            told = "--json" in line or "--csv" in line
            self.assertEqual((spec.output_format, spec.verbose), (letter, told), line)


class HelpTests(SynchronousTestCase):
    """Help and version."""

    def output(self, *arguments: str) -> str:
        """What stdout gets; the exit status is 0 and stderr empty."""
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            ended = self.assertRaises(SystemExit, parse, BWCTL, arguments)
        self.assertEqual((ended.code, err.getvalue()), (0, ""))
        return out.getvalue()

    def test_version(self) -> None:
        """-V prints the version on stdout."""
        for option in ("-V", "--version", "--vers"):
            self.assertEqual(self.output(option), f"bwctl {__version__}\n")

    def test_help_is_complete(self) -> None:
        """Every option, exit status and example is in the help."""
        text = self.output("-h")
        self.assertEqual(text, self.output("--help"))
        for opt in BWCTL.options():
            self.assertIn(", ".join(opt.names) + (f" {opt.metavar}" if opt.metavar else ""), text)
        for status in ExitStatus:
            self.assertIn(f"{status.value:>3}  {status.meaning}\n", text)
        for command, effect in BWCTL.examples:
            self.assertIn(command, text)
            self.assertIn(effect, text)
        self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_examples_work(self) -> None:
        """Each example is a line that can be used."""
        for command, _ in BWCTL.examples:
            parse(BWCTL, command.split()[1:])

    def test_every_field_has_an_option(self) -> None:
        """The table names fields that exist."""
        known = {field.name for field in fields(Options)} | {"", "modes"}
        self.assertLessEqual({opt.field for opt in BWCTL.options()}, known)

    def test_help_is_fast(self) -> None:
        """Reading the command line does not import Twisted or cryptography."""
        program = (
            "import sys, bwctl.cli.options, bwctl.cli.throughput, bwctl.cli.exits\n"
            "print([n for n in ('twisted', 'zope.interface', 'cryptography') if n in sys.modules])"
        )
        run = subprocess.run(
            [sys.executable, "-c", program], cwd=PACKAGES, capture_output=True, check=True
        )
        self.assertEqual(run.stdout, b"[]\n")
