"""What a screen can show: colours, block characters, a width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = ".:-=+*%#"
_GAP = "x"
_COLOURS = {"bold": 1, "red": 31, "green": 32, "yellow": 33}


@dataclass(frozen=True, slots=True)
class Look:
    """How a text may look. Without arguments: plain ASCII, as for a file."""

    colour: bool = False
    unicode: bool = False
    columns: int = 80

    def paint(self, text: str, colour: str) -> str:
        """A text in a colour, or bold; as it is where there are no colours."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self.colour else text

    @property
    def levels(self) -> str:
        """Characters from low to high, for a line of bars."""
        return BLOCKS if self.unicode else _ASCII

    @property
    def gap(self) -> str:
        """The character for a value that is missing."""
        return _GAP


def look_of(
    environment: Mapping[str, str], *, is_tty: bool, encoding: str | None, columns: int = 80
) -> Look:
    """The look for a stream. Colours need a terminal that is not dumb, and no NO_COLOR.

    Args:
        environment: of the process; NO_COLOR counts if it is not empty (https://no-color.org).
        encoding: of the stream; None: ASCII.
    """
    colour = is_tty and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return Look(colour, _is_rich(environment) and _can_encode(BLOCKS, encoding), columns)


def _is_rich(environment: Mapping[str, str]) -> bool:
    """Whether the user's locale is more than ASCII.

    In the locale C Python writes UTF-8 all the same, and sets LC_CTYPE for that (PEP 538); the
    terminal knows nothing of it.
    """
    values = [environment.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if values[1] in _COERCED:
        values[1] = None
    return next((value for value in values if value), "C") not in ("C", "POSIX")


_COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


def _can_encode(text: str, encoding: str | None) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
