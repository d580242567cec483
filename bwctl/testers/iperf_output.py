"""Reader of iperf 2 output, text and CSV. Source: testers.md 6."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from bwctl.testers.reading import (
    Half,
    count,
    first_match,
    lines_of,
    losses,
    number,
    rate,
    report,
    text_of,
)
from bwctl.testers.rows import Row, by_stream, intervals_of, longest_from_zero, mean_jitter, sum_of
from bwctl.testers.rows import text_row as plain_text_row
from bwctl.values import Report, Role, TestSpec

TCP_FIELDS: Final = 9
UDP_FIELDS: Final = 14
ALL_STREAMS: Final = 255

_TIME: Final = re.compile(r"[0-9]{14}\Z")
_FAILURE: Final = re.compile(r"^(.*\b(?:connect|bind|listen) failed\b.*)")
_MSS: Final = re.compile(r"^\[ *[0-9]+\] MSS size ([0-9]{1,6}) bytes")
_HANDSHAKE: Final = re.compile(r"\(icwnd/mss/irtt=[0-9]+/([0-9]{1,6})/([0-9]{1,9})\)")
_ENHANCED: Final = re.compile(r"^ +[0-9]+/[0-9]+ +([0-9]{1,15}) +[0-9]+K/")
_REORDERED: Final = re.compile(
    r"^\[ *([0-9]{1,9})\] +0\.0+- *[0-9.]+ +sec +([0-9]{1,15}) datagrams received out-of-order"
)


def read(output: bytes, spec: TestSpec, role: Role) -> Report:
    """The Report of one end. Our own rows and the server's report are told apart at the client."""
    lines = lines_of(text_of(output))
    rows = [row for line in lines if (row := csv_row(line) or text_row(line))]
    own, reported = split(rows) if role is Role.CLIENT else ([], rows)
    sent, received = totals(own), totals(reported)
    received = received._replace(half=_with_reordering(received.half, lines))
    used = received if received.half else sent
    return report(
        "iperf",
        spec,
        sent=sent.half,
        received=received.half,
        streams=used.streams,
        complaint=first_match(_FAILURE, lines),
        lines=lines,
        more=handshake(lines) if not spec.udp else None,
        intervals=intervals_of(spec, sent.others if role is Role.CLIENT else received.others),
    )


def text_row(line: str) -> Row | None:
    """The row of a text line; with retransmits if the columns of -e are there."""
    row = plain_text_row(line)
    extra = _ENHANCED.match(row.rest) if row else None
    if row is None or extra is None:
        return row
    return replace(row, half=replace(row.half, retransmits=int(extra[1])))


def csv_row(line: str) -> Row | None:
    """The row of a CSV line; None for the foreign lines that occur between the rows."""
    fields = line.split(",", UDP_FIELDS)
    if len(fields) not in (TCP_FIELDS, UDP_FIELDS) or not _TIME.match(fields[0]):
        return None
    start, end = (number(part) for part in (fields[6] + "-").split("-")[:2])
    octets = count(fields[7])
    if start is None or end is None or octets is None:
        return None
    half = Half(
        octets=octets,
        seconds=max(0.0, end - start),
        bits_per_second=rate(octets, end - start, number(fields[8])),
        **_udp_fields(fields[TCP_FIELDS:]),
    )
    return Row(stream="SUM" if fields[5] == "-1" else fields[5], start=start, end=end, half=half)


def _udp_fields(fields: Sequence[str]) -> dict[str, Any]:
    """Jitter and loss from the last fields of a UDP row; total is -1 where nobody knows it."""
    if not fields:
        return {}
    return {
        "jitter_ms": number(fields[0]),
        "lost": losses(fields[1]),
        "packets": count(fields[2]) or 0,
        "out_of_order": count(fields[4]),
    }


def split(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Rows of a client: what it sent, and what the server reported to it.

    Only the report has jitter and loss; but in the CSV of 2.1 there is no report, and all rows
    have the columns of one, without meaning.
    """
    rows = list(rows)
    own = [row for row in rows if row.half.packets is None]
    if own:
        return own, [row for row in rows if row.half.packets is not None]
    return [replace(row, half=_amount(row.half)) for row in rows], []


def _amount(half: Half) -> Half:
    """A half without the figures that only a receiver can know."""
    return replace(half, jitter_ms=None, lost=None, packets=None, out_of_order=None)


class Totals(NamedTuple):
    """The total over a test with the number of streams in it, and the rows that are no totals."""

    half: Half | None
    streams: int
    others: list[Row]


def totals(rows: Sequence[Row]) -> Totals:
    """Total and other rows; the total is the SUM row or the sum of the streams' total rows."""
    found = {stream: longest_from_zero(group) for stream, group in by_stream(rows).items()}
    singles = [row for stream, row in found.items() if row and stream != "SUM"]
    total = found.get("SUM")
    streams = ALL_STREAMS if total else len(singles)
    total = total or sum_of(singles)
    taken = {id(row) for row in found.values()}
    others = [row for row in rows if id(row) not in taken]
    if total is None:
        return Totals(None, 0, others)
    half = total.half
    if half.jitter_ms is None:
        half = replace(half, jitter_ms=mean_jitter(singles))
    return Totals(half, streams, others)


def _with_reordering(half: Half | None, lines: Iterable[str]) -> Half | None:
    """The total with the reordered datagrams that the text names in lines of their own."""
    if half is None:
        return None
    matches = (match for line in lines if (match := _REORDERED.match(line)))
    found = {match[1]: int(match[2]) for match in matches}  # the last one spans the test
    return replace(half, out_of_order=sum(found.values())) if found else half


def handshake(lines: Iterable[str]) -> dict[str, Any]:
    """MSS and the round trip of the handshake, a lower bound.

    The `MSS size` among the header lines is one from before the connection and says nothing.
    """
    mss: int | None = None
    trips: list[int] = []
    for line in lines:
        if match := _MSS.match(line):
            mss = int(match[1])
        elif match := _HANDSHAKE.search(line):
            mss = int(match[1])
            trips.append(int(match[2]))
    return {"mss": mss, "rtt_ms": {"min": min(trips) / 1000} if trips else None}
