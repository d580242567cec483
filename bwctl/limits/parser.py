"""The limits file: `limit` and `assign` lines. Source: daemon.md 2.1 to 2.7."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from bwctl.errors import Problem
from bwctl.limits.addresses import AddressTable, IPNetwork, parse_network
from bwctl.limits.classes import (
    BUILT_IN,
    LIMITS,
    LimitClass,
    Limits,
    format_value,
    is_too_large,
    is_wider,
    only_class,
    read_value,
)
from bwctl.limits.grammar import (
    BLANKS,
    Findings,
    LogicalLine,
    hint,
    logical_lines,
    shown,
    words,
)

MAX_CLASS_NAME = 80  # octets

_LIMIT = re.compile(
    f"[^{BLANKS}]+[{BLANKS}]+(?P<name>[^{BLANKS}]+)"
    f"(?:[{BLANKS}]+[wW][iI][tT][hH](?:[{BLANKS}]+(?P<given>.*))?)?",
    re.DOTALL,
)


@dataclass(slots=True)
class _Draft:
    """What the lines read so far add up to."""

    findings: Findings
    known_users: Collection[str]
    strict: bool
    classes: dict[str, LimitClass] = field(default_factory=dict)
    default: LimitClass | None = None
    users: dict[str, LimitClass] = field(default_factory=dict)
    certificates: dict[str, LimitClass] = field(default_factory=dict)
    networks: dict[IPNetwork, LimitClass] = field(default_factory=dict)
    assigned: dict[str, int] = field(default_factory=dict)  # rule -> its line


@dataclass(frozen=True, slots=True)
class _Given:
    """One NAME=VALUE of a limit line."""

    name: str
    word: str
    line: int


def parse_limits(
    text: str, file: str, *, users: Collection[str] = (), strict: bool = True
) -> tuple[Limits, list[Problem]]:
    """Read a limits file.

    Args:
        users: identities that have a key; a rule for another one is an error.
        strict: whether it is an error that a class permits what its parent does not; else a
            warning, and the class permits it, as in C.
    Returns:
        The limits, and warnings.
    Raises:
        ConfigurationError: with every problem of the file.
    """
    findings = Findings(file)
    draft = _Draft(findings, users, strict)
    for line in logical_lines(text, findings):
        statement = words(line.text, 1)[0]
        read = _STATEMENTS.get(statement.lower())
        if read is None:
            findings.error(line.number, _unknown_statement(statement))
        else:
            read(draft, line)
    return _limits(draft), findings.finish()


def _unknown_statement(word: str) -> str:
    for known in _STATEMENTS:
        if word.lower().startswith(known):
            return f"a blank is missing after {known!r} in {shown(word)}"
    return f"unknown statement {shown(word)}{hint(word.lower(), _STATEMENTS)}"


def _limits(draft: _Draft) -> Limits:
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


# limit CLASS with NAME=VALUE, ...


def _read_limit(draft: _Draft, line: LogicalLine) -> None:
    match = _LIMIT.fullmatch(line.text)
    parts = words(line.text, 2)
    if len(parts) < 2:
        return draft.findings.error(line.number, "'limit' needs a class")
    name = parts[1]
    if match is None or (len(parts) < 3):
        draft.findings.error(line.number, f"'with' is missing after {shown(name)}")
    if len(name.encode("utf-8", "surrogatepass")) > MAX_CLASS_NAME:
        draft.findings.error(line.number, f"a class name of more than {MAX_CLASS_NAME} octets")
    given = {} if match is None else _read_given(draft, line, match)
    if name in draft.classes:
        return draft.findings.error(line.number, f"class {shown(name)} is defined again")
    # A class with errors counts as defined, so that they are not reported once more at each use.
    draft.classes[name] = _make_class(draft, name, line.number, given)


def _read_given(draft: _Draft, line: LogicalLine, match: re.Match[str]) -> dict[str, _Given]:
    given: dict[str, _Given] = {}
    for offset, item in _items(match["given"] or "", match.start("given")):
        number = line.number_at(offset)
        try:
            name, word = _split_item(item)
            if name in given:
                raise ValueError(f"{name} is given twice")
            given[name] = _Given(name, word, number)
        except ValueError as error:
            draft.findings.error(number, str(error))
    return given


def _items(text: str, offset: int) -> Iterator[tuple[int, str]]:
    """Pieces between commas, with the offset of each; a comma may end the list."""
    pieces = text.split(",")
    if not pieces[-1].strip(BLANKS):
        pieces.pop()
    for piece in pieces:
        yield offset + len(piece) - len(piece.lstrip(BLANKS)), piece.strip(BLANKS)
        offset += len(piece) + 1


def _split_item(item: str) -> tuple[str, str]:
    name, sign, word = (part.strip(BLANKS) for part in item.partition("="))
    name = name.lower()
    if not item:
        raise ValueError("nothing between two commas")
    if name != "parent" and name not in LIMITS:
        raise ValueError(f"unknown limit {shown(name)}{hint(name, [*LIMITS, 'parent'])}")
    if not sign or not word:
        raise ValueError(f"{name} has no value; NAME=VALUE is needed, and 0 for no limit")
    if len(words(word)) > 1:
        raise ValueError(f"white space in the value of {name}; a comment needs its own line")
    return name, word


def _make_class(draft: _Draft, name: str, line: int, given: dict[str, _Given]) -> LimitClass:
    parent = _parent(draft, name, line, given.pop("parent", None))
    values: dict[str, Any] = {}
    if parent is not None:
        values = {limit: getattr(parent, limit) for limit in LIMITS}
    for one in given.values():
        try:
            values[one.name] = read_value(one.name, one.word)
        except ValueError as error:
            draft.findings.error(one.line, f"{one.name}: {error}")
    written = LimitClass(name=name, parent=parent, **values)
    if parent is None:
        return written
    return _bounded(draft, written, parent, given, values)


def _parent(draft: _Draft, name: str, line: int, given: _Given | None) -> LimitClass | None:
    root = next(iter(draft.classes.values()), None)
    if root is None and given is not None:
        draft.findings.error(given.line, f"{shown(name)} is the first class; it has no parent")
    elif root is not None and given is None:
        draft.findings.error(line, f"class {shown(name)} needs a parent; only the first has none")
    elif given is not None:
        return _find_class(draft, given.line, given.word) or root
    return root


def _find_class(draft: _Draft, line: int, name: str) -> LimitClass | None:
    found = draft.classes.get(name)
    if found is None:
        draft.findings.error(
            line, f"class {shown(name)} is not defined above{hint(name, draft.classes)}"
        )
    return found


# A class against its parent


def _bounded(
    draft: _Draft,
    written: LimitClass,
    parent: LimitClass,
    given: Mapping[str, _Given],
    values: dict[str, Any],
) -> LimitClass:
    """The class with too large integers replaced by the parent's, and the rest reported."""
    widened = set[str]()
    for one in given.values():
        if is_wider(one.name, written, parent):
            widened.add(one.name)
            _report_wider(draft, one, written, parent)
        elif is_too_large(one.name, written, parent):
            values[one.name] = bound = getattr(parent, one.name)
            draft.findings.warn(
                one.line,
                f"class {shown(written.name)}: {one.name}={one.word} is more than "
                f"the {bound} of class {shown(parent.name)}, which is used",
            )
    return LimitClass(name=written.name, parent=parent, widened=frozenset(widened), **values)


