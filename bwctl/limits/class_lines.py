"""The `limit` lines of a limits file: classes, and each against its parent.

What C loads is loaded (seen with C 1.6.7), with a warning where it is no sound line, and a class
never gets more than its parent has. Source: daemon.md 2.1 to 2.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bwctl.limits.classes import (
    KNOWN_TO_C,
    LIMITS,
    LimitClass,
    Sense,
    is_too_large,
    is_wider,
    strictest,
)
from bwctl.limits.draft import Draft
from bwctl.limits.grammar import BLANKS, LogicalLine, hint, shown, words
from bwctl.limits.written import format_value, read_value

MAX_CLASS_NAME = 80  # octets

_LIMIT = re.compile(
    f"[^{BLANKS}]+[{BLANKS}]+(?P<name>[^{BLANKS}]+)"
    f"(?:[{BLANKS}]+[wW][iI][tT][hH](?:[{BLANKS}]+(?P<given>.*))?)?",
    re.DOTALL,
)
_ITEM = re.compile(f"(?P<name>[^={BLANKS}]*)(?P<sign>[={BLANKS}]*)(?P<word>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Given:
    """One NAME=VALUE of a limit line."""

    name: str
    word: str
    line: int


def read_limit(draft: Draft, line: LogicalLine) -> None:
    """`limit CLASS with NAME=VALUE, ...`."""
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


def _read_given(draft: Draft, line: LogicalLine, match: re.Match[str]) -> dict[str, _Given]:
    given: dict[str, _Given] = {}
    for offset, item in _items(match["given"] or "", match.start("given")):
        number = line.number_at(offset)
        try:
            one = _read_item(draft, number, item)
            if one is not None and one.name in given:
                raise ValueError(f"{one.name} is given twice")
        except ValueError as error:
            draft.findings.error(number, str(error))
        else:
            given.update({one.name: one} if one is not None else {})
    return given


def _items(text: str, offset: int) -> Iterator[tuple[int, str]]:
    """Pieces between commas, with the offset of each; a comma may end the list."""
    pieces = text.split(",")
    if not pieces[-1].strip(BLANKS):
        pieces.pop()
    for piece in pieces:
        yield offset + len(piece) - len(piece.lstrip(BLANKS)), piece.strip(BLANKS)
        offset += len(piece) + 1


def _read_item(draft: Draft, line: int, item: str) -> _Given | None:
    """One NAME=VALUE; None for nothing between two commas."""
    match = _ITEM.fullmatch(item)
    assert match is not None  # it takes anything
    name, sign, word = match["name"].lower(), match["sign"].strip(BLANKS), match["word"]
    if not item:
        draft.findings.warn(line, "nothing between two commas")
        return None
    if name != "parent" and name not in LIMITS:
        raise ValueError(f"unknown limit {shown(name)}{hint(name, [*LIMITS, 'parent'])}")
    if not word:
        word = _read_nothing(draft, line, name, sign)
    elif sign != "=":
        draft.findings.warn(line, f"{shown(item)} is taken as {name}={word}")
    if len(words(word)) > 1:
        raise ValueError(f"white space in the value of {name}; a comment needs its own line")
    return _Given(name, word, line)


def _read_nothing(draft: Draft, line: int, name: str, sign: str) -> str:
    """C reads no digits as 0, which is no limit of the class; the parent's then holds."""
    if not sign or KNOWN_TO_C.get(name, Sense.PERMISSION) is Sense.PERMISSION:
        raise ValueError(f"{name} has no value; NAME=VALUE is needed")
    draft.findings.warn(line, f"{name} has no value; it is taken as {name}=0, no limit")
    return "0"


def _make_class(draft: Draft, name: str, line: int, given: dict[str, _Given]) -> LimitClass:
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


def _parent(draft: Draft, name: str, line: int, given: _Given | None) -> LimitClass | None:
    root = next(iter(draft.classes.values()), None)
    if root is None and given is not None:
        draft.findings.error(given.line, f"{shown(name)} is the first class; it has no parent")
    elif root is not None and given is None:
        draft.findings.error(line, f"class {shown(name)} needs a parent; only the first has none")
    elif given is not None:
        return draft.find_class(given.line, given.word) or root
    return root


# A class against its parent


def _bounded(
    draft: Draft,
    written: LimitClass,
    parent: LimitClass,
    given: Mapping[str, _Given],
    values: dict[str, Any],
) -> LimitClass:
    """The class with what its parent leaves of it; a warning tells what holds."""
    widened = set[str]()
    for one in given.values():
        place = f"class {shown(written.name)}: {one.name}={one.word}"
        if is_wider(one.name, written, parent):
            governing = parent.governing(one.name)
            bound = format_value(governing, getattr(parent, governing))
            if draft.strict:
                values[one.name] = strictest(one.name, written, parent)
                holds = _what_holds(one.name, values[one.name], parent)
            else:
                widened.add(one.name)
                holds = "it holds all the same, as strict_limits is off"
            draft.findings.warn(
                one.line,
                f"{place} allows more than {governing}={bound} of class {shown(parent.name)}; "
                f"{holds}",
            )
        elif is_too_large(one.name, written, parent):
            values[one.name] = getattr(parent, one.name)
            bound = format_value(one.name, values[one.name])
            draft.findings.warn(
                one.line,
                f"{place} is more than the {bound} of class {shown(parent.name)}, which is used",
            )
    return LimitClass(name=written.name, parent=parent, widened=frozenset(widened), **values)


def _what_holds(limit: str, value: Any, parent: LimitClass) -> str:
    is_mask = LIMITS[limit] in (Sense.CHOICE, Sense.HOURS, Sense.DAYS)
    if is_mask and not value & getattr(parent, limit):
        return "so nothing is allowed"
    return f"{limit}={format_value(limit, value)} holds ('strict_limits off' permits it)"
