"""The object of --json: schema bwctl.result/1. What is not known is absent, never 0 or null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

from bwctl import __version__
from bwctl.render.wording import known, rfc3339, tester_name
from bwctl.results import ClockReading, EndResult, Failure, TestResult
from bwctl.values import NO_SID, Kind, NTPTime, Report, TestSpec, seconds

SCHEMA = "bwctl.result/1"
RAW_LIMIT = 4 << 20  # octets of each end's output: what a daemon keeps if it is not told otherwise

_PARAMETERS = (
    ("duration_seconds", "duration"),
    ("omit_seconds", "omit"),
    ("bandwidth_bits_per_second", "bandwidth"),
    ("parallel_streams", "parallel"),
    ("report_interval_milliseconds", "report_interval_ms"),
    ("buffer_length_bytes", "buffer_length"),
    ("window_bytes", "window"),
    ("dynamic_window", "dynamic_window"),
    ("mss_bytes", "mss"),
    ("tos", "tos"),
    ("packet_count", "packet_count"),
    ("packet_spacing_milliseconds", "packet_spacing_ms"),
    ("packet_size_bytes", "packet_size"),
    ("ttl", "ttl"),
    ("first_ttl", "first_ttl"),
    ("last_ttl", "last_ttl"),
    ("units", "units"),
    ("output_format", "output_format"),
    ("flip", "server_sends"),
    ("no_server_endpoint", "no_server_endpoint"),
)


def json_text(result: TestResult, program: str = "bwctl") -> str:
    """The object in one line, with its line feed."""
    return json.dumps(json_object(result, program), allow_nan=False) + "\n"


def json_object(result: TestResult, program: str = "bwctl") -> dict[str, Any]:
    """One test as an object of JSON types."""
    head = {"schema": SCHEMA, "program": program, "program_version": __version__}
    return head | known(
        status="failed" if result.failure else "ok",
        test_number=result.number,
        session_id=result.sid.hex() if result.sid != NO_SID else None,
        tool=tester_name(result) or None,
        parameters=_parameters(result.spec),
        schedule=_schedule(result),
        ports=known(tester=result.tester_port, peer=result.peer_port),
        summary=_plain(result.summary),
        intervals_side=result.intervals_side.value if result.intervals_side else None,
        intervals=_plain(result.intervals),
        receiver=_end(result.receiver, result.has_daemon(result.receiver)),
        sender=_end(result.sender, result.has_daemon(result.sender)),
        warnings=list(result.warnings),
        error=_error(result.failure),
    )


def _parameters(spec: TestSpec | None) -> dict[str, Any] | None:
    if spec is None:
        return None
    values = {key: getattr(spec, name) for key, name in _PARAMETERS}
    given = {key: value for key, value in values.items() if value}
    if spec.kind is Kind.THROUGHPUT:
        given = {"protocol": "udp" if spec.udp else "tcp"} | given
    return {"kind": spec.kind.value} | given


def _schedule(result: TestResult) -> dict[str, Any]:
    """The moments of a test."""
    return _moments(
        requested_start=result.requested_start,
        start=result.reserved_start,
        actual_start=result.actual_start,
        latest_start=result.latest_start,
        finished=result.finished,
    )


def _moments(**moments: NTPTime | None) -> dict[str, Any]:
    """Those moments that are known, each as text and as ticks of NTP."""
    told = {name: moment for name, moment in moments.items() if moment is not None}
    return {name: rfc3339(moment) for name, moment in told.items()} | {
        f"{name}_ntp": int(moment) for name, moment in told.items()
    }


def _end(end: EndResult, has_daemon: bool) -> dict[str, Any]:
    return known(
        host=end.host,
        daemon=None if has_daemon else False,
        address=str(end.address) if end.address else None,
        port=end.port if has_daemon else None,
        role=end.role.value if end.role else None,
        protocol_version=end.protocol_version,
        status=end.status.name.lower() if end.status is not None else None,
        tool_version=end.tester_version,
        ended_first=end.ended_first or None,
        **_moments(tester_started=end.started, tester_ended=end.ended),
        clock=_clock(end.clock) if has_daemon else None,
        report=_report(end.report),
        raw=end.raw[:RAW_LIMIT].decode("utf-8", "replace"),
        raw_bytes=len(end.raw) if len(end.raw) > RAW_LIMIT else None,
    )


def _clock(clock: ClockReading | None) -> dict[str, Any] | None:
    if clock is None:
        return None
    return known(
        synchronised=clock.error.synchronised,
        error_seconds=seconds(clock.error.ticks),
        rtt_bound_seconds=clock.rtt_s,
        offset_seconds=clock.offset_s,
    )


def _report(report: Report | None) -> dict[str, Any] | None:
    if report is None:
        return None
    return known(
        error=report.error,
        cut=report.cut or None,
        summary=_plain(report.summary),
        intervals=_plain(report.intervals),
    )


def _error(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return known(
        code=failure.code,
        exit_status=failure.exit_status,
        message=failure.message,
        hint=failure.hint,
    )


def _plain(value: Any) -> Any:
    """A parser's value in types that JSON has; a key without a value, or with no number, goes."""
    if isinstance(value, Mapping):
        pairs = ((str(key), _plain(item)) for key, item in value.items())
        return {key: item for key, item in pairs if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
