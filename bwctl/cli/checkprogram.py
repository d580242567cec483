"""The options of `bwctl check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bwctl.cli.auth import AuthWords
from bwctl.cli.common import OUTPUT, SCHEDULE, ends
from bwctl.cli.exits import ExitStatus, UsageError
from bwctl.cli.hosts import HostPort, parse_host
from bwctl.cli.optiontable import Group
from bwctl.cli.parser import Given, build
from bwctl.cli.program import Program
from bwctl.cli.stray import stray_words
from bwctl.cli.words import clean
from bwctl.values import Kind, ToolID

_MOST_HOSTS: Final = 32  # every pair of them is tested, in both directions


def _some(group: Group, *names: str) -> Group:
    """A group with some of its options, in the words of this command."""
    kept = (opt for opt in group.options if opt.long in names)
    return Group(group.title, tuple(replace(opt, **_TEXTS.get(opt.long, {})) for opt in kept))


_TEXTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "authmethod": {"help": "authentication for all hosts (default: O)"},
    "tool": {"help": "testers to try, a list with commas: each one that both ends have"},
    "json": {
        "help": "print one JSON object on stdout and nothing else there",
        "more": "Its first key is schema, with the value bwctl.check/1.",
    },
}


CHECK = Program(
    name="bwctl check",
    kind=Kind.THROUGHPUT,
    purpose="check daemons, their clocks, and the ports between them",
    groups=(
        _some(
            ends(Kind.THROUGHPUT),
            *("authmethod", "ipv4", "ipv6", "local_address", "tool", "tls", "ca", "cert", "key"),
        ),
        _some(SCHEDULE, "allow_ntp_unsync"),
        _some(OUTPUT, "json", "verbose", "quiet", "help"),
    ),
    default_tools=(ToolID.THRULAY, ToolID.IPERF3, ToolID.IPERF, ToolID.NUTTCP),
    examples=(
        ("bwctl check recv.example.net", "between this host and that one, both ways"),
        ("bwctl check a.example.net b.example.net", "between two others, both ways"),
        ("bwctl check --json bwctls://a.example.net", "over TLS, for a program"),
    ),
    see_also="bwctl(1), bwctld(8), bwctl-server.conf(5)",
    usage="[options] HOST...",
    words="HOST",
    about=(
        "{name} asks each daemon that is named for its testers and its time, over TLS too where "
        "it listens on the usual port 4824. Then it tests for one second from every daemon to "
        "every other, with each tester that both have ({tools}; -T changes the list). If only "
        "one daemon is named, the other end is this host.",
        "Where a test does not get through, it says which port of which host is closed to whom, "
        "and which option of bwctl-server.conf has the range that a firewall has to let in.",
        "All daemons are reached with the same authentication words, those of -A.",
    ),
    output=(
        "stdout has a table of the daemons, one of the tests, and advice. control is the round "
        "trip time of the control connection; clock is how far the daemon's clock is from that "
        "of this host, and how far that figure may be off.",
        "With --json stdout has one object in one line. Its first key is schema, with the value "
        "bwctl.check/1; result of each of its ways is an object of schema bwctl.result/1.",
    ),
    meanings={
        ExitStatus.OK: "all daemons answer, and every test went well",
        ExitStatus.TEST_FAILED: "a daemon or a test failed",
        ExitStatus.USAGE: "wrong option or value; nothing was sent",
        ExitStatus.INTERNAL: "a defect of the program",
        ExitStatus.INTERRUPTED: "stopped by a signal",
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What is to be checked."""

    hosts: tuple[HostPort, ...]
    auth: AuthWords = AuthWords()
    tools: tuple[ToolID, ...] = CHECK.default_tools
    ip_version: int = 0
    local_address: str = ""
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    allow_unsync_s: float = 0.0
    json: bool = False
    verbose: int = 0
    quiet: bool = False


def parse(arguments: Sequence[str]) -> CheckOptions:
    """Read the command line after `check`.

    Raises:
        UsageError: it cannot be used.
        SystemExit: with 0, after help was printed.
    """
    words = clean(CHECK.options(), arguments)
    given = Given()
    _, stray = build(CHECK).parse_known_intermixed_args(words.plain, given)
    if stray:
        raise stray_words(stray, CHECK.options())
    fields = {name: value for name, value in vars(given).items() if name not in ("met", "modes")}
    hosts = tuple(_host(word) for word in fields.pop("words"))
    if len(set(hosts)) < len(hosts):
        raise UsageError("a host is named twice")
    if len(hosts) > _MOST_HOSTS:
        raise UsageError(f"more than {_MOST_HOSTS} hosts", "check them in groups")
    return CheckOptions(hosts=hosts, auth=words.auth.get("authmethod", AuthWords()), **fields)


def _host(word: str) -> HostPort:
    try:
        return parse_host(word)
    except ValueError as error:
        raise UsageError(f"{word}: {error}") from None
