"""Words of a command line that mean nothing: what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from bwctl.cli.exits import UsageError
from bwctl.cli.optiontable import Opt

COMMANDS: Final = ("check", "completion")  # of bwctl
_LONGEST: Final = 40  # characters of a word that is compared with others


def stray_words(words: Sequence[str], options: Iterable[Opt], hint: str = "") -> UsageError:
    """The error for words that are left over; `hint` where nothing better is known."""
    message = f"not an option and not a value: {' '.join(words)}"
    return UsageError(message, _nearest_option(words[0], options) or _mode(words) or hint)


def _nearest_option(word: str, options: Iterable[Opt]) -> str:
    name = word.partition("=")[0]
    if not name.startswith("--"):
        return ""
    near = _nearest(name[2:].replace("-", "_"), [opt.long for opt in options])
    return f"did you mean --{near}?" if near else ""


def _mode(words: Sequence[str]) -> str:
    """For `AX AESKEY ...`, where a mode was meant."""
    key = len(words) > 1 and words[1].lower().startswith("aeskey")
    return f"{words[0]}: a mode is made of the letters A, E and O" if key else ""


def nearest_command(word: str) -> str:
    """The command of bwctl that is nearest to a word; "" if none is near."""
    return _nearest(word, COMMANDS)


def _nearest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, known, 1) if len(word) <= _LONGEST else []
    return near[0] if near else ""
