"""What a finished or failed test leaves behind, as its client knows it: frozen values only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bwctl.errors import AcceptType
from bwctl.values import (
    NO_SID,
    SID,
    ErrorEstimate,
    IPAddress,
    NTPTime,
    Report,
    Role,
    TestSpec,
)


class Side(Enum):
    """A test end by the direction of the data."""

    RECEIVER = "receiver"
    SENDER = "sender"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no result: a word for programs, a sentence and advice for people."""

    code: str  # name of the exit status in lower case
    exit_status: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """One test from start to end; `failure` None means that it went well."""

    __test__ = False

    receiver: EndResult = EndResult()
    sender: EndResult = EndResult()
    spec: TestSpec | None = None  # None: failed before the tester was chosen
    number: int = 1  # of repeated tests
    sid: SID = NO_SID
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

    @property
    def summary(self) -> Mapping[str, Any]:
        """Figures of both ends in one, the receiver's goodput first (testers.md 13)."""
        reports = {side: end.report for side, end in self.ends() if end.report}
        merged = {
            key: value
            for key, first in SUMMARY_KEYS.items()
            if (value := _measured(key, reports, first)) is not None
        }
        rest = {
            key: value
            for report in reports.values()
            for key, value in report.summary.items()
            if key not in SUMMARY_KEYS and value is not None
        }
        return merged | rest


SUMMARY_KEYS: Mapping[str, Side] = {
    "bits_per_second": Side.RECEIVER,
    "bytes": Side.RECEIVER,
    "sent_bits_per_second": Side.SENDER,
    "sent_bytes": Side.SENDER,
    "jitter_ms": Side.RECEIVER,
    "lost": Side.RECEIVER,
    "packets": Side.RECEIVER,
    "loss_percent": Side.RECEIVER,
    "out_of_order": Side.RECEIVER,
    "retransmits": Side.SENDER,
    "rtt_ms": Side.SENDER,
    "mss": Side.SENDER,
    "cpu_local_percent": Side.SENDER,
    "cpu_remote_percent": Side.SENDER,
}
"""Throughput figures in the order of output, and the end that knows each best."""


def _measured(key: str, reports: Mapping[Side, Report], first: Side) -> Any:
    """A figure from the report to be trusted most: one without an error, then the better side."""
    ranked = sorted(reports.items(), key=lambda item: (item[1].error is not None, item[0] != first))
    values = (report.summary.get(key) for _, report in ranked)
    return next((value for value in values if value is not None), None)
