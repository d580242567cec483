"""Whether a test that came to its end is a result. Source: clients.md 13.5, testers.md 13."""

from __future__ import annotations

from bwctl.cli.exits import ExitStatus
from bwctl.cli.output import sanitise
from bwctl.errors import AcceptType
from bwctl.results import Failure, TestResult
from bwctl.values import Kind

_CUT_OFF = "its daemon went away, or the connection to it broke"
_SEE_OUTPUT = "-x -v shows what both ends wrote"

_STATUS = {
    AcceptType.REJECT: ExitStatus.TEST_FAILED,
    AcceptType.FAILURE: ExitStatus.TEST_FAILED,
    AcceptType.UNSUPPORTED: ExitStatus.UNSUPPORTED,
}


def judge(result: TestResult) -> Failure | None:
    """Why a collected test does not count; None if it does. The tester's own complaint wins."""
    return _complaint(result) or _missing_end(result) or _bad_status(result) or _no_figure(result)


def _complaint(result: TestResult) -> Failure | None:
    """The tester said itself that it failed, at the end where the results come from."""
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


def _bad_status(result: TestResult) -> Failure | None:
    for side, end in result.ends():
        if end.status in _STATUS:
            message = f"the test ended abnormally at {side.value} {end.host}"
            return _STATUS[end.status].failure(message, _SEE_OUTPUT)
    return None


def _no_figure(result: TestResult) -> Failure | None:
    """A throughput test that moved nothing, or whose output nobody understands."""
    throughput = result.spec is None or result.spec.kind is Kind.THROUGHPUT
    if throughput and not result.summary.get("bits_per_second"):
        return ExitStatus.TEST_FAILED.failure("no throughput in the tester's output", _SEE_OUTPUT)
    return None
