"""The figures of both ends in one: each from the end that knows it best. Source: testers.md 13."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from bwctl.values import Report


class Side(Enum):
    """A test end by the direction of the data."""

    RECEIVER = "receiver"
    SENDER = "sender"


SUMMARY_KEYS: Mapping[str, Side] = {
    "bits_per_second": Side.RECEIVER,
    "bytes": Side.RECEIVER,
    "sent_bits_per_second": Side.SENDER,
    "sent_bytes": Side.SENDER,
    "jitter_ms": Side.RECEIVER,
    "lost": Side.RECEIVER,
    "packets": Side.RECEIVER,
    "loss_percent": Side.RECEIVER,
    "out_of_order": Side.RECEIVER,
    "duplicates": Side.RECEIVER,
    "owd_ms": Side.RECEIVER,
    "retransmits": Side.SENDER,
    "rtt_ms": Side.SENDER,
    "cwnd_bytes": Side.SENDER,
    "mss": Side.SENDER,
    "cpu_local_percent": Side.SENDER,
    "cpu_remote_percent": Side.SENDER,
}
"""Throughput figures in the order of output, and the end that knows each best."""

_MIRRORED = {
    "cpu_local_percent": "cpu_remote_percent",
    "cpu_remote_percent": "cpu_local_percent",
}
"""In the merged summary "local" is the sender's host: the other end's report has it the other way
round."""

_OF_SENDER = ("retransmits", "cwnd_bytes", "rtt_ms")

Reports = Mapping[Side, Report]
Interval = Mapping[str, Any]


def merged_summary(reports: Reports) -> dict[str, Any]:
    """One summary out of those of one or both ends; figures of other kinds of tests follow."""
    merged = {
        key: value
        for key, first in SUMMARY_KEYS.items()
        if (value := _measured(key, reports, first)) is not None
    }
    rest = {
        key: value
        for report in reports.values()
        for key, value in report.summary.items()
        if key not in SUMMARY_KEYS and value is not None
    }
    return merged | rest


def _measured(key: str, reports: Reports, first: Side) -> Any:
    """A figure from the report to be trusted most: one without an error, then the better side."""
    for side, report in _ranked(reports, first):
        name = key if side is first else _MIRRORED.get(key, key)
        if (value := report.summary.get(name)) is not None:
            return value
    return None


def _ranked(reports: Reports, first: Side) -> list[tuple[Side, Report]]:
    return sorted(reports.items(), key=lambda item: (item[1].error is not None, item[0] != first))


def intervals_side(reports: Reports) -> Side | None:
    """The end whose intervals count: the receiver if it has any and did not fail."""
    ranked = _ranked(reports, Side.RECEIVER)
    return next((side for side, report in ranked if report.intervals), None)


def merged_intervals(reports: Reports) -> Sequence[Interval]:
    """The intervals of `intervals_side`, with what only the sender knows of the same span.

    Each end counts from its own start, so that spans are the same to a tenth of a second at best.
    """
    side = intervals_side(reports)
    if side is None:
        return ()
    sender = reports.get(Side.SENDER)
    if side is Side.SENDER or sender is None:
        return reports[side].intervals
    known = {_span(one): one for one in sender.intervals}
    return [dict(_joined(one, known.get(_span(one), {}))) for one in reports[side].intervals]


def _joined(own: Interval, sent: Interval) -> Iterator[tuple[str, Any]]:
    yield from own.items()
    yield from ((key, sent[key]) for key in _OF_SENDER if key in sent and key not in own)


def _span(interval: Interval) -> tuple[bool, float, float]:
    values = (interval.get(key) for key in ("start_s", "end_s"))
    start, end = (round(one, 1) if isinstance(one, (int, float)) else 0.0 for one in values)
    return (bool(interval.get("omitted")), start, end)
