"""From the command line to Options: everything checked before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any

from bwctl.cli.auth import AuthWords
from bwctl.cli.exits import UsageError
from bwctl.cli.hosts import HostPort
from bwctl.cli.latency import PACKETS, SPACING_MS
from bwctl.cli.parser import Given, build
from bwctl.cli.program import Program
from bwctl.cli.stray import nearest_command, stray_words
from bwctl.cli.words import clean
from bwctl.values import IPAddress, Kind, TestSpec, ToolID

UDP_BANDWIDTH = 1_000_000  # bit/s, where -b is not given
DURATION_S = 10
_LATE_ANSWERS_S = 5  # clients.md 2.5
PLOT_MS = 1000  # from one point of a chart to the next, where -i is not given
MOST_ENTRIES = 2000  # of iperf3's JSON, some 800 octets each
_LEAST_LATEST_S = 10  # what idle daemons of any kind need, with clocks that err by a second
LEAD_FLOOR_S = 2  # an idle daemon offers no start before its padding, at least 1.5 s; C's: 4 s


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user wants. 0, "" and None: not given. Source: clients.md 2."""

    # test ends
    receiver: HostPort | None = None
    sender: HostPort | None = None
    receiver_auth: AuthWords = AuthWords()
    sender_auth: AuthWords = AuthWords()
    ip_version: int = 0  # 4 or 6
    local_address: str = ""
    tools: tuple[ToolID, ...] = ()  # in the order of preference
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    flip: bool = False
    no_endpoint: bool = False
    tester_port: int = 0
    # test
    duration: int = DURATION_S
    udp: bool = False
    bandwidth: int = 0  # bit/s
    parallel: int = 0  # streams
    omit: int = 0  # seconds
    report_interval_ms: int = 0
    buffer_length: int = 0  # octets
    window: int = 0  # octets
    dynamic_window: bool = False
    mss: int = 0  # octets
    tos: int = 0  # TOS octet, of -D or -S
    units: str = ""
    packet_count: int = 0
    packet_spacing_ms: int = 0
    packet_size: int = 0  # octets
    ttl: int = 0  # hops
    first_ttl: int = 0  # hops
    last_ttl: int = 0  # hops
    # time and repetition
    num_tests: int = 0
    test_interval: int = 0  # seconds
    randomize: int = 10  # percent
    streaming: bool = False
    schedule: tuple[time, ...] = ()  # local times of day
    latest_time: int = 0  # seconds
    allow_unsync_s: float = 0.0
    # output
    json: bool = False
    csv: bool = False
    classic: bool = False
    plot: str = ""  # file
    both: bool = False
    output_format: str = ""
    parsable: bool = False
    to_files: bool = False
    output_dir: str = ""
    verbose: int = 0
    quiet: bool = False
    syslog_to_stderr: bool = False
    facility: str = ""  # of syslog

    @property
    def endless(self) -> bool:
        """Whether only a signal ends the tests. Source: clients.md 9.1."""
        return not self.num_tests and bool(self.test_interval or self.streaming or self.schedule)

    @property
    def count(self) -> int | None:
        """How many tests to make; None: no end."""
        return None if self.endless else self.num_tests or 1

    @property
    def latest_s(self) -> int:
        """Longest wait for a time slot, seconds. Source: clients.md 7.3.

        Not less than an idle daemon needs, however short the interval: C then never tests.
        """
        if self.latest_time:
            return self.latest_time
        if self.test_interval:
            rest = min(self.test_interval - self.duration, self.test_interval // 2)
            return max(rest, _LEAST_LATEST_S)
        return max(2 * self.duration, 600)

    @property
    def silent(self) -> bool:
        """No progress and no summary; -v wins over -q."""
        return self.quiet and not self.verbose

    @property
    def exact(self) -> bool:
        """Whether the tester's format for programs is asked for where nobody reads its text.

        iperf3 prints three digits of an amount, but its JSON takes more room in a daemon's result.
        """
        seconds = self.report_interval_ms / 1000 or 1.0
        entries = (self.duration + self.omit) / seconds * max(1, self.parallel)
        unread = (self.json or self.csv) and not self.output_format
        return unread and entries <= MOST_ENTRIES

    def spec(
        self, tool: ToolID, *, client: IPAddress, server: IPAddress, parsable_format: str = ""
    ) -> TestSpec:
        """The test as both ends have to agree on it.

        Args:
            tool: the tester chosen.
            client, server: addresses of the tester's client and server.
            parsable_format: `ITester.parsable_format`, used with --parsable, and where `exact`.
        """
        same = {name: getattr(self, name) for name in _SPEC_FIELDS}
        machine = self.parsable or self.exact
        return TestSpec(
            tool=tool,
            client=client,
            server=server,
            verbose=bool(self.verbose or self.json or self.csv),  # when testers started, ended
            server_sends=self.flip,
            output_format=parsable_format if machine else self.output_format,
            **same,
        )


_BARE_HOST = "`{0} -c {1}` tests from here to {1}, `{0} -s {1}` from {1} to here"
_SPEC_FIELDS = (
    *("duration", "tos", "udp", "bandwidth", "buffer_length", "window", "dynamic_window"),
    *("report_interval_ms", "parallel", "mss", "omit", "units"),
    *("packet_count", "packet_spacing_ms", "packet_size", "ttl", "first_ttl", "last_ttl"),
)


def parse(program: Program, arguments: Sequence[str]) -> Options:
    """Read a command line, without the program's name.

    Raises:
        UsageError: it cannot be used; the message names the option and the rule.
        SystemExit: with 0, after help or version was printed.
    """
    words = clean(program.options(), arguments)
    given = Given()
    _, stray = build(program).parse_known_args(words.plain, given)
    if stray:
        named = {"receiver", "sender"} & set(vars(given))
        hint = "" if named or stray[0].startswith("-") else _bare(program, stray[0])
        raise stray_words(stray, program.options(), hint)
    fields = {name: value for name, value in vars(given).items() if name not in ("met", "modes")}
    default = words.auth.get("authmethod", AuthWords())
    options = Options(
        receiver_auth=words.auth.get("receiver", default),
        sender_auth=words.auth.get("sender", default),
        **_defaults(program, fields),
    )
    for broken, message, hint in _RULES:
        if broken(options):
            raise UsageError(message.format(options), hint.format(options))
    return options


def _bare(program: Program, word: str) -> str:
    """What a word alone probably means: a command, or a host."""
    command = nearest_command(word) if program.also else ""
    return f"did you mean `bwctl {command}`?" if command else _BARE_HOST.format(program.name, word)


def _defaults(program: Program, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with those defaults that depend on others."""
    fields = {"tools": program.default_tools, **_DEFAULTS[program.kind]} | fields
    if program.kind is Kind.LATENCY:
        packets = fields["packet_count"] * fields["packet_spacing_ms"] / 1000
        fields["duration"] = int(packets + _LATE_ANSWERS_S)
    if fields.get("udp"):
        fields.setdefault("bandwidth", UDP_BANDWIDTH)
    fields["duration"] = fields.get("duration") or DURATION_S
    if fields.get("plot") and program.kind is Kind.THROUGHPUT:
        usual = PLOT_MS if fields["duration"] * 1000 >= 5 * PLOT_MS else PLOT_MS // 4
        fields["report_interval_ms"] = fields.get("report_interval_ms") or usual
    return fields


_DEFAULTS: Mapping[Kind, Mapping[str, Any]] = {
    Kind.THROUGHPUT: {},
    Kind.LATENCY: {"packet_count": PACKETS, "packet_spacing_ms": SPACING_MS},
    Kind.TRACE: {},
}


def remarks(options: Options) -> list[str]:
    """What is legal but probably not meant; for stderr."""
    return [text.format(options) for doubtful, text in _REMARKS if doubtful(options)]


def _wrong_family(options: Options) -> bool:
    """Whether -4 or -6 excludes an address that was given."""
    return bool(options.ip_version and _families(options) - {options.ip_version})


def _over_tls(options: Options) -> bool:
    """Whether any daemon is reached over TLS."""
    return options.tls or any(end.tls for end in (options.receiver, options.sender) if end)


def _families(options: Options) -> set[int]:
    """The IP versions of the ends that are written as addresses."""
    ends = (end for end in (options.receiver, options.sender) if end)
    return {address.version for end in ends if (address := end.address)}


_Rule = tuple[Callable[[Options], Any], str, str]
_RULES: tuple[_Rule, ...] = (
    (
        lambda o: not (o.receiver or o.sender),
        "no host: give -c RECEIVER, -s SENDER or both",
        "",
    ),
    (
        _wrong_family,
        "-{0.ip_version}: an address of the other IP version was given",
        "",
    ),
    (
        lambda o: not o.ip_version and len(_families(o)) > 1,
        "one host is an IPv4 address and the other an IPv6 address",
        "a test needs two addresses of the same IP version",
    ),
    (
        lambda o: (o.ca_file or o.cert_file or o.key_file) and not _over_tls(o),
        "--ca, --cert and --key are for TLS",
        "add --tls, or write bwctls://HOST",
    ),
    (
        lambda o: o.key_file and not o.cert_file,
        "--key {0.key_file}: only with --cert",
        "",
    ),
    (
        lambda o: o.tester_port and not o.no_endpoint,
        "--tester_port {0.tester_port}: only with -E",
        "the daemons agree on a port by themselves",
    ),
    (
        lambda o: o.test_interval and o.test_interval < o.duration + 2,
        "-I {0.test_interval}: test interval must be at least the duration + 2 seconds",
        "the duration is {0.duration} seconds",
    ),
    (
        lambda o: o.udp and not o.bandwidth,
        "-b 0: UDP needs a rate",
        "leave -b out for 1 Mbit/s",
    ),
    (
        lambda o: o.json and o.to_files,
        "--json: not together with -p",
        "redirect stdout to a file",
    ),
    (
        lambda o: o.csv and o.to_files,
        "--csv: not together with -p",
        "redirect stdout to a file",
    ),
)

_REMARKS: tuple[tuple[Callable[[Options], Any], str], ...] = (
    (lambda o: o.quiet and o.verbose, "-q has no effect together with -v"),
    (lambda o: o.output_dir and not o.to_files, "-d has no effect without -p"),
    (lambda o: o.parsable and o.output_format, "-y has no effect together with --parsable"),
    (lambda o: o.dynamic_window and o.udp, "-W has no effect with -u"),
    (lambda o: o.mss and o.udp, "-m has no effect with -u"),
    (
        lambda o: 0 < o.latest_time < LEAD_FLOOR_S,
        "-L {0.latest_time}: even an idle daemon offers no time slot "
        f"before about {LEAD_FLOOR_S} seconds",
    ),
)
