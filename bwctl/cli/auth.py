"""Authentication words after -c HOST, -s HOST and -A, and the credentials they lead to.

The words are `MODE [AESKEY IDENTITY [KEYFILE]]`. Source: clients.md 4.
"""

from __future__ import annotations

import getpass
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bwctl.cli.exits import UsageError
from bwctl.errors import ConfigurationError
from bwctl.limits.keys import Key, identity_field, key_from_passphrase, parse_keys

OPEN, AUTHENTICATED, ENCRYPTED = 1, 2, 4
WITH_KEY = AUTHENTICATED | ENCRYPTED
MODE_LETTERS = {"a": AUTHENTICATED, "e": ENCRYPTED, "o": OPEN}

FORM = "MODE [AESKEY IDENTITY [KEYFILE]]"


@dataclass(frozen=True, slots=True)
class AuthWords:
    """What the user wrote: modes wanted, as a mask, and where to find a key."""

    modes: int = OPEN
    identity: str = ""  # "": no key
    key_file: str = ""  # "": ask for a passphrase

    @property
    def needs_key(self) -> bool:
        """Whether a key file or a passphrase has to be read."""
        return bool(self.identity and self.modes & WITH_KEY)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a connection to one daemon may use; without a key only the open mode is left."""

    modes: int = OPEN
    identity: str = ""
    key: Key | None = None


def read_modes(text: str) -> int:
    """The mask of a MODE word.

    Raises:
        ValueError: another letter than A, E and O, or none.
    """
    if not text or not set(text.lower()) <= MODE_LETTERS.keys():
        raise ValueError("mode must be made of the letters A, E and O")
    return sum({MODE_LETTERS[letter] for letter in text.lower()})


def take_words(where: str, words: deque[str]) -> AuthWords | None:
    """Take the authentication words at the front of what follows an option, if there are any.

    Args:
        where: the option and its value, for messages.
        words: the rest of the command line.
    Raises:
        UsageError: words that lead to no usable mode.
    """
    try:
        modes = read_modes(words[0])
    except (IndexError, ValueError):
        return None
    where += f" {words.popleft()}"
    identity = key_file = ""
    if words and words[0].lower().startswith("aeskey"):
        where += f" {words.popleft()}"
        identity = _take_identity(where, words)
        key_file = words.popleft() if words and not words[0].startswith("-") else ""
    if not identity and not modes & OPEN:
        raise UsageError(f"{where}: this mode needs a key", f"the form is {FORM}")
    return AuthWords(modes, identity, key_file)


def _take_identity(where: str, words: deque[str]) -> str:
    if not words or words[0].startswith("-"):
        raise UsageError(f"{where}: an identity must follow", f"the form is {FORM}")
    try:
        identity_field(words[0])
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    return words.popleft()


def ask_passphrase(prompt: str) -> str:
    """Ask on the terminal, without echo.

    Raises:
        UsageError: there is no terminal, or no answer.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would echo
        try:
            return getpass.getpass(prompt)
        except (getpass.GetPassWarning, EOFError):
            raise UsageError(
                "no terminal to ask for a passphrase", "name a key file after the identity"
            ) from None


def read_credentials(
    words: AuthWords, host: str, ask: Callable[[str], str] = ask_passphrase
) -> Credentials:
    """Fetch the key that the words speak of; may wait for the user.

    Raises:
        UsageError: no such key; an unreadable or wrong key file; no passphrase.
    """
    if not words.needs_key:
        return Credentials(words.modes & OPEN)
    key = _key_from_file(words) if words.key_file else _key_from_user(words, host, ask)
    return Credentials(words.modes, words.identity, key)


def _key_from_file(words: AuthWords) -> Key:
    """The key that the key file has for the identity."""
    try:
        text = Path(words.key_file).read_text("utf-8", "surrogateescape")
        return parse_keys(text, words.key_file)[words.identity]
    except OSError as error:
        raise UsageError(f"key file {words.key_file}: {error.strerror}") from None
    except ConfigurationError as error:
        raise UsageError(f"key file {error.problems[0]}") from None
    except KeyError:
        raise UsageError(f"key file {words.key_file} has no identity {words.identity}") from None


def _key_from_user(words: AuthWords, host: str, ask: Callable[[str], str]) -> Key:
    """The key of a passphrase that the user types."""
    phrase = ask(f"Passphrase of {words.identity} for {host}: ")
    if not phrase:
        raise UsageError(f"no passphrase for {words.identity}")
    return key_from_passphrase(phrase)
