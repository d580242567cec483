"""Reader of owping's text for people; its figures are rounded. Source: testers.md 12."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from bwctl.testers import latency
from bwctl.testers.reading import number, present, signed

FULL_TTL: Final = 255  # with which a packet leaves
_SCALES: Final = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}

_N: Final = r"(-?[0-9.e+-]{1,20}|nan)"
_COUNTS: Final = re.compile(
    r"^([0-9]{1,10}) sent, ([0-9]{1,10}) lost \(\S{1,12}%\), ([0-9]{1,10}) duplicates$"
)
_DELAYS: Final = re.compile(
    rf"^one-way delay min/median/max = {_N}/{_N}/{_N} (ns|us|ms|s), "
    rf"\((?:err={_N} \w{{1,2}}|unsync)\)$"
)
_JITTER: Final = re.compile(rf"^one-way jitter = {_N} (ns|us|ms|s) \(P95-P50\)$")
_HOPS: Final = re.compile(
    r"^hops (?:= ([0-9]{1,3}) \(consistently\)"
    r"|takes [0-9]{1,3} values; min hops = ([0-9]{1,3}), max hops = ([0-9]{1,3}))$"
)
_REORDERING: Final = re.compile(r"^(?:(no) reordering|1-reordering = ([0-9.]{1,20})%)$")


def summary(lines: Iterable[str]) -> dict[str, Any]:
    """The summary of the last session in an output; {} if it has another format."""
    found: dict[str, Any] = {}
    for line in lines:
        if match := _COUNTS.match(line):
            sent, lost, duplicates = (int(text) for text in match.groups())
            found = {**latency.loss(sent, max(0, sent - lost)), "duplicates": duplicates}
        elif found:
            found.update(_more(line, found["received"]))
    return found


def _more(line: str, received: int) -> dict[str, Any]:
    """What one of the lines below the counts tells."""
    if match := _DELAYS.match(line):
        return _delays(match)
    if match := _JITTER.match(line):
        return {"jitter_ms": _scaled(number(match[1]), match[2])}
    if match := _HOPS.match(line):
        least, most = match[1] or match[2], match[1] or match[3]
        return {"ttl_min": FULL_TTL - int(most), "ttl_max": FULL_TTL - int(least)}
    if match := _REORDERING.match(line):
        share = number(match[2]) or 0.0
        return {"reordering": 0 if match[1] else round(share * received / 100)}
    return {}


def _delays(match: re.Match[str]) -> dict[str, Any]:
    """Delays, and the error if the clocks are synchronised."""
    names = ("min", "median", "max")
    values = zip(names, match.groups(), strict=False)
    delays = present({name: _scaled(signed(text), match[4]) for name, text in values})
    error = _scaled(number(match[5]), match[4]) if match[5] else None
    return {
        "owd_ms": delays or None,
        "maxerr_ms": error,
        "synchronized": match[5] is not None,
    }


def _scaled(value: float | None, unit: str) -> float | None:
    """A value in milliseconds."""
    return None if value is None else round(value * _SCALES[unit], latency.DIGITS)
