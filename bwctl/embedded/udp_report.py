"""A UDP test's result as text, which the server sends and the client prints and reads. Pure.

The text is that of C's verbose server; what is read may be of any server.
Source: thrulay.md sections 5.1 to 5.3 and 6.3.
"""

from __future__ import annotations

import math
import re
from typing import Any

from bwctl.embedded.arrivals import (
    MAX_REORDERING,
    Arrivals,
    delays_us,
    duplication_percent,
    loss_percent,
    reordering_percent,
)

MAX_TEXT = 64 << 10  # octets of a report

_DELAY_LOSS = 50.0  # per cent: with more loss the median delay counts as infinite
_JITTER_LOSS = 25.0  # with so much the spread of delay counts as infinite
_NO_JITTER_LOSS = 75.0  # with more it has no meaning

_NUMBER = r"\s*(-?(?:\d{1,12}(?:\.\d{1,6})?|inf|nan))"
_COUNTS = {
    "packets": "Client said it sent",
    "total": "Server received",
    "received": "Server received",
}
_COUNTED = {"packets": "packets", "total": "total packets", "received": "unique packets"}
_FIGURES = {"delay": "ms", "loss": "%", "jitter": "ms", "duplication": "%", "reordering": "%"}
_QUANTILES = {"min": 0, "p25": 25, "p50": 50, "p75": 75, "p95": 95}


def figures(arrivals: Arrivals, sent: int) -> dict[str, Any]:
    """The result for `#json`; None is what cannot be told. Delays are of what arrived.

    Args:
        sent: packets, as the client said.
    """
    delays = delays_us(arrivals)
    loss = loss_percent(sent, arrivals.unique)
    jitter = delays["p75"] - delays["p25"] if delays and loss < _JITTER_LOSS else None
    return {
        "packets": sent,
        "received": arrivals.unique,
        "lost": max(sent - arrivals.unique, 0),
        "loss_percent": round(loss, 6),
        "duplicates": arrivals.duplicates,
        "out_of_order": arrivals.reordered[0],
        "reordering_percent": _reordering(arrivals),
        "delay_us": delays,
        "jitter_us": None if jitter is None else round(jitter, 3),
    }


def _reordering(arrivals: Arrivals) -> list[float]:
    """j-reordering from j = 1 on, up to the last that there was."""
    values = (reordering_percent(arrivals, j) for j in range(1, MAX_REORDERING + 1))
    found: list[float] = []
    for value in values:
        if not value:
            break
        found.append(round(value, 6))
    return found


def text(arrivals: Arrivals, sent: int, buffer_size: int) -> str:
    """The report of a server that uses a receive buffer of so many octets."""
    delays = delays_us(arrivals)
    loss = loss_percent(sent, arrivals.unique)
    lines = [
        f"Server used UDP buffer size of {buffer_size} bytes",
        f"Client proposed sending {arrivals.packets} packets",
        f"Client said it sent {sent} packets",
        f"Server received {arrivals.total} total packets",
        f"Server received {arrivals.unique} unique packets",
        f"Delay:\t\t {_ms(delays, 'p50', loss <= _DELAY_LOSS)}ms",
        "\tDelay quantiles (ignoring clock offset):",
        *(f"\t{part:3}th: {_ms(delays, name):>8}ms" for name, part in _QUANTILES.items()),
        f"Loss:\t\t {loss:3.3f}%",
        f"Jitter:\t\t {_jitter_ms(delays, loss):3.3f}ms",
        f"Duplication:\t {duplication_percent(arrivals):3.3f}%",
        f"Reordering:\t {reordering_percent(arrivals) or 0.0:3.3f}%",
        *_reordering_lines(_reordering(arrivals)),
    ]
    return "".join(f"{line}\n" for line in lines)


def _ms(delays: dict[str, float] | None, name: str, known: bool = True) -> str:
    return f"{delays[name] / 1000 if delays and known else math.inf:3.3f}"


def _jitter_ms(delays: dict[str, float] | None, loss: float) -> float:
    if loss > _NO_JITTER_LOSS or not delays:
        return math.nan
    return (delays["p75"] - delays["p25"]) / 1000 if loss < _JITTER_LOSS else math.inf


def _reordering_lines(percents: list[float]) -> list[str]:
    lines = [f"\t{j}-reordering = {percent:3.3f}%" for j, percent in enumerate(percents, start=1)]
    if not percents:
        return ["\tno reordering"]
    if len(percents) == MAX_REORDERING:
        return [*lines, f"\tonly up to {MAX_REORDERING}-reordering is handled"]
    return [*lines, f"\tno {len(percents) + 1}-reordering"]


def printable(octets: bytes) -> str:
    """A server's report for people: bounded; printable characters, TAB and newline only."""
    found = octets[:MAX_TEXT].decode("utf-8", "replace").replace("\r\n", "\n")
    return "".join(one if one.isprintable() or one in "\t\n" else "?" for one in found)


def read(report: str, sent: int) -> dict[str, Any]:
    """What a report says, with the keys of `figures`; None is what it does not say.

    Args:
        sent: packets, which a terse server does not tell.
    """
    counts = {name: _count(report, name) for name in _COUNTS}
    values = {name: _figure(report, name) for name in _FIGURES}
    delays = {name: _quantile(report, part) for name, part in _QUANTILES.items()}
    delays["p50"] = values["delay"] if delays["p50"] is None else delays["p50"]
    received = counts["received"]
    if received is None and values["loss"] is not None:
        received = round(sent * (1 - min(values["loss"], 100.0) / 100))
    return {
        "packets": sent,
        "received": received,
        "lost": None if received is None else max(sent - received, 0),
        "loss_percent": values["loss"],
        "duplicates": _part(values["duplication"], counts["total"] or received),
        "out_of_order": _part(values["reordering"], None if received is None else received - 1),
        "delay_us": {name: _us(value) for name, value in delays.items() if value is not None}
        or None,
        "jitter_us": _us(values["jitter"]),
    }


def _count(report: str, name: str) -> int | None:
    found = re.search(rf"^{_COUNTS[name]} (\d{{1,12}}) {_COUNTED[name]}$", report, re.MULTILINE)
    return int(found[1]) if found else None


def _figure(report: str, name: str) -> float | None:
    """One of the five lines; a C server that got nothing cuts the first letter off."""
    pattern = rf"^{name[0]}?{name[1:]}:{_NUMBER}{_FIGURES[name]}"
    return _finite(re.search(pattern, report, re.MULTILINE | re.IGNORECASE))


def _quantile(report: str, part: int) -> float | None:
    return _finite(re.search(rf"^\s*{part}th:{_NUMBER}ms", report, re.MULTILINE))


def _finite(found: re.Match[str] | None) -> float | None:
    value = float(found[1]) if found else math.nan
    return value if math.isfinite(value) else None


def _part(percent: float | None, whole: int | None) -> int | None:
    return None if percent is None or whole is None else max(round(whole * percent / 100), 0)


def _us(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds * 1000, 3)
