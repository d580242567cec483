"""A few lines for people about a test that is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bwctl.errors import AcceptType
from bwctl.render.hops import hop_table
from bwctl.render.look import Look
from bwctl.render.sparkline import course
from bwctl.render.wording import digits, figure, one_line, rfc3339, scaled, what_is_tested
from bwctl.results import EndResult, TestResult
from bwctl.values import Kind

Figures = Mapping[str, Any]

_STATUS = {
    None: ("no results", "red"),
    AcceptType.ACCEPT: ("ok", "green"),
    AcceptType.REJECT: ("ended abnormally (reject)", "red"),
    AcceptType.FAILURE: ("ended abnormally (failure)", "red"),
    AcceptType.UNSUPPORTED: ("ended abnormally (unsupported)", "red"),
}
_INDENT = "  "


def summary_text(result: TestResult, look: Look = Look()) -> str:  # noqa: B008 - it is frozen
    """What was tested, what was measured, how both ends are."""
    lines = [_title(result, look), *_measured(result, look)]
    for side, end in result.ends():
        lines.append(_row(side.value, _end(end, result.has_daemon(end), look)))
    return "".join(f"{line}\n" for line in lines)


def _row(label: str, text: str) -> str:
    return f"{_INDENT}{label:<9} {text}"


def _title(result: TestResult, look: Look) -> str:
    number = f"test {result.number}"
    if result.failure is not None:
        number += look.paint(" failed", "red")
    when = f"{rfc3339(result.reserved_start)[:19]}Z" if result.reserved_start is not None else ""
    what = what_is_tested(result)
    return ", ".join(part for part in (number, when, what) if part)


def _measured(result: TestResult, look: Look) -> Iterator[str]:
    """What there is to say about a kind of test."""
    kind = result.spec.kind if result.spec is not None else Kind.THROUGHPUT
    yield from _OF_KIND[kind](result, look)
    if bars := course(result, look):
        yield _row(*bars)


# -- throughput ------------------------------------------------------------------------------


def _throughput(result: TestResult, look: Look) -> Iterator[str]:
    """The receiver's figure first; where only the sender's is known it is not called received."""
    summary = result.summary
    received, sent = _amount(summary, ""), _amount(summary, "sent_")
    if received and _is_known_to_arrive(result, summary):
        yield _row("received", look.paint(received, "bold"))
    if sent:
        yield _row("sent", sent)
    if result.failure is not None and _more_than_sent(summary):
        yield _row("note", "cut short: the ends counted over different times")
    if details := list(_details(summary)):
        yield _row("quality", ", ".join(details))


def _more_than_sent(summary: Figures) -> bool:
    """Whether a rate or an amount is one that nobody can have received."""
    pairs = (("bits_per_second", "sent_bits_per_second"), ("bytes", "sent_bytes"))
    known = [(figure(summary, one), figure(summary, other)) for one, other in pairs]
    return any(one is not None and other is not None and one > 1.01 * other for one, other in known)


def _is_known_to_arrive(result: TestResult, summary: Figures) -> bool:
    """Whether the throughput is more than the sender's own: it is the receiver's, or differs.

    A sender that knows what was lost has it from the receiver.
    """
    report = result.receiver.report
    own = figure(report.summary, "bits_per_second") if report is not None else None
    rates = (figure(summary, key) for key in ("bits_per_second", "sent_bits_per_second"))
    told = own is not None or figure(summary, "lost") is not None
    return told or len(set(rates)) > 1


def _amount(summary: Figures, prefix: str) -> str:
    rate, size = figure(summary, f"{prefix}bits_per_second"), figure(summary, f"{prefix}bytes")
    parts = [scaled(rate, "bit/s")] if rate is not None else []
    return ", ".join([*parts, scaled(size, "B")] if size is not None else parts)


def _details(summary: Figures) -> Iterator[str]:
    """Loss, jitter, retransmits, delays and window."""
    lost, packets = figure(summary, "lost"), figure(summary, "packets")
    if lost is not None:
        of = f" of {packets:.0f} packets" if packets is not None else ""
        yield f"lost {lost:.0f}{of}{_share(summary)}"
    for what in ("duplicates", "out_of_order"):
        if count := figure(summary, what):
            yield f"{count:.0f} {what.replace('_', ' ')}"
    if (jitter := figure(summary, "jitter_ms")) is not None:
        yield f"jitter {digits(jitter)} ms"
    if (retransmits := figure(summary, "retransmits")) is not None:
        yield f"{retransmits:.0f} retransmit{'' if retransmits == 1 else 's'}"
    yield from _statistics("RTT", summary.get("rtt_ms"), ("min", "mean", "max"))
    yield from _statistics("one-way delay", summary.get("owd_ms"), ("min", "median", "max"))
    if window := figure(summary, "cwnd_bytes", "max"):
        yield f"window up to {scaled(window, 'B')}"


def _share(summary: Figures) -> str:
    percent = figure(summary, "loss_percent")
    return f" ({digits(percent)} %)" if percent else ""


def _statistics(name: str, values: object, keys: tuple[str, ...]) -> Iterator[str]:
    """Those that are known: `RTT min/mean/max 0.05/0.1/0.25 ms`."""
    known = {key: value for key in keys if (value := figure(values, key)) is not None}
    if known:
        yield f"{name} {'/'.join(known)} {'/'.join(map(digits, known.values()))} ms"


# -- latency and trace -----------------------------------------------------------------------


def _latency(result: TestResult, look: Look) -> Iterator[str]:
    """`10 sent, 0 lost, RTT min/mean/max 0.02/0.04/0.06 ms`."""
    summary, parts = result.summary, []
    for key, word in _COUNTS:
        value = figure(summary, key)
        if value is not None and (value or key in ("sent", "lost")):
            share = _share(summary) if key == "lost" else ""
            parts.append(f"{value:.0f} {word}{share}")
    parts += _statistics("RTT", summary.get("rtt_ms"), ("min", "mean", "max"))
    parts += _statistics("one-way delay", summary.get("owd_ms"), ("min", "median", "max"))
    if (jitter := figure(summary, "jitter_ms")) is not None:
        parts.append(f"jitter {digits(jitter)} ms")
    if parts:
        yield _row("result", look.paint(", ".join(parts), "bold"))
    if (error := figure(summary, "maxerr_ms")) is not None or "synchronized" in summary:
        yield _row("clocks", _agreement(summary.get("synchronized"), error, look))


def _agreement(synchronised: object, error: float | None, look: Look) -> str:
    """How far one-way delays may be off."""
    if synchronised is False:
        return look.paint("not synchronised: one-way delays mean little", "yellow")
    return "synchronised" + (f" within {digits(error)} ms" if error is not None else "")


_COUNTS = (
    ("sent", "sent"),
    ("lost", "lost"),
    ("duplicates", "duplicates"),
    ("errors", "errors"),
)


def _trace(result: TestResult, look: Look) -> Iterator[str]:
    """The table of hops, and whether they lead to the other end."""
    summary = result.summary
    table = hop_table(summary)
    yield from (f"{_INDENT}{line}" for line in table)
    reached, pmtu = summary.get("reached"), figure(summary, "pmtu")
    parts = [] if pmtu is None else [f"path MTU {pmtu:.0f}"]
    if isinstance(reached, bool):
        words = ("reached", "green") if reached else ("not reached", "red")
        parts.insert(0, f"the receiver was {look.paint(*words)}")
    if parts:
        yield _row("result", ", ".join(parts))


_OF_KIND = {Kind.THROUGHPUT: _throughput, Kind.LATENCY: _latency, Kind.TRACE: _trace}


# -- ends ------------------------------------------------------------------------------------


def _end(end: EndResult, has_daemon: bool, look: Look) -> str:
    """One end's host, state and tester."""
    report = end.report
    state = look.paint(*_STATUS[end.status]) if has_daemon else "no daemon there"
    if report and report.error:
        state = look.paint("tester failed", "red") + f": {one_line(report.error)}"
    elif report and report.cut:
        state += ", though its output was too long to be kept whole"
    version = f" ({one_line(end.tester_version, 40)})" if end.tester_version else ""
    return f"{one_line(end.host) or 'this host'}: {state}{version}"
