"""Values of options: how each type is read from a word and written back. Source: daemon.md 1.2."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from bwctl.limits.grammar import hint, scaled_integer, shown

DEFAULT_PORT: Final = 4823
MAX_PORT: Final = 65535
MAX_CPU: Final = 8191
MAX_SECONDS: Final = 1 << 31

_NUMBER = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DIGITS = re.compile("[0-9]{1,9}")
_HOST = re.compile(r"[\w.-]+")
_CPU_RANGE = re.compile("([0-9]{1,6})(?:-([0-9]{1,6}))?")


class PortRange(NamedTuple):
    """Ports from low to high, both usable."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"


class Node(NamedTuple):
    """Where to listen; host "" = all addresses."""

    host: str = ""
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


BOOLEANS: Final = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}

# fmt: off
FACILITIES: Final[Mapping[str, str]] = {
    **{name: name for name in (
        "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog",
        "user", "uucp", *(f"local{number}" for number in range(8)),
    )},
    "security": "auth",
}
PRIORITIES: Final[Mapping[str, str]] = {
    **{name: name for name in (
        "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "none",
    )},
    "panic": "emerg", "error": "err", "warn": "warning",
}
# fmt: on
"""Names for syslog, and the old spellings of some."""

_MODES: Final = {"o": 1, "a": 2, "e": 4}


def read_boolean(word: str) -> bool:
    """Read on, yes, true, off, no or false."""
    try:
        return BOOLEANS[word.lower()]
    except KeyError:
        raise ValueError(f"{shown(word)} is none of {', '.join(BOOLEANS)}") from None


def write_boolean(value: bool) -> str:
    """`on` or `off`."""
    return "on" if value else "off"


def seconds_reader(above: float = -1.0) -> Callable[[str], float]:
    """A reader of seconds: a number without unit, not negative and greater than `above`."""

    def read_seconds(word: str) -> float:
        value = float(word) if _NUMBER.fullmatch(word) else math.nan
        if not above < value <= MAX_SECONDS:
            least = "of 0 or more" if above < 0 else f"greater than {above:g}"
            raise ValueError(f"{shown(word)} is not a number of seconds {least}")
        return value

    return read_seconds


def count_reader(least: int, most: int = (1 << 64) - 1) -> Callable[[str], int]:
    """A reader of integers with suffix, within bounds."""

    def read_count(word: str) -> int:
        value = scaled_integer(word)
        if not least <= value <= most:
            raise ValueError(f"{shown(word)} is not within {least} to {most}")
        return value

    return read_count


def choice_reader(names: Mapping[str, str]) -> Callable[[str], str]:
    """A reader of one of some names, whatever the case."""

    def read_choice(word: str) -> str:
        try:
            return names[word.lower()]
        except KeyError:
            near = hint(word.lower(), names)
            raise ValueError(f"{shown(word)} is none of {', '.join(names)}{near}") from None

    return read_choice


def read_word(word: str) -> str:
    """A path or a name, as it is."""
    return word


def read_account(word: str) -> str | int:
    """A user or group: a name, or the id as `-ID`."""
    if not word.startswith("-"):
        return word
    if not _DIGITS.fullmatch(word[1:]):
        raise ValueError(f"{shown(word)} is neither a name nor - and an id")
    return int(word[1:])


def write_account(value: str | int) -> str:
    """As `read_account` reads it."""
    return f"-{value}" if isinstance(value, int) else value


def read_modes(word: str) -> int:
    """Letters of O, A, E as a mask: 1 open, 2 authenticated, 4 encrypted."""
    mask = 0
    for letter in word.lower():
        if letter not in _MODES:
            raise ValueError(f"{shown(letter)} is none of the modes O, A, E")
        mask |= _MODES[letter]
    return mask


def write_modes(mask: int) -> str:
    """As `read_modes` reads it."""
    return "".join(letter.upper() for letter, bit in _MODES.items() if mask & bit)


def read_ports(word: str) -> PortRange | None:
    """PORT or LOW-HIGH; None for 0, which means that no port is asked for."""
    low_word, dash, high_word = word.partition("-")
    low = _read_port(low_word)
    high = _read_port(high_word) if dash else low
    if low > high:
        raise ValueError(f"{shown(word)} starts above its end")
    if low == 0 < high:
        raise ValueError(f"{shown(word)} starts with 0, which is no port")
    return PortRange(low, high) if high else None


def write_ports(value: PortRange | None) -> str:
    """As `read_ports` reads it."""
    return str(value or 0)


def _read_port(word: str) -> int:
    if not _DIGITS.fullmatch(word) or int(word) > MAX_PORT:
        raise ValueError(f"{shown(word)} is not a port from 0 to {MAX_PORT}")
    return int(word)


def read_node(word: str) -> Node:
    """HOST, HOST:PORT, :PORT, [V6]:PORT, [V6] or V6. Source: daemon.md 1.3.

    Unlike C, a port that is not a number is an error, and a bracketed address needs none.
    """
    host, port = _split_node(word)
    if ":" in host:
        try:
            IPv6Address(host)
        except ValueError:
            raise ValueError(f"{shown(host)} is not an IPv6 address") from None
    elif host and not _HOST.fullmatch(host):
        raise ValueError(f"{shown(host)} is not a host")
    return Node(host, DEFAULT_PORT if port is None else _read_port(port))


def _split_node(word: str) -> tuple[str, str | None]:
    if word.startswith("["):
        host, bracket, rest = word[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in host:
            raise ValueError(f"{shown(word)} is not [IPV6-ADDRESS] or [IPV6-ADDRESS]:PORT")
        return host, rest[1:] if rest else None
    if word.count(":") > 1:
        return word, None
    host, colon, port = word.partition(":")
    return host, port if colon else None


def read_cpus(word: str) -> frozenset[int]:
    """Processor numbers as `taskset -c` takes them: 0,2-3."""
    cpus = set[int]()
    for part in word.split(","):
        match = _CPU_RANGE.fullmatch(part)
        low, high = map(int, (match[1], match[2] or match[1])) if match else (1, 0)
        if not low <= high <= MAX_CPU:
            raise ValueError(f"{shown(part)} is not a processor or a range, from 0 to {MAX_CPU}")
        cpus.update(range(low, high + 1))
    return frozenset(cpus)


def write_cpus(cpus: frozenset[int]) -> str:
    """As `read_cpus` reads it."""
    return ",".join(map(str, sorted(cpus)))
