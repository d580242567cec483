"""What a finished or failed test leaves behind, at its client and at a daemon: frozen values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from bwctl.errors import AcceptType
from bwctl.figures import Interval, intervals_side, merged_intervals, merged_summary
from bwctl.figures import Side as Side
from bwctl.text import sanitise
from bwctl.values import (
    NO_SID,
    SID,
    ErrorEstimate,
    IPAddress,
    Kind,
    NTPTime,
    Report,
    Role,
    TestSpec,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """A daemon's clock, compared with ours. Source: clients.md 7.1."""

    error: ErrorEstimate  # as the daemon gave it
    rtt_s: float  # bound of the round trip to the daemon
    offset_s: float | None = None  # its clock minus ours


@dataclass(frozen=True, slots=True, kw_only=True)
class EndResult:
    """One test end. None or empty: not known, because the test did not come that far."""

    host: str = ""  # as the user wrote it
    role: Role | None = None  # part in the tester
    address: IPAddress | None = None  # of the test
    port: int | None = None  # of the daemon
    protocol_version: int | None = None  # of the control protocol
    clock: ClockReading | None = None
    status: AcceptType | None = None  # of its StopSession; None: it sent no results
    raw: bytes = b""  # the tester's output and lines of the daemon
    report: Report | None = None  # what the tester's parser made of it
    ended_first: bool = False  # its results came before the other end's

    @property
    def answered(self) -> bool:
        """Whether results came from this end."""
        return self.status is not None or bool(self.raw)

    @property
    def margins(self) -> bytes:
        """Where a daemon's lines are: of a long output its first and its last lines."""
        if len(self.raw) <= 2 * _LOOKED_AT:
            return self.raw
        head, _, _ = self.raw[:_LOOKED_AT].rpartition(b"\n")
        _, _, tail = self.raw[-_LOOKED_AT:].partition(b"\n")
        return head + b"\n" + tail

    @property
    def started(self) -> NTPTime | None:
        """When its tester was started, by its daemon's clock; a daemon only tells where asked."""
        told = _START.search(self.raw[:_LOOKED_AT])
        return _moment(told) if told else None

    @property
    def ended(self) -> NTPTime | None:
        """When its tester had ended, by its daemon's clock."""
        told = [*_STOP.finditer(self.raw[-_LOOKED_AT:])]
        return _moment(told[-1]) if told else None

    @property
    def tester_version(self) -> str | None:
        """The version of its tester, as that tells, or else its daemon where asked."""
        if self.report is not None and self.report.version is not None:
            return self.report.version
        told = _VERSION.search(self.raw[:_LOOKED_AT])
        return sanitise(told[1]) if told else None


_LOOKED_AT = 1 << 16  # octets: a daemon's lines are before and after the tester's output
_START = re.compile(rb"^bwctl: start_tool: ([0-9]{10})\.([0-9]{6})$", re.MULTILINE)
_VERSION = re.compile(rb"^bwctl: run_tool: version: ([^\n]{1,100})$", re.MULTILINE)
_STOP = re.compile(rb"^bwctl: stop_tool: ([0-9]{10})\.([0-9]{6})$", re.MULTILINE)


