"""The limits file: `limit` and `assign` lines. Source: daemon.md 2.1 to 2.7."""

from __future__ import annotations

import re
from collections.abc import Collection
from types import MappingProxyType

from bwctl.errors import Problem
from bwctl.limits.addresses import AddressTable
from bwctl.limits.assignments import read_assign
from bwctl.limits.class_lines import read_limit
from bwctl.limits.classes import BUILT_IN, Limits, only_class
from bwctl.limits.draft import Draft
from bwctl.limits.grammar import (
    BLANKS,
    Findings,
    LogicalLine,
    hint,
    logical_lines,
    shown,
    words,
)

_STATEMENTS = {"limit": read_limit, "assign": read_assign}
_GLUED = re.compile(
    f"(limit(?=[^{BLANKS}]+[{BLANKS}]+with)|assign(?=default|net|user))[^{BLANKS}]+",
    re.IGNORECASE,
)
"""A statement with its first word: C asks for no blank there."""


def parse_limits(
    text: str, file: str, *, users: Collection[str] = (), strict: bool = True
) -> tuple[Limits, list[Problem]]:
    """Read a limits file.

    Args:
        users: identities that have a key; a rule for another one is an error.
        strict: whether a class that says that it permits what its parent does not is held to
            its parent; else it permits it, as in C. Either way there is a warning.
    Returns:
        The limits, and warnings.
    Raises:
        ConfigurationError: with every problem of the file.
    """
    findings = Findings(file)
    draft = Draft(findings, users, strict)
    for line in logical_lines(text, findings):
        _read_line(draft, line)
    return _limits(draft), findings.finish()


def _read_line(draft: Draft, line: LogicalLine) -> None:
    word = words(line.text, 1)[0]
    glued = _GLUED.match(line.text)
    if glued is not None:
        draft.findings.warn(line.number, f"a blank is missing in {shown(word)}")
        word, line = glued[1], line.split_at(glued.end(1))
    read = _STATEMENTS.get(word.lower())
    if read is None:
        known = hint(word.lower(), _STATEMENTS)
        draft.findings.error(line.number, f"unknown statement {shown(word)}{known}")
    else:
        read(draft, line)


def _limits(draft: Draft) -> Limits:
    if not draft.classes:
        draft.findings.warn(0, "no limit line; the built-in class 'default' holds for everybody")
        return only_class(BUILT_IN)
    default = draft.default
    if default is None:
        default = next(iter(draft.classes.values()))
        draft.findings.warn(
            0, f"no 'assign default' line; class {shown(default.name)} holds for everybody else"
        )
    return Limits(
        classes=MappingProxyType(draft.classes),
        default=default,
        users=MappingProxyType(draft.users),
        certificates=MappingProxyType(draft.certificates),
        networks=AddressTable(draft.networks.items()),
    )
