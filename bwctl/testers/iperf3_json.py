"""Reader of iperf3 JSON, whole or streamed. Source: testers.md 7."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, Final

from bwctl.testers.jsontext import decoded, mapping, sequence
from bwctl.testers.reading import (
    MAX_INTERVALS,
    Half,
    clean,
    count,
    first_match,
    interval_of,
    largest_window,
    lines_of,
    long_enough,
    losses,
    number,
    present,
    rate,
    report,
)
from bwctl.values import Report, Role, TestSpec

_OPENING: Final = re.compile(r"^\{", re.MULTILINE)
_VERSION: Final = re.compile(r"^iperf (\S+)")


def start_of(text: str) -> int | None:
    """Where the JSON begins: the first line that begins with a brace."""
    opening = _OPENING.search(text)
    return opening.start() if opening else None


def read(text: str, start: int, spec: TestSpec, role: Role) -> Report:
    """The Report of one end from the JSON at an index of the text."""
    document = document_at(text, start)
    if document is None:
        return Report(tool="iperf3", error="the JSON in the output is not complete")
    end = mapping(document.get("end"))
    sent, received = halves(end, spec, role)
    intervals = _intervals(spec, sequence(document.get("intervals")))
    return report(
        "iperf3",
        spec,
        sent=sent,
        received=received,
        complaint=_complaint(document),
        version=_version(document),
        more=_extras(document, intervals),
        intervals=intervals,
    )


def document_at(text: str, start: int) -> dict[str, Any] | None:
    """The JSON document at an index, put together if it comes as a stream of events."""
    document = decoded(text, start)
    if document is not None and "event" in document and "data" in document:
        return _joined(text[start:].split("\n"))
    return document


def _joined(lines: Iterable[str]) -> dict[str, Any]:
    """One document from the events of --json-stream."""
    document: dict[str, Any] = {"intervals": []}
    for line in lines:
        event = decoded(line) if line.startswith("{") else None
        if event is None:
            continue
        if event.get("event") == "interval":
            document["intervals"].append(event.get("data"))
        elif event.get("event") in ("start", "end", "error"):
            document[event["event"]] = event.get("data")
    return document


def _complaint(document: Mapping[str, Any]) -> str | None:
    error = document.get("error")
    return clean(error) or "error" if isinstance(error, str) else None


def _version(document: Mapping[str, Any]) -> str | None:
    text = mapping(document.get("start")).get("version")
    return first_match(_VERSION, lines_of(text)[:1]) if isinstance(text, str) else None


def half(block: Mapping[str, Any]) -> Half | None:
    """What a block of totals, or of an interval, counted."""
    octets, seconds = count(block.get("bytes")), number(block.get("seconds"))
    if octets is None or seconds is None:
        return None
    packets = count(block.get("packets"))
    return Half(
        octets=octets,
        seconds=seconds,
        bits_per_second=rate(octets, seconds),
        retransmits=count(block.get("retransmits")),
        jitter_ms=number(block.get("jitter_ms")) if packets else None,
        lost=losses(block.get("lost_packets")) if packets else None,
        packets=packets,
    )


def halves(end: Mapping[str, Any], spec: TestSpec, role: Role) -> tuple[Half | None, Half | None]:
    """What was sent and what was received.

    The half that an end did not see has zeros, which count as nothing. A UDP test of an old
    version only has `sum`: the sender's octets with the receiver's loss.
    """
    sent, received = half(mapping(end.get("sum_sent"))), half(mapping(end.get("sum_received")))
    if sent is None and received is None:
        total = half(mapping(end.get("sum")))
        return (total, None) if role is spec.sender else (None, total)
    if received is not None and role is not spec.sender:
        received = _with_reordering(received, sequence(end.get("streams")))
    return sent and _amount(sent), received


def _amount(sent: Half) -> Half:
    """A sender's half without jitter and loss, which are 0 in it."""
    return Half(
        octets=sent.octets,
        seconds=sent.seconds,
        bits_per_second=sent.bits_per_second,
        retransmits=sent.retransmits,
    )