def _report_wider(draft: _Draft, one: _Given, written: LimitClass, parent: LimitClass) -> None:
    governing = parent.governing(one.name)
    bound = format_value(governing, getattr(parent, governing))
    message = (
        f"class {shown(written.name)}: {one.name}={one.word} allows more than "
        f"{governing}={bound} of class {shown(parent.name)}"
    )
    if draft.strict:
        draft.findings.error(one.line, f"{message} ('strict_limits off' would permit it)")
    else:
        draft.findings.warn(one.line, message)


# assign default CLASS, assign net ADDRESS/BITS CLASS, assign user IDENTITY CLASS


def _read_assign(draft: _Draft, line: LogicalLine) -> None:
    parts = words(line.text)
    kind = parts[1].lower() if len(parts) > 1 else ""
    if kind not in _ASSIGNMENTS:
        return draft.findings.error(
            line.number,
            f"'assign' needs default, net, user or cert, not {shown(kind)}"
            f"{hint(kind, _ASSIGNMENTS)}",
        )
    size, assign = _ASSIGNMENTS[kind]
    arguments = parts[2 : 2 + size]
    rest = parts[2 + size :]
    if len(arguments) < size:
        return draft.findings.error(line.number, f"'assign {kind}' needs {_NEEDS[size]}")
    if rest and not rest[0].startswith("#"):
        draft.findings.error(line.number, f"{shown(rest[0])} after the class")
    found = _find_class(draft, line.number, arguments[-1])
    try:
        rule = f"assign {kind} {assign(draft, line.number, arguments[0], found)}".rstrip()
    except ValueError as error:
        return draft.findings.error(line.number, str(error))
    first = draft.assigned.setdefault(rule, line.number)
    if first != line.number:
        draft.findings.error(line.number, f"{rule!r} again (first in line {first})")


def _assign_default(draft: _Draft, line: int, word: str, found: LimitClass | None) -> str:
    draft.default = found
    return ""


def _assign_net(draft: _Draft, line: int, word: str, found: LimitClass | None) -> str:
    network, short = parse_network(word)
    if short:
        draft.findings.warn(line, f"{shown(word)} is taken as {network}")
    if found is not None:
        draft.networks[network] = found
    return str(network)


def _assign_user(draft: _Draft, line: int, word: str, found: LimitClass | None) -> str:
    if word not in draft.known_users:
        raise ValueError(f"user {shown(word)} has no key{hint(word, draft.known_users)}")
    if found is not None:
        draft.users[word] = found
    return word


def _assign_cert(draft: _Draft, line: int, word: str, found: LimitClass | None) -> str:
    """A name of a client's certificate: DNS:NAME, IP:ADDRESS, EMAIL:..., URI:...; or NAME alone."""
    name = certificate_name(word)
    if found is not None:
        draft.certificates[name] = found
    return name


def certificate_name(word: str) -> str:
    """The one way in which a name of a certificate is written.

    Raises:
        ValueError: it is empty, or not an address where one is due.
    """
    kind, colon, rest = word.partition(":")
    if kind.upper() not in _NAME_KINDS or not colon:
        kind, rest = "DNS", word
    kind = kind.upper()
    if not rest:
        raise ValueError(f"{shown(word)} names nobody")
    if kind == "IP":
        return f"IP:{ip_address(rest)}"
    return f"{kind}:{rest.lower() if kind == 'DNS' else rest}"


_NAME_KINDS = ("DNS", "IP", "EMAIL", "URI")
_NEEDS = {1: "a class", 2: "a name and a class"}
_ASSIGNMENTS = {
    "default": (1, _assign_default),
    "net": (2, _assign_net),
    "user": (2, _assign_user),
    "cert": (2, _assign_cert),
}
_STATEMENTS = {"limit": _read_limit, "assign": _read_assign}
