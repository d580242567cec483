"""Rows of iperf and iperf3 text: `[ ID] t0-t1 sec  SIZE unit  RATE unit  more`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bwctl.testers.reading import Half, interval_of, long_enough, losses, rate
from bwctl.values import TestSpec

_ROW: Final = re.compile(
    r"\[ *(?P<stream>[A-Z0-9*-]{1,9})\] +(?P<start>[0-9.]{1,12})- *(?P<end>[0-9.]{1,12}) +sec +"
    r"(?P<size>[0-9.]{1,24}) (?P<scale>[KMGT]?)Bytes? +"
    r"(?P<rate>-?[0-9.]{1,24}) (?P<factor>[KMGT]?)(?P<unit>bits|Bytes)/sec(?P<rest>.*)"
)
_LOSS: Final = re.compile(
    r"^ +(?:(?P<jitter>[0-9.]{1,12}) ms +)?(?P<lost>-?[0-9]{1,15})/ *(?P<packets>[0-9]{1,15}) +\("
    r"[0-9.e+-]{1,12}%\)"
)
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table, or the sum of several."""

    stream: str  # "SUM" for the sum over all streams
    start: float
    end: float
    half: Half
    omitted: bool = False
    rest: str = ""  # of a text row, behind the rate
    cwnd: int | None = None  # octets, at the end of the interval


def text_row(line: str) -> Row | None:
    """The row that a line holds."""
    match = _ROW.match(line)
    if match is None:
        return None
    try:
        return _row(match)
    except ValueError:  # more than one point in a number
        return None


def _row(match: re.Match[str]) -> Row:
    start, end = float(match["start"]), float(match["end"])
    octets = round(float(match["size"]) * 1024 ** _POWERS[match["scale"]])
    loss = _LOSS.match(match["rest"])
    half = Half(
        octets=octets,
        seconds=end - start,
        bits_per_second=rate(octets, end - start, _printed_rate(match)),
        jitter_ms=float(loss["jitter"]) if loss and loss["jitter"] else None,
        lost=losses(loss["lost"]) if loss else None,
        packets=int(loss["packets"]) if loss else None,
    )
    stream = "SUM" if match["stream"].startswith("SUM") else match["stream"]
    rest = match["rest"]
    omitted = "(omitted)" in rest
    return Row(stream=stream, start=start, end=end, half=half, omitted=omitted, rest=rest)


def _printed_rate(match: re.Match[str]) -> float | None:
    """The rate as printed, in bit/s; None beside an exact amount, which is the better source."""
    if not match["scale"]:
        return None
    power = _POWERS[match["factor"]]
    if match["unit"] == "bits":
        return float(match["rate"]) * 1000.0**power
    return float(match["rate"]) * 8 * 1024.0**power


def sum_of(rows: Sequence[Row]) -> Row | None:
    """One row for the rows of several streams; jitter is their mean."""
    if len(rows) < 2:
        return rows[0] if rows else None
    start, end = min(row.start for row in rows), max(row.end for row in rows)
    octets = sum(row.half.octets for row in rows)
    half = Half(
        octets=octets,
        seconds=end - start,
        bits_per_second=sum(row.half.bits_per_second for row in rows),
        retransmits=_sum(row.half.retransmits for row in rows),
        jitter_ms=mean_jitter(rows),
        lost=_sum(row.half.lost for row in rows),
        packets=_sum(row.half.packets for row in rows),
        out_of_order=_sum(row.half.out_of_order for row in rows),
    )
    return Row(stream="SUM", start=start, end=end, half=half, omitted=rows[0].omitted)


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum of the values, None if one of them was not measured."""
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def mean_jitter(rows: Iterable[Row]) -> float | None:
    """The mean of the jitters that were measured."""
    known = [row.half.jitter_ms for row in rows if row.half.jitter_ms is not None]
    return sum(known) / len(known) if known else None


def by_stream(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows in groups by stream."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.stream, []).append(row)
    return groups


def longest_from_zero(rows: Sequence[Row]) -> Row | None:
    """The row over the whole test: it reaches the latest end and starts at 0."""
    row = max(rows, key=lambda row: (row.end, -row.start))
    return row if row.start == 0 else None


def interval_rows(rows: Sequence[Row]) -> list[Row]:
    """One row per interval: the SUM rows if there are any, else sums over the streams.

    A server that lost its client prints the last interval twice; it counts once.
    """
    sums = [row for row in rows if row.stream == "SUM"]
    groups: dict[tuple[bool, float, float], dict[str, Row]] = {}
    for row in sums or rows:
        interval = (row.omitted, round(row.start, 1), round(row.end, 1))
        groups.setdefault(interval, {})[row.stream] = row
    return [total for group in groups.values() if (total := sum_of([*group.values()]))]


def intervals_of(spec: TestSpec, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The intervals of a Report from the rows that are not totals."""
    return [
        interval_of(row.start, row.end, row.half)
        for row in interval_rows(rows)
        if long_enough(spec, row.half.seconds)
    ]
