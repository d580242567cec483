"""A few lines for people about a test that is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from bwctl.errors import AcceptType
from bwctl.render.wording import rfc3339, scaled, tool_name
from bwctl.results import EndResult, TestResult
from bwctl.text import sanitise
from bwctl.values import Kind, TestSpec

_STATUS = {
    None: "no results",
    AcceptType.ACCEPT: "ok",
    AcceptType.REJECT: "ended abnormally (reject)",
    AcceptType.FAILURE: "ended abnormally (failure)",
    AcceptType.UNSUPPORTED: "ended abnormally (unsupported)",
}


def summary_text(result: TestResult) -> str:
    """What was tested, what was measured, how both ends are."""
    lines = [_title(result), *_figures(result.summary)]
    lines += [
        f"  {side.value:<9} {_end(end, result.has_daemon(end))}" for side, end in result.ends()
    ]
    return "".join(f"{line}\n" for line in lines)


def _title(result: TestResult) -> str:
    when = rfc3339(result.reserved_start) if result.reserved_start is not None else ""
    parts = [f"test {result.number}", when[:19] and f"{when[:19]}Z"]
    parts += [_test(result.spec)] if result.spec else []
    return ", ".join(part for part in parts if part)


def _test(spec: TestSpec) -> str:
    """Tester, protocol, time and direction."""
    protocol = (" UDP" if spec.udp else " TCP") if spec.kind is Kind.THROUGHPUT else ""
    sender, receiver = spec.address(spec.sender), spec.address(spec.sender.other)
    return f"{tool_name(spec)}{protocol}, {spec.duration} s, {sender} -> {receiver}"


def _figures(summary: Mapping[str, Any]) -> Iterator[str]:
    """Lines for the figures that are there, the receiver's first."""
    for word, prefix in (("received", ""), ("sent", "sent_")):
        rate, size = summary.get(f"{prefix}bits_per_second"), summary.get(f"{prefix}bytes")
        parts = [scaled(rate, "bit/s")] if _number(rate) else []
        parts += [scaled(size, "B")] if _number(size) else []
        if parts:
            yield f"  {word:<9} {', '.join(parts)}"
    if details := list(_details(summary)):
        yield f"  {'quality':<9} {', '.join(details)}"


def _details(summary: Mapping[str, Any]) -> Iterator[str]:
    """Loss, jitter, retransmits and round trip."""
    lost, packets, percent = (summary.get(key) for key in ("lost", "packets", "loss_percent"))
    if _number(lost):
        share = f" ({percent:.3g} %)" if _number(percent) else ""
        yield f"lost {lost}" + (f" of {packets} packets" if _number(packets) else "") + share
    if _number(summary.get("jitter_ms")):
        yield f"jitter {summary['jitter_ms']:.3g} ms"
    if _number(summary.get("retransmits")):
        yield f"{summary['retransmits']} retransmits"
    rtt = summary.get("rtt_ms")
    if isinstance(rtt, Mapping):
        figures = [
            f"{key} {rtt[key]:.3g}" for key in ("min", "mean", "max") if _number(rtt.get(key))
        ]
        if figures:
            yield f"RTT {', '.join(figures)} ms"


def _number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _end(end: EndResult, has_daemon: bool) -> str:
    """One end's host, state and tester."""
    report = end.report
    state = _STATUS[end.status] if has_daemon else "no daemon there"
    if report and report.error:
        state = f"tester failed: {_one_line(report.error)}"
    version = f" ({_one_line(report.version)})" if report and report.version else ""
    return f"{end.host or 'this host'}: {state}{version}"


def _one_line(text: str) -> str:
    return " ".join(sanitise(text).split())
