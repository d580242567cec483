"""--csv: one header row, then one row per test. An empty field: not known. See doc/user/results.md.

Later releases may add columns at the end; those that are here keep their names and places.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any

from bwctl.render.wording import figure, one_line, rfc3339, tester_name
from bwctl.results import EndResult, TestResult
from bwctl.values import Kind, NTPTime, TestSpec

Cell = str | int | float | None


def header() -> str:
    """The names of the columns."""
    return _line(list(COLUMNS))


def row(result: TestResult) -> str:
    """One test."""
    summary = result.summary
    return _line([value(result, summary) for value in COLUMNS.values()])


def _line(cells: list[Any]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


Value = Callable[[TestResult, Mapping[str, Any]], Cell]


def _figure(*path: str) -> Value:
    """A figure of the summary, whole numbers without a point."""

    def value(result: TestResult, summary: Mapping[str, Any]) -> Cell:
        found = figure(summary, *path)
        whole = found is not None and abs(found) < 1e15 and found == int(found)
        return int(found) if found is not None and whole else found

    return value


def _of_spec(read: Callable[[TestSpec], Cell]) -> Value:
    return lambda result, summary: None if result.spec is None else read(result.spec)


def _moment(read: Callable[[TestResult], NTPTime | None]) -> Value:
    def value(result: TestResult, summary: Mapping[str, Any]) -> Cell:
        moment = read(result)
        return None if moment is None else rfc3339(moment)

    return value


def _address(end: EndResult) -> str | None:
    return None if end.address is None else str(end.address)


def _protocol(spec: TestSpec) -> str | None:
    if spec.kind is not Kind.THROUGHPUT:
        return None
    return "udp" if spec.udp else "tcp"


def _reached(result: TestResult, summary: Mapping[str, Any]) -> Cell:
    reached = summary.get("reached")
    return str(reached).lower() if isinstance(reached, bool) else None


def _hops(result: TestResult, summary: Mapping[str, Any]) -> Cell:
    hops = summary.get("hops")
    return len(hops) if isinstance(hops, (list, tuple)) else None


def _error(result: TestResult, summary: Mapping[str, Any]) -> Cell:
    return None if result.failure is None else one_line(result.failure.message)


COLUMNS: Mapping[str, Value] = {
    "test_number": lambda result, summary: result.number,
    "start": _moment(lambda result: result.reserved_start),
    "actual_start": _moment(lambda result: result.actual_start),
    "status": lambda result, summary: "failed" if result.failure else "ok",
    "error_code": lambda result, summary: result.failure.code if result.failure else None,
    "kind": _of_spec(lambda spec: spec.kind.value),
    "tool": lambda result, summary: tester_name(result) or None,
    "protocol": _of_spec(_protocol),
    "duration_seconds": _of_spec(lambda spec: spec.duration),
    "parallel_streams": _of_spec(lambda spec: spec.parallel or None),
    "receiver": lambda result, summary: one_line(result.receiver.host),
    "receiver_address": lambda result, summary: _address(result.receiver),
    "sender": lambda result, summary: one_line(result.sender.host),
    "sender_address": lambda result, summary: _address(result.sender),
    "bits_per_second": _figure("bits_per_second"),
    "bytes": _figure("bytes"),
    "sent_bits_per_second": _figure("sent_bits_per_second"),
    "sent_bytes": _figure("sent_bytes"),
    "retransmits": _figure("retransmits"),
    "jitter_ms": _figure("jitter_ms"),
    "lost": _figure("lost"),
    "packets": _figure("packets"),
    "loss_percent": _figure("loss_percent"),
    "out_of_order": _figure("out_of_order"),
    "rtt_min_ms": _figure("rtt_ms", "min"),
    "rtt_mean_ms": _figure("rtt_ms", "mean"),
    "rtt_max_ms": _figure("rtt_ms", "max"),
    "sent": _figure("sent"),
    "received": _figure("received"),
    "duplicates": _figure("duplicates"),
    "owd_min_ms": _figure("owd_ms", "min"),
    "owd_median_ms": _figure("owd_ms", "median"),
    "owd_max_ms": _figure("owd_ms", "max"),
    "hops": _hops,
    "reached": _reached,
    "pmtu": _figure("pmtu"),
    "error": _error,
}
"""The columns in their order, each with what it shows."""
