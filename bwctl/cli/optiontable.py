"""What an option is; the parser, the help and the manual page are made from these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Opt:
    """One option. With a `metavar` it takes a value, else it sets its field to `const`."""

    short: str = ""  # letter or digit
    long: str
    field: str  # of Options; "" for -h and -V
    help: str  # one line
    more: str = ""  # further sentences of the manual page
    metavar: str = ""
    read: Callable[[str], Any] = str  # raises ValueError with the rule that was broken
    const: Any = True
    implies: str = ""  # a second field that becomes True
    once: bool = False
    counts: bool = False
    apart: str = ""  # of options with the same word here only one may be used

    @property
    def names(self) -> tuple[str, ...]:
        """The ways to write it: `-P`, `--parallel`."""
        return (f"-{self.short}", f"--{self.long}") if self.short else (f"--{self.long}",)


@dataclass(frozen=True, slots=True)
class Group:
    """Options under one title."""

    title: str
    options: tuple[Opt, ...]
