"""Whether a test that came to its end is a result. Source: clients.md 13.5, testers.md 13."""

from __future__ import annotations

import re

from bwctl.cli.exits import ExitStatus
from bwctl.cli.output import sanitise
from bwctl.errors import AcceptType
from bwctl.results import EndResult, Failure, Side, TestResult
from bwctl.values import Kind

_CUT_OFF = "its daemon went away, or the connection to it broke"
_SEE_OUTPUT = "-x -v shows what both ends wrote"
_CLOCK_NOTE = "the other end's clock is"
_NOTE = re.compile(rb"^bwctl: ([^\n]*)$", re.MULTILINE)
_ECHOES = ("remote peer cancelled test", "exec_line:", "stop_endpoint:", "stop_tool:")


def judge(result: TestResult) -> Failure | None:
    """Why a collected test does not count; None if it does.

    The end that says that it failed is to blame, before an end whose tester only noticed.
    """
    return _bad_end(result) or _missing_end(result) or _complaint(result) or _no_figure(result)


def _bad_end(result: TestResult) -> Failure | None:
    """The end with the gravest status; of two alike the one that ended first."""
    bad = [
        (side, end, end.status)
        for side, end in result.ends()
        if end.status not in (None, AcceptType.ACCEPT)
    ]
    if not bad:
        return None
    side, end, status = max(bad, key=_guilt)
    text = _reason(end)
    where = f"{side.value} {end.host}"
    if _CLOCK_NOTE in text:
        hint = "synchronise both clocks, or widen sync_fuzz of the daemons"
        return ExitStatus.CLOCK.failure(f"{where}: {text}", hint)
    kind = ExitStatus.UNSUPPORTED if status is AcceptType.UNSUPPORTED else ExitStatus.TEST_FAILED
    return kind.failure(f"the test failed at {where}: {text}", _SEE_OUTPUT)


def _guilt(bad: tuple[Side, EndResult, AcceptType | None]) -> tuple[int, bool]:
    _, end, status = bad
    return (status.severity if status is not None else 0, end.ended_first)


def _reason(end: EndResult) -> str:
    """What the end says went wrong: the tester's complaint, or the daemon's last remark."""
    notes = [sanitise(note) for note in _NOTE.findall(end.raw)]
    telling = [note for note in notes if not note.startswith(_ECHOES)]
    clock = [note for note in telling if _CLOCK_NOTE in note]
    complaint = end.report.error if end.report is not None else None
    if clock or complaint is None:
        return (clock or telling or notes or ["it ended abnormally"])[-1]
    return f"{end.report.tool if end.report else ''}: {' '.join(sanitise(complaint).split())}"


def _complaint(result: TestResult) -> Failure | None:
    """The tester says that it failed though it ended well, where the results come from."""
    end = result.end(result.results_role)
    if end is None or end.report is None or end.report.error is None:
        return None
    text = " ".join(sanitise(end.report.error).split())
    return ExitStatus.TEST_FAILED.failure(f"{end.report.tool} at {end.host}: {text}", _SEE_OUTPUT)


def _missing_end(result: TestResult) -> Failure | None:
    for side, end in result.ends():
        if not end.answered:
            return ExitStatus.LOST.failure(f"no results from {side.value} {end.host}", _CUT_OFF)
    return None


def _no_figure(result: TestResult) -> Failure | None:
    """A throughput test that moved nothing, or whose output nobody understands."""
    throughput = result.spec is None or result.spec.kind is Kind.THROUGHPUT
    if throughput and not result.summary.get("bits_per_second"):
        return ExitStatus.TEST_FAILED.failure("no throughput in the tester's output", _SEE_OUTPUT)
    return None
