"""The command line in a clean form: authentication words apart, each value with its option."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bwctl.cli.auth import AuthWords, take_words
from bwctl.cli.exits import UsageError
from bwctl.cli.optiontable import Opt

FOLLOWED_BY_WORDS = ("receiver", "sender", "authmethod")


@dataclass(slots=True)
class CleanWords:
    """What `clean` found: words for argparse, and authentication words by long option name."""

    plain: list[str] = field(default_factory=list)
    auth: dict[str, AuthWords] = field(default_factory=dict)


def clean(options: Iterable[Opt], arguments: Sequence[str]) -> CleanWords:
    """Separate the authentication words, and join options with their values.

    Joined values may begin with `-`, and long names may have `-` in place of `_`. What is not
    understood stays as it is: argparse has the words for that.

    Raises:
        UsageError: authentication words that cannot be used.
    """
    names = _Names(options)
    found, words = CleanWords(), deque(arguments)
    while words:
        if words[0] == "--":
            return _end(found, list(words)[1:])
        _take_option(names, words, found)
    return found


def _end(found: CleanWords, rest: list[str]) -> CleanWords:
    """After `--` there are no options, and nothing else has a meaning."""
    if rest:
        raise UsageError(f"not an option and not a value: {' '.join(rest)}")
    return found


def _take_option(names: _Names, words: deque[str], found: CleanWords) -> None:
    """Take one word, with the value and the authentication words that belong to it."""
    head = words.popleft()
    opt, start, value = names.match(head)
    if value is None and opt and opt.metavar and words and not names.match(words[0])[0]:
        value = words.popleft()
    if opt is None or value is None:
        found.plain.append(start if opt else head)
        return
    found.plain += _join(start, opt, value)
    if opt.long == "authmethod":
        words.appendleft(value)
    if opt.long in FOLLOWED_BY_WORDS:
        where = start if opt.long == "authmethod" else f"{start} {value}"
        if auth := take_words(where, words):
            found.auth[opt.long] = auth
        elif opt.long == "authmethod":
            words.popleft()


def _join(start: str, opt: Opt, value: str) -> list[str]:
    """Option and value in one word; short where argparse understands it, as errors quote it."""
    if start.startswith("--"):
        return [f"{start}={value}"]
    if value[:1] not in ("", "="):
        return [start + value]
    # argparse takes `-x=y` for the value y, and an empty word for no value
    return [start[:-1]] * (len(start) > 2) + [f"--{opt.long}={value}"]


class _Names:
    """Resolves the first part of a word to an option."""

    def __init__(self, options: Iterable[Opt]) -> None:
        self._options = tuple(options)
        self._short = {opt.short: opt for opt in self._options if opt.short}

    def match(self, word: str) -> tuple[Opt | None, str, str | None]:
        """The last option in a word, the word up to its value, and the value if it is there."""
        if word.startswith("--"):
            return self._match_long(word)
        if word.startswith("-") and len(word) > 1:
            return self._match_cluster(word)
        return None, word, None

    def _match_long(self, word: str) -> tuple[Opt | None, str, str | None]:
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        exact = [opt for opt in self._options if opt.long == name]
        candidates = exact or [opt for opt in self._options if name and opt.long.startswith(name)]
        opt = candidates[0] if len(candidates) == 1 else None
        return opt, f"--{opt.long if opt else name}", value if equals else None

    def _match_cluster(self, word: str) -> tuple[Opt | None, str, str | None]:
        for index, letter in enumerate(word[1:], start=2):
            opt = self._short.get(letter)
            if opt is None or opt.metavar:
                return opt, word[:index], word[index:] or None
        return self._short[word[-1]], word, None
