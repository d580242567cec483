"""Reader of `owping -R`: a line for each packet, in the order of arrival. Source: testers.md 12."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from bwctl.testers import latency
from bwctl.testers.reading import MAX_INTERVALS, number
from bwctl.values import TICKS_PER_SECOND

_ROW: Final = re.compile(
    r"^(?P<seq>[0-9]{1,10}) (?P<sent>[0-9]{20}) (?P<sent_sync>[01]) (?P<sent_error>\S{1,24}) "
    r"(?P<received>[0-9]{20}) (?P<received_sync>[01]) (?P<received_error>\S{1,24}) "
    r"(?P<ttl>[0-9]{1,3})$"
)


class Row(NamedTuple):
    """One packet; `delay_ms` None: it was lost."""

    seq: int
    delay_ms: float | None
    synchronized: bool
    error_ms: float
    ttl: int


def rows(lines: Iterable[str]) -> list[Row]:
    """The packets of an output; none if it has another format."""
    return [_row(match) for line in lines if (match := _ROW.match(line))]


def _row(match: re.Match[str]) -> Row:
    sent, received = int(match["sent"]), int(match["received"])
    errors = [number(match[name]) or 0.0 for name in ("sent_error", "received_error")]
    return Row(
        seq=int(match["seq"]),
        delay_ms=_milliseconds((received - sent) / TICKS_PER_SECOND) if received else None,
        synchronized=match["sent_sync"] == match["received_sync"] == "1",
        error_ms=_milliseconds(sum(errors)),
        ttl=int(match["ttl"]),
    )


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, latency.DIGITS)


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The summary; the first arrival of a packet counts, those after it are duplicates."""
    arrived = [row for row in rows if row.delay_ms is not None]
    first = {row.seq: row for row in reversed(arrived)}
    sent = len({row.seq for row in rows})
    delays = sorted(row.delay_ms for row in first.values() if row.delay_ms is not None)
    ttls = [row.ttl for row in first.values()]
    return {
        **latency.loss(sent, len(first)),
        "duplicates": len(arrived) - len(first),
        "owd_ms": _delays(delays, sent),
        "jitter_ms": _jitter(delays, sent),
        "maxerr_ms": max((row.error_ms for row in arrived), default=None),
        "synchronized": all(row.synchronized for row in arrived) if arrived else None,
        "ttl_min": min(ttls, default=None),
        "ttl_max": max(ttls, default=None),
        "reordering": _reordered(row.seq for row in arrived),
    }


def _delays(delays: Sequence[float], sent: int) -> dict[str, float] | None:
    if not delays:
        return None
    median = _percentile(delays, 0.5, sent)
    found = {"min": delays[0], "max": delays[-1]}
    return found if median is None else {**found, "median": median}


def _jitter(delays: Sequence[float], sent: int) -> float | None:
    """What owping calls so: the 95th percentile less the median."""
    high, median = _percentile(delays, 0.95, sent), _percentile(delays, 0.5, sent)
    return None if high is None or median is None else round(high - median, latency.DIGITS)


def _percentile(delays: Sequence[float], share: float, sent: int) -> float | None:
    """A percentile over all packets that were sent; None if it is a lost one."""
    rank = max(1, math.ceil(share * sent))
    return delays[rank - 1] if rank <= len(delays) else None


def _reordered(numbers: Iterable[int]) -> int | None:
    """How many packets came right after one that was sent later: 1-reordering of RFC 4737."""
    known = list(numbers)
    pairs = zip(known, known[1:], strict=False)
    return sum(after < before for before, after in pairs) if known else None


def intervals(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """One element for each packet that arrived."""
    seen: set[int] = set()
    found: list[dict[str, Any]] = []
    for row in rows:
        if row.delay_ms is not None and len(found) < MAX_INTERVALS:
            twice = {"duplicate": True} if row.seq in seen else {}
            found.append({"seq": row.seq, "owd_ms": row.delay_ms, "ttl": row.ttl, **twice})
            seen.add(row.seq)
    return found
