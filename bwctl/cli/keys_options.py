"""The command line of bwctl-keys. Source: daemon.md 3.3; I2util/aespasswd.

getopt, not argparse: argparse quotes what it does not understand, and that may be a passphrase.
"""

from __future__ import annotations

import getopt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bwctl import __version__
from bwctl.cli.keys_errors import USAGE, KeysError
from bwctl.cli.optiontable import Opt
from bwctl.limits.keys import identity_field

PROGRAM: Final = "bwctl-keys"

OPTIONS: Final = (
    Opt(short="f", long="file", field="file", metavar="FILE", help="the key file (required)"),
    Opt(short="n", long="create", field="create", help="make FILE, which must not exist"),
    Opt(short="d", long="delete", field="delete", help="remove IDENTITY from FILE"),
    Opt(long="random", field="random", help="make a random key, store it, and print it once"),
    Opt(long="list", field="list", help="print the identities of FILE"),
    Opt(long="check", field="check", help="print every problem of FILE"),
    Opt(long="json", field="json", help="with --list or --check: print one JSON object"),
    Opt(short="V", long="version", field="", help="print the version and exit"),
    Opt(short="h", long="help", field="", help="print this help and exit"),
)

_APART = (
    ("delete", "create"),
    ("delete", "random"),
    ("list", "check"),
    *((one, other) for one in ("list", "check") for other in ("create", "delete", "random")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user wants; without an action: add or replace the identity."""

    file: str
    identity: str = ""  # "": with --list and --check
    create: bool = False
    delete: bool = False
    random: bool = False
    list: bool = False
    check: bool = False
    json: bool = False


def parse(arguments: Sequence[str]) -> Request | str:
    """Read the command line; a text is to be printed, and that is all.

    Raises:
        KeysError: it cannot be used. The message has no word of it but names of options.
    """
    given, words = _split(arguments)
    if "help" in given:
        return help_text()
    if "version" in given:
        return f"{PROGRAM} {__version__}\n"
    _check_company(given)
    if not given.get("file"):
        raise _usage("no key file named", "-f FILE names it")
    switches = {name: True for name in given if name != "file"}
    return Request(file=given["file"], identity=_identity(switches, words), **switches)


def _split(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Values by long name of the option, and the other words."""
    short = "".join(opt.short + ":" * bool(opt.metavar) for opt in OPTIONS if opt.short)
    long = [opt.long + "=" * bool(opt.metavar) for opt in OPTIONS]
    try:
        pairs, words = getopt.gnu_getopt(list(arguments), short, long)
    except getopt.GetoptError as error:
        raise _usage(str(error), f"`{PROGRAM} --help` lists the options") from None
    names = {name: opt.long for opt in OPTIONS for name in opt.names}
    if Counter(names[name] for name, _ in pairs)["file"] > 1:
        raise _usage("-f was given twice", "one run changes one file")
    return {names[name]: value for name, value in pairs}, words


def _check_company(given: dict[str, str]) -> None:
    for one, other in _APART:
        if one in given and other in given:
            raise _usage(f"--{one} and --{other} exclude each other", "leave one out")
    if "json" in given and not {"list", "check"} & given.keys():
        raise _usage("--json is for --list and --check", "leave it out")


def _identity(switches: dict[str, bool], words: list[str]) -> str:
    if {"list", "check"} & switches.keys():
        if words:
            raise _usage("--list and --check take no IDENTITY", "leave it out")
        return ""
    if len(words) != 1:
        message = "more than one IDENTITY" if words else "no IDENTITY"
        raise _usage(message, "give one; the passphrase is asked for, it is no argument")
    try:
        identity_field(words[0])
    except ValueError as error:
        raise _usage(str(error), "choose another one") from None
    return words[0]


def _usage(message: str, hint: str) -> KeysError:
    return KeysError("usage", message, hint, USAGE)


def help_text() -> str:
    """What --help prints."""
    return "\n".join(
        [
            f"usage: {PROGRAM} -f FILE [-n] [--random] IDENTITY",
            f"       {PROGRAM} -f FILE -d IDENTITY",
            f"       {PROGRAM} -f FILE --list|--check [--json]",
            "",
            "Edit a key file of the BWCTL daemon: add or replace the key of IDENTITY.",
            "",
            *(f"  {_names(opt):<22}{opt.help}" for opt in OPTIONS),
            "",
            "The passphrase is asked for twice on a terminal, else read from standard input, one",
            "line. IDENTITY has 1 to 16 octets without white space. A FILE that is a symbolic",
            "link is written through.",
            "",
            "Examples:",
            f"  {PROGRAM} -n -f bwctl-server.keys alice       a new file with one key",
            f"  {PROGRAM} -f bwctl-server.keys --random mesh  a key that nobody can guess",
            f"  {PROGRAM} -f bwctl-server.keys --check        what the daemon would refuse",
            "",
            "Exit status: 0 done; 1 not done, or --check found a problem; 2 wrong usage.",
            "",
        ]
    )


def _names(opt: Opt) -> str:
    names = ", ".join(opt.names) if opt.short else f"    {opt.names[0]}"
    return f"{names} {opt.metavar}".rstrip()
