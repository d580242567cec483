"""Where bwctl-keys has a passphrase from: a terminal, twice, or a line of standard input."""

from __future__ import annotations

import getpass
import os
import warnings
from typing import Final

from bwctl.cli.keys_errors import KeysError
from bwctl.text import sanitise

INPUT = 0  # descriptor of standard input
SHORT: Final = 12  # characters
LONGEST: Final = 1023  # octets; Source: I2util/aespasswd, ppbuf

WEAK: Final = (
    f"warning: the passphrase has fewer than {SHORT} characters. The key is its unsalted MD5, "
    "so whoever records one handshake can guess it quickly; --random is safe from that"
)


def read_passphrase(identity: str) -> bytes:
    """The octets of the passphrase that the user gives.

    Raises:
        KeysError: none, an empty one, one that C would cut, or two that differ.
    """
    if not os.isatty(INPUT):
        return _checked(_line_of_input())
    phrase = _checked(_ask(f"Passphrase for {sanitise(identity)}: "))
    if _ask("The same again: ") != phrase:
        raise KeysError("passphrase", "the two passphrases differ", "run bwctl-keys again")
    return phrase


def remark(phrase: bytes) -> str:
    """What the user should know about a passphrase; empty if nothing."""
    return WEAK if len(phrase.decode("utf-8", "replace")) < SHORT else ""


def _checked(phrase: bytes) -> bytes:
    if not phrase:
        message = "an empty passphrase would protect nothing"
        raise KeysError("passphrase", message, f"give {SHORT} characters or more, or use --random")
    if len(phrase) > LONGEST:
        message = f"the passphrase has more than {LONGEST} octets"
        raise KeysError("passphrase", message, "take a shorter one: clients cut it there")
    if b"\0" in phrase or b"\r" in phrase:
        message = "the passphrase has a carriage return or a zero octet"
        raise KeysError("passphrase", message, "leave it out: clients cut the passphrase there")
    return phrase


def _ask(prompt: str) -> bytes:
    """One answer on the terminal, without echo."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would echo
        try:
            return getpass.getpass(prompt).encode("utf-8", "surrogateescape")
        except (getpass.GetPassWarning, EOFError, OSError):
            message = "the terminal gave no passphrase"
            raise KeysError("passphrase", message, "run bwctl-keys again") from None
        except UnicodeError:
            message = "the passphrase is not in the encoding of the terminal"
            raise KeysError("passphrase", message, "check LANG and LC_ALL") from None


def _line_of_input() -> bytes:
    """The first line; octet by octet, for what follows belongs to the next program."""
    line = bytearray()
    try:
        while len(line) <= LONGEST + 1 and (octet := os.read(INPUT, 1)) != b"\n":
            if not octet and not line:
                message = "standard input has no passphrase"
                hint = "write it there in one line, run bwctl-keys on a terminal, or use --random"
                raise KeysError("passphrase", message, hint)
            if not octet:
                break
            line += octet
    except OSError as error:
        message = f"standard input cannot be read: {error.strerror}"
        raise KeysError("passphrase", message, "run bwctl-keys on a terminal") from None
    return bytes(line).removesuffix(b"\r")
