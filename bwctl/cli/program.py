"""What one client program is: its name, its options, its testers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bwctl.cli.optiontable import Group, Opt
from bwctl.values import Kind, ToolID


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A client as data; help, parser and manual page are made from it."""

    name: str
    kind: Kind
    purpose: str  # one line, as in the NAME section of a manual page
    groups: tuple[Group, ...]
    default_tools: tuple[ToolID, ...]
    examples: tuple[tuple[str, str], ...]  # command line, what it does
    see_also: str  # manual pages

    def options(self) -> Iterator[Opt]:
        """All options in order."""
        for group in self.groups:
            yield from group.options
