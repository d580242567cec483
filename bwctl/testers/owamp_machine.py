"""Reader of `owping -M`: lines `KEY<tab>value`, and tables between tags. Source: testers.md 12."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from bwctl.testers import latency
from bwctl.testers.latency import DIGITS
from bwctl.testers.reading import count, number, present, signed

BEGIN: Final = "SUMMARY"  # the first key of a session
UNFINISHED: Final = "SESSION_FINISHED\t0"
_VALUE: Final = re.compile(r"^([A-Z_]{1,30})\t(\S{1,80})$")
_TAG: Final = re.compile(r"^<(/?)([A-Z]{1,30})>$")
_ENTRY: Final = re.compile(r"^\t(-?[0-9]{1,12})\t([0-9]{1,12})$")

Values = dict[str, str]
Tables = dict[str, dict[str, int]]


def summary(lines: Iterable[str]) -> dict[str, Any]:
    """The summary of the last session in an output; {} if it has another format."""
    values, tables = _collected(lines)
    sent, lost = count(values.get("SENT")), count(values.get("LOST"))
    if sent is None or lost is None:
        return {}
    return {
        **latency.loss(sent, max(0, sent - lost)),
        "duplicates": count(values.get("DUPS")),
        "owd_ms": _delays(values),
        "jitter_ms": _milliseconds(number(values.get("PDV"))),
        "maxerr_ms": _milliseconds(number(values.get("MAXERR"))),
        "synchronized": {"0": False, "1": True}.get(values.get("SYNC", "")),
        "histogram": _histogram(values, tables.get("BUCKETS", {})),
        **(_hops(values) if sent > lost else {}),
        "reordering": tables.get("NREORDERING", {}).get("1"),
    }


def _collected(lines: Iterable[str]) -> tuple[Values, Tables]:
    """Values and tables of the last session."""
    values: Values = {}
    tables: Tables = {}
    table: dict[str, int] | None = None
    for line in lines:
        if match := _VALUE.match(line):
            if match[1] == BEGIN:
                values, tables = {}, {}
            values[match[1]] = match[2]
        elif match := _TAG.match(line):
            table = None if match[1] else tables.setdefault(match[2], {})
        elif table is not None and (match := _ENTRY.match(line)):
            table[match[1]] = int(match[2])
    return values, tables


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, DIGITS)


def _delays(values: Values) -> dict[str, float] | None:
    """The delays; negative ones come of clocks that disagree."""
    names = ("min", "median", "max")
    found = {name: _milliseconds(signed(values.get(name.upper()))) for name in names}
    return present(found) or None


def _histogram(values: Values, counts: Mapping[str, int]) -> dict[str, Any] | None:
    """How many packets had a delay of about index * bucket_width_ms."""
    width = _milliseconds(number(values.get("BUCKET_WIDTH")))
    return {"bucket_width_ms": width, "counts": dict(counts)} if width and counts else None


def _hops(values: Values) -> dict[str, int | None]:
    return {"ttl_min": count(values.get("MINTTL")), "ttl_max": count(values.get("MAXTTL"))}