def _moment(told: re.Match[bytes]) -> NTPTime:
    """The moment of a daemon's line: seconds since 1900. Source: clients.md 10.3."""
    return NTPTime((int(told[1]) << 32) + (int(told[2]) << 32) // 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no result: a word for programs, a sentence and advice for people."""

    code: str  # name of the exit status in lower case
    exit_status: int
    message: str
    hint: str = ""


class ExitStatus(IntEnum):
    """What became of a test, as a client ends; the first that failed if there are several."""

    OK = 0
    TEST_FAILED = 1
    USAGE = 2
    UNRESOLVED = 3
    UNREACHABLE = 4
    REFUSED = 5
    AUTHENTICATION = 6
    DENIED = 7
    BUSY = 8
    NO_TESTER = 9
    UNSUPPORTED = 10
    PROTOCOL = 11
    TIMEOUT = 12
    CLOCK = 13
    LOST = 14
    OUTPUT = 15
    INTERNAL = 70
    INTERRUPTED = 130

    @property
    def code(self) -> str:
        """The name that `--json` gives as `error.code`."""
        return self.name.lower()

    @property
    def meaning(self) -> str:
        """One line for the help and the manual page."""
        return _MEANINGS[self]

    def failure(self, message: str, hint: str = "") -> Failure:
        """A failure of this kind."""
        return Failure(code=self.code, exit_status=int(self), message=message, hint=hint)


_MEANINGS = {
    ExitStatus.OK: "the test went well",
    ExitStatus.TEST_FAILED: "the test ran and failed",
    ExitStatus.USAGE: "wrong option or value; nothing was sent",
    ExitStatus.UNRESOLVED: "a host name has no address",
    ExitStatus.UNREACHABLE: "no route to a host, or no answer to a connection",
    ExitStatus.REFUSED: "no daemon listens on that port",
    ExitStatus.AUTHENTICATION: "no common mode, wrong key or unknown identity",
    ExitStatus.DENIED: "the limits of a daemon forbid the test",
    ExitStatus.BUSY: "no free time slot before the latest start",
    ExitStatus.NO_TESTER: "no tester that both ends have",
    ExitStatus.UNSUPPORTED: "the tester, or an older daemon, cannot do what was asked",
    ExitStatus.PROTOCOL: "a daemon broke the control protocol",
    ExitStatus.TIMEOUT: "a daemon stopped answering",
    ExitStatus.CLOCK: "a clock is not synchronised well enough",
    ExitStatus.LOST: "a daemon went away during the test",
    ExitStatus.OUTPUT: "the results cannot be written",
    ExitStatus.INTERNAL: "a defect of the program",
    ExitStatus.INTERRUPTED: "stopped by a signal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """One test from start to end; `failure` None means that it went well."""

    __test__ = False

    receiver: EndResult = EndResult()
    sender: EndResult = EndResult()
    spec: TestSpec | None = None  # None: failed before the tester was chosen
    tester: str = ""  # its name, which a spec does not tell of one that is plugged in
    number: int = 1  # of repeated tests
    sid: SID = NO_SID
    tester_port: int | None = None  # of the tester's server
    peer_port: int | None = None  # where the server daemon's peer agent listens
    requested_start: NTPTime | None = None
    reserved_start: NTPTime | None = None
    latest_start: NTPTime | None = None
    finished: NTPTime | None = None  # when the last results were in
    results_role: Role = Role.CLIENT  # ITester.results_role
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None

    def ends(self) -> Iterator[tuple[Side, EndResult]]:
        """Both ends, the receiver first."""
        yield Side.RECEIVER, self.receiver
        yield Side.SENDER, self.sender

    def end(self, role: Role) -> EndResult | None:
        """The end that plays a role, if the roles are known."""
        return next((end for _, end in self.ends() if end.role is role), None)

    def has_daemon(self, end: EndResult) -> bool:
        """Whether an end could be asked for results: under -E the tester's server has no daemon."""
        alone = self.spec is not None and self.spec.no_server_endpoint
        return not (alone and end.role is Role.SERVER)

    @property
    def actual_start(self) -> NTPTime | None:
        """When the tester was started at the end that begins: its client, or who probes."""
        throughput = self.spec is None or self.spec.kind is Kind.THROUGHPUT
        begins = self.end(Role.CLIENT if throughput else self.results_role)
        return begins.started if begins is not None else None

    @property
    def summary(self) -> Mapping[str, Any]:
        """Figures of both ends in one, the receiver's goodput first (testers.md 13)."""
        return merged_summary(self._reports)

    @property
    def intervals(self) -> Sequence[Interval]:
        """Intervals of both ends in one."""
        return merged_intervals(self._reports)

    @property
    def intervals_side(self) -> Side | None:
        """The end that `intervals` is from; None: there are none."""
        return intervals_side(self._reports)

    @property
    def _reports(self) -> dict[Side, Report]:
        return {side: end.report for side, end in self.ends() if end.report}


@dataclass(frozen=True, slots=True, kw_only=True)
class TestEnded:
    """A test that is over, as a daemon tells its post-hooks and result sinks of it."""

    __test__ = False

    spec: TestSpec
    role: Role  # of this end in the tester
    sid: SID
    user: str | None  # None: open mode
    limit_class: str
    client: IPAddress  # of the control client
    start: NTPTime  # reserved, not requested as in C
    end: NTPTime  # reserved: start, duration and omitted seconds
    output: bytes  # of this end
    other_output: bytes | None  # None: the other end did not tell
    status: AcceptType
    other_status: AcceptType | None
    report: Report | None = None  # read from `output`; only sinks get reports
    other_report: Report | None = None
    tester: str = ""  # its name
    tester_version: str | None = None  # of the one at this end

    @property
    def sends(self) -> bool:
        """Whether this end sends the data, under reverse flow too."""
        return self.role is self.spec.sender

    @property
    def summary(self) -> Mapping[str, Any]:
        """Figures of both ends in one; of one end where only that is known."""
        own, other = Side.SENDER, Side.RECEIVER
        if not self.sends:
            own, other = other, own
        reports = {own: self.report, other: self.other_report}
        return merged_summary({side: report for side, report in reports.items() if report})

    @property
    def size(self) -> int:
        """Octets of both outputs."""
        return len(self.output) + len(self.other_output or b"")
