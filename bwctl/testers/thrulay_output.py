"""Reads the line for programs at the end of thrulay's output. Source: testers.md 13.

Without that line, as the test still runs or was cut short, the rows for people give the intervals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

from bwctl.testers.jsontext import decoded, mapping, sequence
from bwctl.testers.reading import (
    LARGEST,
    MAX_INTERVALS,
    Half,
    clean,
    count,
    hint,
    lines_of,
    long_enough,
    number,
    rate,
    report,
    text_of,
)
from bwctl.values import Report, Role, TestSpec

MARK: Final = "#json "  # begins the line with the result
ALL_STREAMS: Final = 255

_ROW: Final = re.compile(r"^ ?\( *[0-9]+\) +([0-9.]+) +([0-9.]+) +([0-9.]+)\b")  # begin, end, Mb/s
_COUNTS: Final = ("retransmits", "lost", "packets")
_DELAYS: Final = {"min": "min", "mean": "mean", "median": "p50", "p95": "p95", "max": "max"}


def read(output: bytes, spec: TestSpec, role: Role) -> Report:
    """The Report of one end, from the last line that holds a result."""
    text = text_of(output)
    start = ("\n" + text).rfind("\n" + MARK)
    result = decoded(text, start + len(MARK)) if start >= 0 else None
    if result is None:
        lines = lines_of(text)
        error = hint(lines) or "no result found in the output"
        return Report(tool="thrulay", error=error, intervals=_of_rows(lines))
    sent, received = halves(result, role)
    streams = count(result.get("streams"))
    return report(
        "thrulay",
        spec,
        sent=sent,
        received=received,
        streams=ALL_STREAMS if streams is None else streams,
        complaint=_text(result.get("error")),
        version=_text(result.get("version")),
        more={
            "rtt_ms": _round_trips(mapping(result.get("rtt_us"))),
            "mss": count(result.get("mss")) or None,
            "duplicates": count(result.get("duplicates")),
            "owd_ms": _one_way_delays(mapping(result.get("delay_us"))),
        },
        intervals=_intervals(spec, sequence(result.get("intervals"))),
    )


def halves(result: Mapping[str, Any], role: Role) -> tuple[Half | None, Half | None]:
    """What was sent and what arrived; the client knows that from echoes or the server's report."""
    if role is Role.SERVER:
        return None, half(result)
    sent = {key: result.get(key) for key in ("seconds", "retransmits")}
    return half({**sent, "bytes": result.get("sent_bytes")}), half(result)


def half(block: Mapping[str, Any]) -> Half | None:
    """What one end counted over the whole test."""
    octets, seconds = count(block.get("bytes")), number(block.get("seconds"))
    if octets is None or seconds is None:
        return None
    jitter = number(block.get("jitter_us"))
    return Half(
        octets=octets,
        seconds=seconds,
        bits_per_second=rate(octets, seconds),
        retransmits=count(block.get("retransmits")),
        jitter_ms=None if jitter is None else jitter / 1000,
        lost=count(block.get("lost")),
        packets=count(block.get("packets")),
        out_of_order=count(block.get("out_of_order")),
    )


def _text(value: object) -> str | None:
    """A string that is not empty, cleaned."""
    return clean(value) or None if isinstance(value, str) else None


def _round_trips(microseconds: Mapping[str, Any]) -> dict[str, float] | None:
    """The round trips in milliseconds."""
    found = {name: number(microseconds.get(name)) for name in ("min", "mean", "max")}
    return {name: value / 1000 for name, value in found.items() if value is not None} or None


def _one_way_delays(microseconds: Mapping[str, Any]) -> dict[str, float] | None:
    """The one-way delays in milliseconds; clocks that disagree make negative ones."""
    found = ((name, microseconds.get(key)) for name, key in _DELAYS.items())
    return {name: round(value / 1000, 6) for name, value in found if _is_finite(value)} or None


def _is_finite(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -LARGEST < value < LARGEST


def _intervals(spec: TestSpec, entries: Sequence[Any]) -> list[Mapping[str, Any]]:
    """The intervals without the fragment at the end of a server's."""
    found = (_interval(entry) for entry in entries[:MAX_INTERVALS] if isinstance(entry, dict))
    return [one for one in found if one and long_enough(spec, one["end_s"] - one["start_s"])]


def _of_rows(lines: Sequence[str]) -> list[Mapping[str, Any]]:
    """The intervals of all streams together, as far as the rows tell: rates have three decimals."""
    megabits: dict[tuple[float, float], float] = {}
    for row in filter(None, map(_ROW.match, lines)):
        start, end, value = map(number, row.groups())
        if start is not None and end is not None and value is not None and start < end:
            megabits[start, end] = megabits.get((start, end), 0.0) + value
    return [
        {
            "start_s": start,
            "end_s": end,
            "bytes": int(value * 1e6 * (end - start) / 8),
            "bits_per_second": value * 1e6,
        }
        for (start, end), value in list(megabits.items())[:MAX_INTERVALS]
    ]


def _interval(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """One interval. There may be thousands, and the daemon reads them too: no detours here."""
    start, end, octets = number(entry.get("start")), number(entry.get("end")), entry.get("bytes")
    if start is None or end is None or (octets := count(octets)) is None:
        return None
    found = {"start_s": start, "end_s": end, "bytes": octets}
    found["bits_per_second"] = rate(octets, end - start)
    for name in _COUNTS:
        if name in entry and (value := count(entry[name])) is not None:
            found[name] = value
    if "jitter_us" in entry and (jitter := number(entry["jitter_us"])) is not None:
        found["jitter_ms"] = jitter / 1000
    return found
