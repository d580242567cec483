"""Keys of users: the key file, and how a pass phrase becomes a key. Source: daemon.md 3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import md5

from bwctl.errors import ConfigurationError, Problem
from bwctl.limits.grammar import BLANKS, Findings, split_lines, words

IDENTITY_SIZE = 16
KEY_SIZE = 16

_ENTRY = re.compile(f"([^{BLANKS}]+)(?:[{BLANKS}]+([^{BLANKS}#]*)[{BLANKS}]*(.*))?", re.DOTALL)
_HEX_KEY = re.compile("[0-9a-fA-F]{32}")
_CONTROL = re.compile("[\0-\x1f\x7f]")
_OTHERS_WRITE = 0o022
_OTHERS_READ = 0o004


class Key(bytes):
    """An AES key of 16 octets; neither repr nor str shows it."""

    __slots__ = ()

    def __new__(cls, octets: bytes) -> Key:
        """Check the size; ValueError if it is not 16 octets."""
        if len(octets) != KEY_SIZE:
            raise ValueError(f"a key of {len(octets)} octets, not {KEY_SIZE}")
        return super().__new__(cls, octets)

    def __repr__(self) -> str:
        return "<Key>"

    __str__ = __repr__


_NOBODY: tuple[str, Key | None] = ("", None)


class KeyRing(Mapping[str, Key]):
    """Keys by identity; two identities are the same if their 16-octet fields are."""

    def __init__(self, keys: Mapping[str, Key] | None = None) -> None:
        """Take over identities and keys; ValueError for an identity that cannot be one."""
        self._entries = {
            identity_field(identity): (identity, key) for identity, key in (keys or {}).items()
        }

    def __getitem__(self, identity: str) -> Key:
        key = self.find(identity)
        if key is None:
            raise KeyError(identity)
        return key

    def find(self, identity: str) -> Key | None:
        """The key of an identity, None for an unknown one; either takes the same time."""
        try:
            found = self._entries.get(identity_field(identity), _NOBODY)
        except ValueError:
            return None
        return found[1]

    def __iter__(self) -> Iterator[str]:
        return (identity for identity, _ in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self)}>"


def identity_field(identity: str) -> bytes:
    """An identity as the 16 octets of the wire: UTF-8, padded with zero octets.

    Raises:
        ValueError: empty, too long, or with white space or control characters. The message does
            not have the text: who swaps the columns of a key file puts a key there.
    """
    try:
        octets = identity.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError("an identity that is not text") from None
    if not 1 <= len(octets) <= IDENTITY_SIZE:
        raise ValueError(f"an identity of {len(octets)} octets; it needs 1 to {IDENTITY_SIZE}")
    if _CONTROL.search(identity) or " " in identity:
        raise ValueError("an identity with white space or control characters")
    if identity.startswith("#"):
        raise ValueError("an identity that starts with #, which begins a comment")
    return octets.ljust(IDENTITY_SIZE, b"\0")


def key_from_passphrase(phrase: str | bytes) -> Key:
    """The key of a pass phrase: the MD5 of its octets, nothing else (daemon.md 3.2)."""
    octets = phrase.encode("utf-8", "surrogateescape") if isinstance(phrase, str) else phrase
    return Key(md5(octets, usedforsecurity=False).digest())


def parse_keys(text: str, file: str) -> KeyRing:
    """Read a key file.

    Raises:
        ConfigurationError: with every problem of the file; no message shows a key.
    Source: daemon.md 3.1; unlike C, white space before an identity is an error on line 1 too, and
        an indented comment is a comment.
    """
    findings = Findings(file)
    lines: dict[str, int] = {}
    keys: dict[str, Key] = {}
    for number, identity, key in _entries(text, findings):
        if identity in keys:
            first = lines[identity]
            findings.error(number, f"identity {identity!r} again (first in line {first})")
        else:
            lines[identity], keys[identity] = number, key
    findings.finish()
    return KeyRing(keys)


def _entries(text: str, findings: Findings) -> Iterator[tuple[int, str, Key]]:
    for number, line in enumerate(split_lines(text), 1):
        if line.strip(BLANKS) and not line.lstrip(BLANKS).startswith("#"):
            try:
                yield number, *_entry(line)
            except ValueError as error:
                findings.error(number, str(error))


def _entry(line: str) -> tuple[str, Key]:
    match = _ENTRY.fullmatch(line)
    if match is None:
        raise ValueError("white space before the identity")
    identity, digits, rest = match.groups()
    identity_field(identity)
    if not digits:
        raise ValueError("no key after the identity")
    if rest and not rest.startswith("#"):
        late = _HEX_KEY.match(rest) and not _HEX_KEY.fullmatch(digits)
        raise ValueError(f"{'two words before' if late else 'text after'} the key")
    if not _HEX_KEY.fullmatch(digits):
        raise ValueError(f"a key of {len(digits)} characters that is not 32 hexadecimal digits")
    return identity, Key(bytes.fromhex(digits))


def key_line(identity: str, key: Key) -> str:
    """One line of a key file; ValueError for an identity that cannot be one."""
    identity_field(identity)
    return f"{identity}\t{key.hex()}\n"


def format_keys(keys: Mapping[str, Key]) -> str:
    """The text of a key file, as `aespasswd` would write it."""
    return "".join(key_line(identity, key) for identity, key in keys.items())


def edit_keys(
    text: str, file: str, identity: str, key: Key | None, *, keep_comment: bool = False
) -> str:
    """The text of a key file with one entry added or replaced (None: removed).

    All other lines, comments too, stay as they are; the new line ends as the one whose place it
    takes, or the last one, does.

    Args:
        keep_comment: whether a comment behind a replaced key stays in its line.
    Raises:
        ConfigurationError: the text is not a key file.
        ValueError: the identity cannot be one.
    """
    parse_keys(text, file)
    lines = text.removesuffix("\n").split("\n") if text else []
    first_words = [words(line, 1)[:1] for line in lines]
    place = first_words.index([identity]) if [identity] in first_words else len(lines)
    before = lines[place : place + 1] or lines[-1:]
    entry = [] if key is None else [key_line(identity, key).removesuffix("\n")]
    if entry and keep_comment and place < len(lines):
        entry[0] += _comment(lines[place])
    if entry and before and before[0].endswith("\r"):
        entry[0] += "\r"
    lines[place : place + 1] = entry
    return "".join(f"{line}\n" for line in lines)


def _comment(line: str) -> str:
    """The comment behind the key of a line, with a blank before it; empty if there is none."""
    match = _ENTRY.fullmatch(line.removesuffix("\r"))
    comment = match[3] if match else ""
    return f" {comment}" if comment else ""


def check_mode(file: str, mode: int) -> list[Problem]:
    """Whether the permissions of a key file are fit for secrets (daemon.md 3.3).

    Returns:
        A warning if everybody may read it.
    Raises:
        ConfigurationError: others than its owner may write it.
    """
    if mode & _OTHERS_WRITE:
        raise ConfigurationError([Problem(file, 0, _mode_message("write", mode))])
    return [Problem(file, 0, _mode_message("read", mode))] if mode & _OTHERS_READ else []


def _mode_message(action: str, mode: int) -> str:
    return f"others may {action} this file of keys (mode {mode:04o}); 0600 is right"
