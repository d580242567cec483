"""What the testers share: argument tables, checks of a test, names of ignored options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, Final, NamedTuple

from bwctl.interfaces import ITester
from bwctl.values import ProbeAnswer, TestSpec

MAX_DATAGRAM: Final = 65507  # octets of UDP payload that fit into one IPv4 packet

OPTION_FIELDS: Final[Mapping[str, Any]] = {
    field.name: field.default
    for field in fields(TestSpec)
    if field.default is not MISSING
    and field.name not in ("verbose", "server_sends", "no_server_endpoint")
}
"""Fields of a TestSpec that are options of a tester -> the value that means "not set"."""


class Option(NamedTuple):
    """A field of a TestSpec that becomes an option of a tester."""

    field: str
    flag: str
    format: Callable[[Any], str] | None = str  # None: a flag without a value


def arguments(spec: TestSpec, table: Iterable[Option]) -> list[str]:
    """The options of a table that are set in a TestSpec, in the order of the table."""
    argv: list[str] = []
    for option in table:
        value = getattr(spec, option.field)
        if value:
            argv.append(option.flag)
            argv += [option.format(value)] if option.format else []
    return argv


def interval(milliseconds: int) -> str:
    """Milliseconds as seconds in the form of C's %f. Source: testers.md 4."""
    return f"{milliseconds / 1000:.6f}"


def program(commands: Mapping[str, str], defaults: Mapping[str, str], key: str) -> str:
    """The program of a configuration key."""
    return commands.get(key) or defaults[key]


def ignored(spec: TestSpec, known: Iterable[str]) -> list[str]:
    """Fields set in a TestSpec that are not among the known ones."""
    known = set(known)
    return [
        name
        for name, default in OPTION_FIELDS.items()
        if name not in known and getattr(spec, name) != default
    ]


class Range(NamedTuple):
    """Values of a field that a tester takes; 0 (not set) is always taken."""

    field: str
    flag: str
    low: int
    high: int


TOS_RANGE: Final = Range("tos", "-S", 0, 255)
DATAGRAM_RANGE: Final = Range("buffer_length", "-l", 1, MAX_DATAGRAM)


def range_problems(name: str, spec: TestSpec, ranges: Iterable[Range]) -> list[str]:
    """A sentence for each value outside of its range."""
    return [
        f"{name} takes {field.replace('_', ' ')} ({flag}) from {low} to {high}, not {value}"
        for field, flag, low, high in ranges
        if (value := getattr(spec, field)) and not low <= value <= high
    ]


def choice_problem(name: str, what: str, flag: str, value: str, allowed: str) -> list[str]:
    """A sentence if a one-letter option is set to something that is not allowed."""
    if not value or (len(value) == 1 and value in allowed):
        return []
    return [f"{name} has no {what} {value!r} ({flag}), only {', '.join(allowed)}"]


def common_problems(tester: ITester, spec: TestSpec) -> list[str]:
    """Problems that every tester has with a test. Source: testers.md 5."""
    problems = []
    if spec.server_sends and not tester.supports_flip:
        problems.append(f"{tester.name} cannot send from its server to its client (-o)")
    if spec.no_server_endpoint and not tester.supports_no_endpoint:
        problems.append(f"{tester.name} needs a daemon at both ends (-E)")
    if spec.duration < 1:
        problems.append(f"{tester.name} needs a duration (-t) of at least 1 s")
    return problems


def found_version(pattern: re.Pattern[bytes], answer: ProbeAnswer) -> str:
    """The first group of a pattern in a probe's output; a tester that is here may not tell."""
    found = pattern.search(answer.output[:4096])
    return found[1].decode("ascii", "replace").strip() if found else "unknown"


def word_behind(prefix: bytes, answer: ProbeAnswer, statuses: Sequence[int]) -> str | None:
    """The word behind the beginning of a probe's output; None if another output or exit status."""
    if answer.exit_status not in statuses or not answer.output.startswith(prefix):
        return None
    words = answer.output[len(prefix) : len(prefix) + 80].decode("ascii", "replace").split()
    return words[0] if words and words[0].isascii() and words[0].isprintable() else None
