"""What `bwctl-simulate` is, and how its command line is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bwctl.cli.exits import ExitStatus, UsageError
from bwctl.cli.parser import Given, build
from bwctl.cli.program import Program
from bwctl.cli.simulateoptions import GROUPS
from bwctl.cli.stray import stray_words
from bwctl.cli.words import clean
from bwctl.values import Kind, ToolID

SIMULATE = Program(
    name="bwctl-simulate",
    kind=Kind.THROUGHPUT,
    purpose="tell before it runs whether a mesh of tests fits",
    groups=GROUPS,
    default_tools=(ToolID.IPERF3,),
    usage="[options] --mesh FILE | --hosts N",
    speaks=False,
    about=(
        "{name} runs the brokers of all daemons of a mesh, and the negotiation of every test with "
        "both of its daemons, on a virtual clock: a week of 50 hosts takes less than a minute. "
        "Nothing is sent, and no tester runs. It tells how many of the planned tests are done, "
        "late or refused, how long they wait, how much of each host's time they take, and "
        "whether the mesh fits.",
        "A TIME is a number of seconds, or a number with ms, s, m, h, d or w after it. The format "
        "of mesh files is told in doc/user/mesh.md; options beat what the file says under "
        "simulate.",
    ),
    output=(
        "stdout has a table of the tests, one of the busiest hosts, and the verdict, with the "
        "reasons where the mesh does not fit, and advice. wait is the time from a planned start "
        "to the real one; testing is the share of a host's time in which a throughput test has "
        "it, taken the share with paddings, and clients the most control connections at a time.",
        "With --json stdout has one object in one line. Its first key is schema, with the value "
        "bwctl.simulation/1. Times are seconds, shares go from 0 to 1.",
    ),
    meanings={
        ExitStatus.OK: "the mesh fits",
        ExitStatus.TEST_FAILED: "it does not fit",
        ExitStatus.USAGE: "wrong option, value or file",
        ExitStatus.INTERNAL: "a defect of the program",
        ExitStatus.INTERRUPTED: "stopped by a signal",
    },
    examples=(
        ("bwctl-simulate --hosts 50 -t 30 -I 6h", "a full mesh: fits or not, and how busy"),
        ("bwctl-simulate --mesh mesh.json --json", "a mesh of your own, for a program"),
        ("bwctl-simulate --mesh mesh.json --limits FILE", "with the policy that daemons have"),
        ("bwctl-simulate --hosts 9 --failure_rate 0.05", "with a fault in every 20th test"),
    ),
    see_also="bwctl(1), bwctld(8), bwctl-server.limits(5)",
)

_OF_HOSTS: Final = ("pairs", "tool", "test_duration", "test_interval", "randomize", "latest")


def parse(arguments: Sequence[str]) -> Mapping[str, Any]:
    """What the command line sets, by field.

    Raises:
        UsageError: it cannot be used.
        SystemExit: with 0, after help or version was printed.
    """
    given = Given()
    words = clean(SIMULATE.options(), arguments).plain
    _, stray = build(SIMULATE).parse_known_args(words, given)
    if stray:
        raise stray_words(stray, SIMULATE.options())
    fields = {name: value for name, value in vars(given).items() if name != "met"}
    if not {"mesh", "host_count"} & fields.keys():
        raise UsageError("no mesh", "--mesh FILE names one, --hosts N makes one")
    useless = [name for name in _OF_HOSTS if name in fields]
    if useless and "mesh" in fields:
        raise UsageError(f"--{useless[0]}: only with --hosts", "put it into the mesh file")
    return fields