def _with_reordering(received: Half, streams: Sequence[Any]) -> Half:
    """The receiver's own half with the datagrams that it saw out of order."""
    blocks = [mapping(mapping(stream).get("udp")) for stream in streams]
    counts = [count(block.get("out_of_order")) for block in blocks if block]
    known = [value for value in counts if value is not None]
    return replace(received, out_of_order=sum(known)) if known else received


def _extras(document: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Round trips, congestion window, MSS and CPU load; 0 in them means: not measured."""
    start, end = mapping(document.get("start")), mapping(document.get("end"))
    cpu = mapping(end.get("cpu_utilization_percent"))
    return {
        "rtt_ms": _round_trips(sequence(end.get("streams"))),
        "cwnd_bytes": largest_window(entries),
        "mss": count(start.get("tcp_mss")) or count(start.get("tcp_mss_default")) or None,
        "cpu_local_percent": number(cpu.get("host_total")),
        "cpu_remote_percent": number(cpu.get("remote_total")) or None,
    }


def _round_trips(streams: Sequence[Any]) -> dict[str, float] | None:
    """The round trips over all streams that measured one; iperf3 gives microseconds."""
    senders = [mapping(mapping(stream).get("sender")) for stream in streams]
    names = ("min_rtt", "mean_rtt", "max_rtt")
    found = [tuple(number(sender.get(name)) for name in names) for sender in senders]
    known = [(low, mean, high) for low, mean, high in found if low and mean and high]
    if not known:
        return None
    lows, means, highs = zip(*known, strict=True)
    return {
        "min": min(lows) / 1000,
        "mean": sum(means) / len(means) / 1000,
        "max": max(highs) / 1000,
    }


def _intervals(spec: TestSpec, entries: Sequence[Any]) -> list[Mapping[str, Any]]:
    """The intervals without fragments; a server whose client was lost has its last one twice."""
    found = (_interval(mapping(entry)) for entry in entries[:MAX_INTERVALS])
    return _without_repeats(
        entry
        for entry in found
        if entry is not None and long_enough(spec, entry["end_s"] - entry["start_s"])
    )


def _without_repeats(intervals: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The intervals without those that say the same as the one before."""
    kept: list[Mapping[str, Any]] = []
    for interval in intervals:
        if not kept or kept[-1] != interval:
            kept.append(interval)
    return kept


def _interval(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """One interval, with its streams if there are several."""
    block = mapping(entry.get("sum"))
    total, start, end = half(block), number(block.get("start")), number(block.get("end"))
    if total is None or start is None or end is None:
        return None
    streams = [mapping(stream) for stream in sequence(entry.get("streams"))]
    parts = [stream for one in streams if (stream := _stream(one))]
    return interval_of(
        start,
        end,
        total,
        cwnd_bytes=_of_all(sum, parts, "cwnd_bytes"),
        rtt_ms=_of_all(fmean, parts, "rtt_ms"),
        omitted=block.get("omitted") is True,
        streams=parts if len(parts) > 1 else None,
    )


def _stream(block: Mapping[str, Any]) -> dict[str, Any] | None:
    """One stream of an interval; the kernel's figures are 0 where it does not send."""
    counted = half(block)
    if counted is None:
        return None
    microseconds = number(block.get("rtt"))
    window = {
        "cwnd_bytes": count(block.get("snd_cwnd")) or None,
        "rtt_ms": microseconds / 1000 if microseconds else None,
    }
    return counted.measured() | present(window)


def _of_all(
    join: Callable[[list[Any]], Any], parts: Sequence[Mapping[str, Any]], key: str
) -> Any | None:
    """A figure of all streams in one; None where a stream lacks it."""
    values = [part[key] for part in parts if key in part]
    return join(values) if values and len(values) == len(parts) else None
