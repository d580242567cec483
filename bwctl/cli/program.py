"""What one client program is: its name, its options, its testers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from bwctl.cli.optiontable import Group, Opt
from bwctl.results import ExitStatus
from bwctl.values import Kind, ToolID

_MEANINGS: Final = {status: status.meaning for status in ExitStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A client as data; help, parser and manual page are made from it."""

    name: str
    kind: Kind
    purpose: str  # one line, as in the NAME section of a manual page
    groups: tuple[Group, ...]
    default_tools: tuple[ToolID, ...]
    usage: str = "[options] -c RECEIVER -s SENDER"
    speaks: bool = True  # with daemons: hosts and authentication words mean something
    words: str = ""  # what its words without an option are; "": there are none
    about: tuple[str, ...] = ()  # paragraphs of the manual page; none: what all clients do
    output: tuple[str, ...] = ()
    meanings: Mapping[ExitStatus, str] = field(default_factory=lambda: _MEANINGS)
    examples: tuple[tuple[str, str], ...]  # command line, what it does
    also: tuple[tuple[str, str], ...] = ()  # other commands, what they do
    see_also: str  # manual pages

    def options(self) -> Iterator[Opt]:
        """All options in order."""
        for group in self.groups:
            yield from group.options
