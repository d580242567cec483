"""Helpers of the output parsers: hostile octets become bounded text, halves become a Report.

A parser looks for the two halves of a transfer, what the sender and what the receiver counted,
and leaves to this module which half gives which figure and whether that makes a result.
Source: testers.md 13.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any, Final

from bwctl.values import Report, TestSpec

MAX_OUTPUT: Final = 4 << 20  # octets that are looked at, half of them at the end
MAX_LINES: Final = 50_000  # the same for lines
MAX_REPLIES: Final = 100_000  # the same where each packet has its line: there are 65535 at most
MAX_LINE: Final = 1000  # characters of a line that are looked at
MAX_INTERVALS: Final = 100_000  # more than the seconds of a day
MAX_TEXT: Final = 300  # characters of foreign text in a Report
LARGEST: Final = 1e30  # above every measurement
SHORT_RUN: Final = 0.9  # part of the requested duration that a test has to last
SHORT_INTERVAL: Final = 0.1  # part of the report interval below which a row says nothing

_CUT_BEFORE: Final = b"\nbwctl: output cut here: "  # what a daemon of ours does (bwctl.net.kept)
_HINT: Final = re.compile(
    r"\b(?:failed|error|refused|unrecognized|invalid|cannot|unable|no such file)\b"
    r"|^bwctl: (?:local|remote) (?:tool|peer)\b",
    re.IGNORECASE,
)


def text_of(output: bytes) -> str:
    """The output as text; of one beyond MAX_OUTPUT lines in the middle go. Mind `marked`."""
    if len(output) > MAX_OUTPUT:
        head, tail = output[: MAX_OUTPUT // 2], output[-MAX_OUTPUT // 2 :]
        output = head[: head.rfind(b"\n") + 1] + tail[tail.find(b"\n") + 1 :]
    return output.decode("utf-8", "replace")


def marked(report: Report, output: bytes, most_lines: int = MAX_LINES) -> Report:
    """The Report of an output, told as `cut` if not all that the tester wrote was looked at."""
    cut = len(output) > MAX_OUTPUT or output.count(b"\n") > most_lines or _CUT_BEFORE in output
    return replace(report, cut=True) if cut else report


def lines_of(text: str, most: int = MAX_LINES) -> list[str]:
    """The lines that are not blank, each cut at MAX_LINE; of too many, those in the middle go."""
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    if len(lines) > most:
        lines = lines[: most // 2] + lines[-most // 2 :]
    return [line[:MAX_LINE].rstrip() for line in lines]


def clean(text: str) -> str:
    """Foreign text without control characters, of bounded length."""
    shown = "".join(" " if c.isspace() else c for c in text if c.isspace() or c.isprintable())
    return shown.strip()[:MAX_TEXT]


def number(value: object) -> float | None:
    """A number, or text of one, that is finite and not negative; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        known = float(value)
    except (ValueError, OverflowError):
        return None
    return known if 0 <= known < LARGEST else None


def signed(value: object) -> float | None:
    """The same for a number that may be negative: a delay between clocks that disagree."""
    if isinstance(value, str) and value.startswith("-"):
        known = number(value[1:])
    elif isinstance(value, int | float) and value < 0:
        known = number(-value)
    else:
        return number(value)
    return None if known is None else -known


def count(value: object) -> int | None:
    """The same as an integer, of which no digit is lost."""
    known = number(value)
    if known is None:
        return None
    return int(value) if isinstance(value, int) else int(known)


