"""What the configuration and limits files share: lines, numbers, and how to complain.

Source: daemon.md 1.2; I2util/conf.c.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from bwctl.errors import ConfigurationError, Problem

BLANKS = " \t\r\v\f"
"""White space within a line. Not str.split(): that knows Unicode blanks, which are text here."""

_BLANK_RUN = re.compile(f"[{BLANKS}]+")
_SCALED = re.compile("0*([0-9]+)([kmgtpezKMGTPEZ]?)")
_SUFFIXES = " kmgtpez"
_MAX_INTEGER = (1 << 64) - 1
_LONGEST_SHOWN = 60
_MOST_COMPARED = 1000


@dataclass(slots=True)
class Findings:
    """Everything found wrong or odd in one file, to be reported together."""

    file: str
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def error(self, line: int, message: str) -> None:
        """Note what makes the file unusable."""
        self.errors.append(Problem(self.file, line, message))

    def warn(self, line: int, message: str) -> None:
        """Note what an admin should know."""
        self.warnings.append(Problem(self.file, line, message))

    def finish(self) -> list[Problem]:
        """The warnings, in the order of lines.

        Raises:
            ConfigurationError: there were errors; it has all of them.
        """
        if self.errors:
            raise ConfigurationError(sorted(self.errors, key=lambda problem: problem.line))
        return sorted(self.warnings, key=lambda problem: problem.line)


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """A line after joining; knows from which line of the file each character came."""

    text: str  # not empty, no comment, no white space at its ends
    pieces: tuple[tuple[int, int], ...]  # (offset in text, line of the file), ascending

    @property
    def number(self) -> int:
        """Line of the file, from 1, of the first character."""
        return self.number_at(0)

    def number_at(self, offset: int) -> int:
        """Line of the file, from 1, of the character at an offset."""
        return self.pieces[bisect_right(self.pieces, offset, key=lambda piece: piece[0]) - 1][1]

    def split_at(self, offset: int) -> LogicalLine:
        """The line with a blank put in at an offset other than 0."""
        pieces = tuple((at + (at >= offset), line) for at, line in self.pieces)
        return LogicalLine(f"{self.text[:offset]} {self.text[offset:]}", pieces)


def logical_lines(text: str, findings: Findings) -> Iterator[LogicalLine]:
    """The lines of a file that say something, joined where a backslash ends them.

    A comment is not continued. A backslash anywhere else but at the end of a line is an error,
    and its line is left out.
    """
    physical = enumerate(split_lines(text), 1)
    for number, line in physical:
        if not line.lstrip(BLANKS).startswith("#"):
            joined = _join(number, line, physical, findings)
            if joined is not None and joined.text[:1] not in ("", "#"):
                yield joined


def split_lines(text: str) -> list[str]:
    """Lines of the file; CR LF counts as newline."""
    return text.replace("\r\n", "\n").split("\n")


def _join(
    number: int, line: str, following: Iterator[tuple[int, str]], findings: Findings
) -> LogicalLine | None:
    size, texts, pieces = 0, list[str](), list[tuple[int, int]]()
    errors = len(findings.errors)
    while True:
        body = line.removesuffix("\\")
        if "\\" in body:
            findings.error(number, "a backslash that does not end its line")
        texts.append(body if size else body.lstrip(BLANKS))
        pieces.append((size, number))
        size += len(texts[-1])
        if body == line:
            break
        number, line = next(following, (number, ""))
        if number == pieces[-1][1]:
            findings.error(number, "a backslash at the end of the file")
    if len(findings.errors) > errors:
        return None
    return LogicalLine("".join(texts).rstrip(BLANKS), tuple(pieces))


def words(text: str, limit: int = 0) -> list[str]:
    """Words of a line without white space at its ends; at most `limit` cuts, if it is given."""
    return _BLANK_RUN.split(text, limit) if text else []


def shown(word: str) -> str:
    """A word of the file for a message: quoted, printable and not too long."""
    return repr(word if len(word) <= _LONGEST_SHOWN else word[:_LONGEST_SHOWN] + "...")


def hint(word: str, known: Collection[str]) -> str:
    """The nearest known word, as the end of a message; empty if none is near."""
    quick = len(word) <= _LONGEST_SHOWN and len(known) <= _MOST_COMPARED
    near = get_close_matches(word, known, 1) if quick else []
    return f"; did you mean {shown(near[0])}?" if near else ""


def scaled_integer(word: str) -> int:
    """Value of digits with at most one suffix k m g t p e z, powers of 1000.

    Raises:
        ValueError: anything else, or more than 64 bits.
    Source: daemon.md 2.2.
    """
    match = _SCALED.fullmatch(word)
    if match is None:
        raise ValueError(f"{shown(word)} is not digits with at most one suffix (k m g t p e z)")
    digits, suffix = match.groups()
    value = _MAX_INTEGER + 1
    if len(digits) <= 20:
        value = int(digits) * 1000 ** _SUFFIXES.index(suffix.lower() or " ")
    if value > _MAX_INTEGER:
        raise ValueError(f"{shown(word)} is more than {_MAX_INTEGER}")
    return value
