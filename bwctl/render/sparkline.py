"""The course of a test in one line of characters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from bwctl.render.look import Look
from bwctl.render.wording import figure, is_number, scaled, span
from bwctl.values import Kind

WIDEST = 60  # characters


def course(
    intervals: Sequence[Mapping[str, Any]], kind: Kind, look: Look
) -> tuple[str, str] | None:
    """A label and a line with a bar for each interval, or packet; None where there are too few.

    Intervals that do not count (--omit) are left out. The lowest bar stands for 0, so that what
    looks steady is steady.
    """
    counted = [one for one in intervals if not one.get("omitted")]
    key = "rtt_ms" if kind is Kind.LATENCY else "bits_per_second"
    values = [figure(one, key) for one in counted]
    known = [value for value in values if value is not None]
    if len(values) < 2 or not known:
        return None
    width = max(10, min(WIDEST, look.columns - 45))
    line = sparkline(resampled(values, width), look)
    if kind is Kind.LATENCY:
        return "replies", f"{line}  {min(known):.3g} to {max(known):.3g} ms"
    extremes = f"{scaled(min(known), 'bit/s')} to {scaled(max(known), 'bit/s')}"
    return "rate", f"{line}  {extremes}, each {_length(counted)}"


def _length(intervals: Sequence[Mapping[str, Any]]) -> str:
    """The usual length of some intervals: `0.25 s`, `1 s`."""
    spans = [(figure(one, "start_s"), figure(one, "end_s")) for one in intervals]
    known = [end - start for start, end in spans if start is not None and end is not None]
    usual = max(0.0, median(known or [0.0]))
    return f"{usual:.2g} s" if usual < 10 else span(usual)


def sparkline(values: Sequence[float | None], look: Look) -> str:
    """One character for each value, from 0 to the largest; what is missing is a gap."""
    top = max((value for value in values if value is not None), default=0.0)
    return "".join(_bars(values, top, look))


def _bars(values: Sequence[float | None], top: float, look: Look) -> Iterator[str]:
    last = len(look.levels) - 1
    for value in values:
        if value is None:
            yield look.gap
        else:
            yield (
                look.levels[round(last * min(1.0, max(0.0, value / top)))]
                if top
                else look.levels[0]
            )


def resampled(values: Sequence[float | None], most: int) -> list[float | None]:
    """At most so many values: each the mean of some that follow each other."""
    if len(values) <= most:
        return list(values)
    edges = [index * len(values) // most for index in range(most + 1)]
    groups = [values[begin:end] for begin, end in zip(edges, edges[1:], strict=False)]
    known = [[value for value in group if is_number(value)] for group in groups]
    return [fmean(group) if group else None for group in known]
