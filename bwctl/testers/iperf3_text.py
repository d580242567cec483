"""Reader of iperf3 text. Source: testers.md 7."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from bwctl.testers.reading import (
    Half,
    first_match,
    interval_of,
    largest_window,
    lines_of,
    long_enough,
    number,
    report,
)
from bwctl.testers.rows import Row, interval_rows, longest_from_zero, sum_of, text_row
from bwctl.values import Report, TestSpec

ALL_STREAMS: Final = 255

_FAILURE: Final = re.compile(r"^iperf3: (?!OUT OF ORDER|warning)(?:error - )?(.+)")
_VERSION: Final = re.compile(r"^iperf (3[0-9A-Za-z.+-]{0,40})")
_MSS: Final = re.compile(r"^ +TCP MSS: ([1-9][0-9]{0,5})\b")
_CPU: Final = re.compile(
    r"^CPU Utilization: local/[a-z]+ ([0-9.]{1,8})% \([^)]*\), remote/[a-z]+ ([0-9.]{1,8})%"
)
_COUNTER: Final = re.compile(r"^ +([0-9]{1,15})(?: |\Z)")  # Retr, or datagrams sent
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3}
_CWND: Final = re.compile(r"^ +[0-9]{1,15} +([0-9.]{1,12}) ([KMG]?)Bytes")
_GRACE_S: Final = 60  # a daemon stops a tester long before
_MARK: Final = re.compile(r" (sender|receiver)\Z")


def read(text: str, spec: TestSpec) -> Report:
    """The Report of one end."""
    lines = lines_of(text)
    complaint = first_match(_FAILURE, lines)
    rows = [_with_counter(row, spec) for line in lines if (row := text_row(line))]
    if complaint is not None:
        rows = [row for row in map(_after_failure, rows) if row.end <= _latest_end(spec)]
    sent, sending = _total(rows, "sender")
    received, receiving = _total(rows, "receiver")
    intervals = _intervals(spec, [row for row in rows if not _MARK.search(row.rest)])
    if sent is None and received is None and spec.udp:
        received, receiving = _unmarked_total(rows)
    return report(
        "iperf3",
        spec,
        sent=_sender(sent.half) if sent else None,
        received=received.half if received else None,
        streams=receiving if received and received.half.octets else sending,
        complaint=complaint,
        lines=lines,
        version=first_match(_VERSION, lines),
        more={"cwnd_bytes": largest_window(intervals), **_extras(lines)},
        intervals=intervals,
    )


def _with_counter(row: Row, spec: TestSpec) -> Row:
    """A row with its counter column: retransmits, with UDP datagrams."""
    found = _COUNTER.match(row.rest)
    if found is None or row.half.packets is not None:
        return row
    if spec.udp:
        return replace(row, half=replace(row.half, packets=int(found[1])))
    half = replace(row.half, retransmits=int(found[1]))
    return replace(row, half=half, cwnd=_window(row.rest))


def _window(rest: str) -> int | None:
    """The congestion window, rounded as it is printed."""
    found = _CWND.match(rest)
    octets = number(found[1]) if found else None
    return round(octets * 1024 ** _POWERS[found[2]]) if found and octets else None


def _after_failure(row: Row) -> Row:
    """A total without retransmits: iperf3 3.12 may print anything there if it is stopped."""
    if not _MARK.search(row.rest):
        return row
    return replace(row, half=replace(row.half, retransmits=None))


def _latest_end(spec: TestSpec) -> int:
    """Seconds; iperf3 3.12 may print totals over hours if it is stopped while it begins."""
    return spec.duration + spec.omit + _GRACE_S


def _total(rows: Sequence[Row], mark: str) -> tuple[Row | None, int]:
    """The total row with a mark, or the sum of the streams' ones, and the streams in it.

    iperf3 3.12 may print its totals several times if it is stopped; the last ones count.
    """
    marked = [row for row in rows if row.rest.endswith(mark)]
    sums = [row for row in marked if row.stream == "SUM"]
    if sums:
        return sums[-1], ALL_STREAMS
    streams = {row.stream: row for row in marked}
    return sum_of([*streams.values()]), len(streams)


def _unmarked_total(rows: Sequence[Row]) -> tuple[Row | None, int]:
    """The UDP total of iperf3 3.0 and 3.1, which has no mark."""
    lossy = [row for row in rows if row.half.lost is not None]
    total = longest_from_zero(lossy) if lossy else None
    return total, ALL_STREAMS if total and total.stream == "SUM" else 1


def _sender(half: Half) -> Half:
    """A sender's total without the jitter and loss that are printed as 0 there."""
    return replace(half, jitter_ms=None, lost=None, packets=None)


def _intervals(spec: TestSpec, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The intervals, each with the word whether it was left out of the total."""
    return [
        interval_of(row.start, row.end, row.half, omitted=row.omitted, cwnd_bytes=row.cwnd)
        for row in interval_rows(rows)
        if long_enough(spec, row.half.seconds)
    ]


def _extras(lines: Sequence[str]) -> dict[str, Any]:
    """CPU load and MSS of the verbose text; 0 for the other end means that nobody told us."""
    mss = first_match(_MSS, lines)
    cpu = next((match for line in lines if (match := _CPU.match(line))), None)
    local, remote = (_percent(cpu[1]), _percent(cpu[2])) if cpu else (None, None)
    return {
        "mss": int(mss) if mss else None,
        "cpu_local_percent": local,
        "cpu_remote_percent": remote or None,
    }


def _percent(text: str) -> float | None:
    return float(text) if text.count(".") <= 1 and text != "." else None
