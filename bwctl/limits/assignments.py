"""The `assign` lines of a limits file: who belongs to which class. Source: daemon.md 2.1, 2.5."""

from __future__ import annotations

from ipaddress import ip_address

from bwctl.limits.addresses import parse_network
from bwctl.limits.classes import LimitClass
from bwctl.limits.draft import Draft
from bwctl.limits.grammar import LogicalLine, hint, shown, words


def read_assign(draft: Draft, line: LogicalLine) -> None:
    """`assign default CLASS`, `assign net ADDRESS/BITS CLASS` and so on."""
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
        draft.findings.warn(line.number, f"{shown(rest[0])} after the class has no effect")
    found = draft.find_class(line.number, arguments[-1])
    try:
        rule = f"assign {kind} {assign(draft, line.number, arguments[0], found)}".rstrip()
    except ValueError as error:
        return draft.findings.error(line.number, str(error))
    _note_again(draft, line.number, kind, rule, arguments[-1])


def _note_again(draft: Draft, line: int, kind: str, rule: str, name: str) -> None:
    """C takes the last line for a network or a user in silence, and refuses a second default."""
    first = draft.assigned.get(rule)
    draft.assigned[rule] = line
    if first is None:
        return
    if kind in _LAST_HOLDS:
        draft.findings.warn(
            line, f"{rule!r} again; class {shown(name)} holds, and line {first} has no effect"
        )
    else:
        draft.findings.error(line, f"{rule!r} again (first in line {first})")


def _assign_default(draft: Draft, line: int, word: str, found: LimitClass | None) -> str:
    draft.default = found
    return ""


def _assign_net(draft: Draft, line: int, word: str, found: LimitClass | None) -> str:
    network, short = parse_network(word)
    if short:
        draft.findings.warn(line, f"{shown(word)} is taken as {network}")
    if found is not None:
        draft.networks[network] = found
    return str(network)


def _assign_user(draft: Draft, line: int, word: str, found: LimitClass | None) -> str:
    if word not in draft.known_users:
        raise ValueError(f"user {shown(word)} has no key{hint(word, draft.known_users)}")
    if found is not None:
        draft.users[word] = found
    return word


def _assign_cert(draft: Draft, line: int, word: str, found: LimitClass | None) -> str:
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
_LAST_HOLDS = ("net", "user")
