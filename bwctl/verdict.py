"""Whether a test that came to its end is a result. Source: clients.md 13.5, testers.md 13."""

from __future__ import annotations

import re

from bwctl.errors import AcceptType
from bwctl.results import EndResult, ExitStatus, Failure, Side, TestResult
from bwctl.text import sanitise
from bwctl.values import Kind, Role

_CUT_OFF = "its daemon went away, or the connection to it broke"
_SEE_OUTPUT = "-x -v shows what both ends wrote"
_NOBODY = re.compile(r"\brefused\b", re.IGNORECASE)
_SERVERS = {
    "iperf3": "iperf3 -s",
    "iperf": "iperf -s",
    "nuttcp": "nuttcp -S",
    "thrulay": "python -m bwctl.testers.thrulay server",
}
_CLOCK_NOTE = "the other end's clock is"
_BY_SIGNAL = re.compile(rb"^bwctl: local tool exited .*status=1(?:29|[3-9][0-9])$", re.MULTILINE)
_NOTE = re.compile(rb"^bwctl: ([^\n]{0,1000})[^\n]*$", re.MULTILINE)
_CUT = b"\nbwctl: output cut here: "
_LONGEST = 1000  # octets of a line that are looked at
_DEAF = "the other end's tester does not listen"
_HUNG = b"bwctl: local tool did not complete in allocated time frame"
_CAUSES = (  # of the guard, and the daemon: what the tester says then is what came of it
    "cannot start ",
    "cannot run ",
    "cannot use CPUs ",
    "the connection to the other end's daemon was lost",
)
_ECHOES = (
    "remote peer cancelled test",
    "start_endpoint:",
    "run_endpoint: ",
    "run_tool: ",
    "exec_line:",
    "start_tool:",
    "stop_tool:",
    "stop_endpoint:",
)
_OF_A_CONNECTION = frozenset({"rtt_ms", "mss"})  # told before anything has moved
_NEEDED = {
    Kind.THROUGHPUT: ("bits_per_second", "no throughput in the tester's output"),
    Kind.LATENCY: ("received", "no packet that came back in the tester's output"),
    Kind.TRACE: ("hops", "no hop in the tester's output"),
}
"""The figure of a summary without which a test is none."""

_VAGUE = (
    "no total found in the output",
    "no result found in the output",
    "no statistics found in the output",
    "no hop found in the output",
)


def has_figures(result: TestResult) -> bool:
    """Whether a test that was cut short has measured anything.

    What testers of throughput tell as soon as they are connected does not count.
    """
    throughput = result.spec is not None and result.spec.kind is Kind.THROUGHPUT
    return not result.summary.keys() <= (_OF_A_CONNECTION if throughput else frozenset())


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
    if text == _DEAF:  # so it is the other end's that hangs
        side, end = next(one for one in result.ends() if one[0] is not side)
        text = "its tester does not listen"
    where = f"{side.value} {end.host}"
    if _CLOCK_NOTE in text:
        hint = "synchronise both clocks, or widen sync_fuzz of the daemons"
        return ExitStatus.CLOCK.failure(f"{where}: {text}", hint)
    kind = ExitStatus.UNSUPPORTED if status is AcceptType.UNSUPPORTED else ExitStatus.TEST_FAILED
    return kind.failure(f"the test failed at {where}: {text}", _advice(result, text))


def _advice(result: TestResult, text: str) -> str:
    """What to look at; under -E, what has to be started where there is no daemon."""
    server = result.end(Role.SERVER)
    if server is None or result.has_daemon(server):
        return _SEE_OUTPUT
    command = _SERVERS.get(result.tester) if _NOBODY.search(text) else None
    if command is None:
        return "-v shows what the end with a daemon wrote"
    at = f"{server.host}, port {result.tester_port}" if result.tester_port else server.host
    return f"`{command}` has to run at {at}; --tester_port names another port"


def _guilt(bad: tuple[Side, EndResult, AcceptType | None]) -> tuple[int, bool, bool, bool, bool]:
    """A tester that a signal ended did not merely notice that the other one was gone.

    Where both testers had to be killed, the server waited for a client that hung.
    """
    _, end, status = bad
    hung = _HUNG in end.raw
    severity = status.severity if status is not None else 0
    struck = _BY_SIGNAL.search(end.margins) is not None
    return (severity, hung, hung and end.role is Role.CLIENT, struck, end.ended_first)


def _reason(end: EndResult) -> str:
    """What the end says went wrong: the tester's complaint, or the daemon's last remark."""
    notes = [sanitise(note) for note in _NOTE.findall(end.margins)]
    complaint = _complaint_of(end)
    repeated = f"{end.report.tool}: {complaint}" if end.report is not None else None
    telling = [note for note in notes if not note.startswith(_ECHOES) and note != repeated]
    clock = [note for note in telling if _CLOCK_NOTE in note]
    causes = [note for note in telling if note.startswith(_CAUSES)]
    said = bool(complaint) and not complaint.startswith("bwctl: ") and complaint not in _VAGUE
    if clock or causes or (telling and not said):
        return (clock or causes or telling)[-1]
    if complaint and repeated:
        cut = _cut_of(end.raw) if complaint in _VAGUE else ""
        return cut or repeated
    return (notes or ["it ended abnormally"])[-1]


def _complaint_of(end: EndResult) -> str:
    error = end.report.error if end.report is not None else None
    return " ".join(sanitise(error).split()) if error else ""


def _complaint(result: TestResult) -> Failure | None:
    """The tester says that it failed though it ended well, where the results come from.

    Of an output that was cut the bound is the reason; of one without any words of its own the
    other end may know more.
    """
    end = result.end(result.results_role)
    if end is None or end.report is None or end.report.error is None:
        return None
    if _complaint_of(end) in _VAGUE and not end.report.cut:
        end = next((one for _, one in result.ends() if _says(one)), end)
    tool = end.report.tool if end.report is not None else "tester"
    text = _said(end)
    return ExitStatus.TEST_FAILED.failure(f"{tool} at {end.host}: {text}", _advice(result, text))


def _says(end: EndResult) -> bool:
    return _complaint_of(end) not in ("", *_VAGUE)


def _said(end: EndResult) -> str:
    complaint, cut = _complaint_of(end), _cut_of(end.raw)
    return cut if complaint in _VAGUE and cut else complaint


def _cut_of(raw: bytes) -> str:
    """What a daemon says in the middle of an output that it had to cut; empty if it did not."""
    start = raw.rfind(_CUT)
    if start < 0:
        return ""
    line, _, _ = raw[start + 1 : start + _LONGEST].partition(b"\n")
    return sanitise(line.removeprefix(b"bwctl: "))


def _missing_end(result: TestResult) -> Failure | None:
    for side, end in result.ends():
        if not end.answered and result.has_daemon(end):
            return ExitStatus.LOST.failure(f"no results from {side.value} {end.host}", _CUT_OFF)
    return None


def _no_figure(result: TestResult) -> Failure | None:
    """A test that measured nothing, or whose output nobody understands.

    A trace that did not reach its target is a result, as long as one hop is known.
    """
    kind = result.spec.kind if result.spec is not None else Kind.THROUGHPUT
    figure, message = _NEEDED[kind]
    if result.summary.get(figure):
        return None
    return ExitStatus.TEST_FAILED.failure(message, _SEE_OUTPUT)