def losses(value: object) -> int | None:
    """The same for lost datagrams: those that come twice can make a tester's count negative."""
    return 0 if (signed(value) or 0) < 0 else count(value)


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping without the keys that were not measured."""
    return {key: value for key, value in values.items() if value is not None}


def rate(octets: int, seconds: float, printed: float | None = None) -> float:
    """Bit/s from octets and time; from the tool's own figure if both agree within 3 %.

    A printed rate can have more digits than a rounded amount over a rounded time, and it can be
    nonsense: iperf 2.0.13 prints rates that wrapped at 32 bits.
    """
    computed = octets * 8 / seconds if seconds > 1e-6 else 0.0
    if printed is None or abs(printed - computed) > 0.03 * computed:
        return computed
    return printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """What one end counted over the whole test, or during one interval."""

    octets: int
    seconds: float
    bits_per_second: float
    retransmits: int | None = None
    jitter_ms: float | None = None
    lost: int | None = None
    packets: int | None = None
    out_of_order: int | None = None

    def measured(self) -> dict[str, Any]:
        """The part that a summary and an interval share."""
        return present(
            {
                "bytes": self.octets,
                "bits_per_second": self.bits_per_second,
                "retransmits": self.retransmits,
                "jitter_ms": self.jitter_ms,
                "lost": self.lost,
                "packets": self.packets,
            }
        )


def summary_of(sent: Half | None, received: Half | None) -> dict[str, Any]:
    """The summary of both halves: goodput of the receiver if it is there, else of the sender."""
    summary: dict[str, Any] = {}
    if sent is not None and sent.octets:
        summary.update(sent.measured())
        summary["sent_bytes"] = sent.octets
        summary["sent_bits_per_second"] = sent.bits_per_second
    if received is not None and (received.octets or received.packets):
        summary.update(received.measured())
        summary.update(present({"out_of_order": received.out_of_order}))
    if summary.get("packets") and "lost" in summary:
        summary["loss_percent"] = 100 * summary["lost"] / summary["packets"]
    return summary


def interval_of(start: float, end: float, half: Half, **more: Any) -> dict[str, Any]:
    """One element of a Report's intervals."""
    return {"start_s": start, "end_s": end, **half.measured(), **present(more)}


def largest_window(intervals: Iterable[Mapping[str, Any]]) -> dict[str, int] | None:
    """The largest congestion window of some intervals, as a summary has it."""
    windows = [one["cwnd_bytes"] for one in intervals if "cwnd_bytes" in one]
    return {"max": max(windows)} if windows else None


def long_enough(spec: TestSpec, seconds: float) -> bool:
    """Whether an interval is more than the rest at the end of a test."""
    return seconds >= SHORT_INTERVAL * (spec.report_interval_ms / 1000 or 1.0)


def foreign_address(text: str) -> str | None:
    """An address as a tester prints it, a zone (%eth0) may follow; None if it is none."""
    try:
        ip_address(text)
    except ValueError:
        return None
    return clean(text) or None


def hint(lines: Iterable[str]) -> str | None:
    """The first line that reads like a complaint."""
    return next((clean(line) for line in lines if _HINT.search(line)), None)


def first_match(pattern: re.Pattern[str], lines: Iterable[str]) -> str | None:
    """The first group of the first line in which a pattern is found, cleaned."""
    found = next((match for line in lines if (match := pattern.search(line))), None)
    return None if found is None else clean(found[1])


def defect(spec: TestSpec, sent: Half | None, received: Half | None, streams: int) -> str | None:
    """Why two halves are not a result, None if they are. Source: testers.md 13."""
    halves = [half for half in (sent, received) if half is not None]
    if not halves:
        return "no total found in the output"
    if received is not None and received.packets and not received.octets:
        return "no data arrived"
    longest = max((half.seconds for half in halves if half.octets), default=None)
    if longest is None:
        return "no data was transferred"
    if streams < spec.parallel:
        return f"only {streams} of {spec.parallel} streams gave a total"
    if longest < SHORT_RUN * spec.duration:
        return f"lasted {longest:.1f} s instead of {spec.duration} s"
    return None


def report(
    tool: str,
    spec: TestSpec,
    *,
    sent: Half | None,
    received: Half | None,
    streams: int = 255,  # as many as can be asked for
    complaint: str | None = None,
    lines: Iterable[str] = (),
    version: str | None = None,
    more: Mapping[str, Any] | None = None,
    intervals: Sequence[Mapping[str, Any]] = (),
) -> Report:
    """The Report of two halves; `lines` are searched for the reason if there is no total."""
    error = complaint or defect(spec, sent, received, streams)
    if complaint is None and sent is None and received is None:
        error = hint(lines) or error
    return Report(
        tool=tool,
        version=version,
        error=error,
        summary={**summary_of(sent, received), **present(more or {})},
        intervals=intervals,
    )
