"""Reader of nuttcp output: the text of -vv, the short text, and -fparse. Source: testers.md 8.

Every line becomes values under the names of -fparse, so that one reader serves all three.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from bwctl.testers.reading import (
    SHORT_INTERVAL,
    Half,
    count,
    first_match,
    interval_of,
    lines_of,
    long_enough,
    number,
    rate,
    report,
    text_of,
)
from bwctl.values import Report, Role, TestSpec

MEGABYTE: Final = 1 << 20
MAX_ROW: Final = 300  # characters; the longest rows have half of that
ONE_SIDED: Final = "the figures of one of the two ends are missing"

Values = Mapping[str, str]

_FAILURE: Final = re.compile(r"(?:\bError: |^(?=connect failed: |invalid ))(.+)")
_VERBOSE: Final = re.compile(r"^bwctl: (?:exec_line|(?:start|run|stop)_(?:endpoint|tool)):")
_VERSION: Final = re.compile(r"^nuttcp-[tr]: v([0-9][0-9A-Za-z.]{0,20}):")
_SIDE: Final = re.compile(r"^nuttcp-([tr]): ")
_N: Final = r"([0-9.]{1,24})"

_TEXT: Final[Sequence[tuple[re.Pattern[str], tuple[str, ...]]]] = tuple(
    (re.compile(pattern), names)
    for pattern, names in (
        (rf"^ *{_N} MB in {_N} real seconds = ", ("megabytes", "real_seconds")),
        (rf"^ *{_N} MB / +{_N} sec = .* %TX ", ("megabytes", "real_seconds")),
        (rf"^ *{_N} MB / +{_N} sec = (?!.* %TX )", ("megabytes", "real_sec")),
        (rf" = +{_N} Mbps\b", ("rate_Mbps",)),
        (rf" {_N} %TX {_N} %RX\b", ("tx_cpu", "rx_cpu")),
        (rf"(?:^| ){_N} retrans\b", ("retrans",)),
        (rf"^retrans = {_N}", ("retrans",)),
        (rf"(?:^| ){_N} / +{_N} ~?drop/pkt\b", ("drop", "pkt")),
        (rf"^connect to \S+ with mss={_N}, RTT={_N} ms", ("mss", "rtt_ms")),
        (rf" {_N} msRTT\b", ("rtt_ms",)),
        (rf"user \S+sys \S+real {_N}% ", ("cpu",)),
    )
)


def read(output: bytes, spec: TestSpec, role: Role) -> Report:
    """The Report of one end. The one-shot server says nothing, which is no error of its own."""
    lines = lines_of(text_of(output))
    if role is Role.SERVER and all(map(_VERBOSE.match, lines)):
        return Report(tool="nuttcp")
    sides, rows = collect(lines)
    sent, received = half(sides["t"]), half(sides["r"])
    one_sided = (sent is None) is not (received is None)
    received = received or half(sides[""])
    return report(
        "nuttcp",
        spec,
        sent=sent,
        received=received,
        complaint=first_match(_FAILURE, lines) or (ONE_SIDED if one_sided else None),
        lines=lines,
        version=first_match(_VERSION, lines),
        more=_extras(sides, role is spec.sender),
        intervals=_intervals(spec, rows),
    )


def collect(lines: Iterable[str]) -> tuple[dict[str, dict[str, str]], list[Values]]:
    """What the transmitter (t), the receiver (r) and nobody in particular said; interval rows."""
    sides: dict[str, dict[str, str]] = {"t": {}, "r": {}, "": {}}
    rows: list[Values] = []
    for line in (line[:MAX_ROW] for line in lines):
        side = _SIDE.match(line)
        values = values_of(line[side.end() :] if side else line)
        if "real_sec" in values:
            rows.append(values)
        elif values:
            sides[side[1] if side else ""].update(values)
    return sides, rows


def values_of(line: str) -> dict[str, str]:
    """The values in one line."""
    if " MB " not in line and " = " not in line:
        parsed = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if parsed and "," not in line:
            return parsed
    values: dict[str, str] = {}
    for pattern, names in _TEXT:
        if found := pattern.search(line):
            values.update(zip(names, found.groups(), strict=True))
    return values


def half(values: Values) -> Half | None:
    """What one end counted, None if it gave no amount or no time."""
    megabytes = number(values.get("megabytes"))
    seconds = number(values.get("real_seconds", values.get("real_sec")))
    if megabytes is None or seconds is None:
        return None
    octets = round(megabytes * MEGABYTE)
    printed = number(values.get("rate_Mbps"))
    packets = count(values.get("pkt"))
    return Half(
        octets=octets,
        seconds=seconds,
        bits_per_second=rate(octets, seconds, None if printed is None else printed * 1e6),
        retransmits=count(values.get("retrans")),
        lost=count(values.get("drop")) if packets else None,
        packets=packets or None,
    )


def _extras(sides: Mapping[str, Values], sending: bool) -> dict[str, Any]:
    """MSS and round trip of the handshake (a lower bound), CPU load of both ends."""
    brief = sides[""]
    connect = {**brief, **sides["t"]}
    trip = number(connect.get("rtt_ms"))
    loads = (
        _percent(brief.get("tx_cpu", sides["t"].get("cpu"))),
        _percent(brief.get("rx_cpu", sides["r"].get("cpu"))),
    )
    local, remote = loads if sending else loads[::-1]
    return {
        "mss": count(connect.get("mss")) or None,
        "rtt_ms": {"min": trip} if trip else None,
        "cpu_local_percent": local,
        "cpu_remote_percent": remote,
    }


def _percent(text: str | None) -> float | None:
    return None if text is None else number(text.rstrip("%"))


def _intervals(spec: TestSpec, rows: Iterable[Values]) -> list[dict[str, Any]]:
    """The interval rows, which carry no times of their own, one behind the other.

    A UDP receiver can print a row for datagrams that came after the end: it is left out.
    """
    intervals: list[dict[str, Any]] = []
    start = 0.0
    last = spec.duration - SHORT_INTERVAL * (spec.report_interval_ms / 1000 or 1.0)
    for total in filter(None, map(half, rows)):
        if long_enough(spec, total.seconds) and start <= last:
            end = round(start + total.seconds, 6)
            intervals.append(interval_of(start, end, total))
            start = end
    return intervals
