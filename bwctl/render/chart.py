"""What a chart of a test shows, before it is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from bwctl.figures import Side
from bwctl.render.replies import replies
from bwctl.render.sparkline import resampled
from bwctl.render.wording import figure, rfc3339, what_is_tested
from bwctl.results import TestResult
from bwctl.values import Kind

MOST_POINTS = 600  # of a line: about one for each dot of the picture

_X_LABELS = {Kind.THROUGHPUT: "time, s", Kind.LATENCY: "packet", Kind.TRACE: "hop"}

Point = tuple[float, float | None]  # None: a gap in the line


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its name, and its points from left to right."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over one axis that begins at 0."""

    title: str
    subtitle: str
    x_label: str
    whole_x: bool = False  # there is nothing between the whole numbers
    unit: str  # of the values, without prefix
    scale_unit: bool  # whether the unit takes k, M, G
    series: Sequence[Series]


def chart_of(result: TestResult) -> Chart | None:
    """The chart of a test: rate over time, delay of packets, or round trip over hops; None where
    there is nothing to draw."""
    if result.spec is None:
        return None
    kind = result.spec.kind
    series = [one for one in _SERIES[kind](result) if any(y is not None for _, y in one.points)]
    if not series:
        return None
    start = result.reserved_start
    return Chart(
        title=what_is_tested(result),
        subtitle="" if start is None else f"{rfc3339(start)[:19]}Z",
        x_label=_X_LABELS[kind],
        whole_x=kind is not Kind.THROUGHPUT,
        unit="bit/s" if kind is Kind.THROUGHPUT else "ms",
        scale_unit=kind is Kind.THROUGHPUT,
        series=series,
    )


def _throughput(result: TestResult) -> Iterator[Series]:
    """The rates in both ends' outputs, the receiver's first. Where only one has them, as with
    nuttcp, that does not tell whose they are."""
    names = {Side.RECEIVER: "received", Side.SENDER: "sent"}
    found = {
        side: _thinned(list(_rates(end.report.intervals)))
        for side, end in result.ends()
        if end.report is not None and end.report.intervals
    }
    for side, points in found.items():
        yield Series(names[side] if len(found) > 1 else "rate", points)


def _rates(intervals: Sequence[Mapping[str, Any]]) -> Iterator[Point]:
    for one in intervals:
        start, end = figure(one, "start_s"), figure(one, "end_s")
        if start is not None and end is not None and not one.get("omitted"):
            yield (start + end) / 2, figure(one, "bits_per_second")


def _latency(result: TestResult) -> Iterator[Series]:
    """The delay of each packet; a lost one is a gap."""
    name = "one-way delay" if "owd_ms" in result.summary else "RTT"
    yield Series(name, _thinned(replies(result)))


def _trace(result: TestResult) -> Iterator[Series]:
    """The mean round trip to each hop."""
    hops = result.summary.get("hops")
    found = hops if isinstance(hops, (list, tuple)) else ()
    yield Series("mean RTT", [point for hop in found if (point := _hop(hop)) is not None])


def _hop(hop: object) -> Point | None:
    distance = figure(hop, "n")
    if distance is None or not isinstance(hop, Mapping):
        return None
    probes = hop.get("probes")
    answers = [figure(one, "rtt_ms") for one in probes] if isinstance(probes, (list, tuple)) else []
    known = [rtt for rtt in answers if rtt is not None]
    return distance, fmean(known) if known else None


_SERIES = {Kind.THROUGHPUT: _throughput, Kind.LATENCY: _latency, Kind.TRACE: _trace}


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """At most MOST_POINTS, each the mean of some that follow each other."""
    times = resampled([x for x, _ in points], MOST_POINTS)
    values = resampled([y for _, y in points], MOST_POINTS)
    return [(x, y) for x, y in zip(times, values, strict=True) if x is not None]
