"""The course of a test in one line of characters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from bwctl.render.look import Look
from bwctl.render.replies import replies
from bwctl.render.wording import digits, figure, is_number, scaled, span
from bwctl.results import TestResult
from bwctl.values import Kind

WIDEST = 60  # characters


def course(result: TestResult, look: Look) -> tuple[str, str] | None:
    """A label and a line with a bar for each interval, or packet; None where there are too few.

    The lowest bar stands for 0, so that what looks steady is steady.
    """
    spec = result.spec
    if spec is not None and spec.kind is Kind.LATENCY:
        values = [delay for _, delay in replies(result)]
        return _bars_of("packets", values, look, lambda value: f"{digits(value)} ms", "")
    counted = [one for one in result.intervals if not one.get("omitted")]
    values = [figure(one, "bits_per_second") for one in counted]
    each = f", each {_length(counted)}"
    return _bars_of("rate", values, look, lambda value: scaled(value, "bit/s"), each)


def _bars_of(
    label: str,
    values: Sequence[float | None],
    look: Look,
    show: Callable[[float], str],
    more: str,
) -> tuple[str, str] | None:
    known = [value for value in values if value is not None]
    if len(values) < 2 or not known:
        return None
    width = max(10, min(WIDEST, look.columns - 45))
    line = sparkline(resampled(values, width), look)
    return label, f"{line}  {show(min(known))} to {show(max(known))}{more}"


def _length(intervals: Sequence[Mapping[str, Any]]) -> str:
    """The usual length of some intervals: `0.25 s`, `1 s`. The last one may be what is left."""
    spans = [(figure(one, "start_s"), figure(one, "end_s")) for one in intervals]
    known = [end - start for start, end in spans if start is not None and end is not None]
    usual = max(0.0, median(known[:-1] or known or [0.0]))
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
