"""How a test end went, judged by what was seen of it. Source: wire.md 6.6."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.net.plan import Plan
from bwctl.net.process import Ended
from bwctl.values import Kind, NTPTime, Report, Role

_PEER_LOST: Final = "the connection to the other end's daemon was lost"
_OUTLASTED: Final = "local tool did not end when the other end's had and was killed"


class Cause(Enum):
    """Why a tester was ended by us; the text goes into the results."""

    HARD_END = "local tool did not complete in allocated time frame and was killed"
    PEER_STOPPED = "remote peer cancelled test"
    STOPPED = "the control client stopped the test"
    GONE = "the control connection was lost"
    NO_PEER = "the other end never came"


def words(cause: Cause, told: Stopped | None) -> str:
    """A cause as the results give it; who goes without a word has not cancelled anything.

    Args:
        told: what the other end has said.
    """
    return _PEER_LOST if cause is Cause.PEER_STOPPED and told is None else cause.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One test end, from its plan to its end, and what that comes to."""

    plan: Plan
    ended: Ended  # its tester
    now: NTPTime  # when that was
    quit: Cause | None  # what ended the test, if anything did
    told: Stopped | None  # what the other end has said
    idle: bool  # nothing ran at this end
    report: Report | None  # what the tester says; None: nothing, or not to be read

    @property
    def status(self) -> AcceptType:
        """As wire.md 6.6 has it, with a truth that C does not tell."""
        if self._too_soon:
            return AcceptType.FAILURE
        if self.ended.stopped and not self._was_due:
            return AcceptType.REJECT
        if not self.ended.clean and not self._was_due:
            return AcceptType.FAILURE
        return AcceptType.ACCEPT if self._trouble is None else AcceptType.FAILURE

    @property
    def complaints(self) -> Iterator[str]:
        """What the results say about it; the last one is the reason of a status but ACCEPT."""
        status = _status(self.ended)
        if self._too_soon:
            yield f"local tool ended before the test, with status={status}"
            return
        if self._cause is not None and not self._is_quiet:
            yield words(self._cause, self.told)
        elif self._is_quiet and self._peer_did_well and not self._was_due:
            yield _OUTLASTED
        elif not self.ended.stopped and not self.ended.clean:
            yield f"local tool exited {'before expected ' if self._early else ''}with {status=}"
        if self._trouble is not None and (self._was_due or self._ended_well):
            yield f"{self.plan.tester.name}: {self._trouble}"

    @property
    def _early(self) -> bool:
        return self.now < self.plan.nominal_end

    @property
    def _too_soon(self) -> bool:
        """Whether the tester was done before the test was to begin."""
        return not (self.ended.stopped or self.idle) and self.now < self.plan.start

    @property
    def _ended_well(self) -> bool:
        return self.ended.clean and not self.ended.stopped

    @property
    def _cause(self) -> Cause | None:
        """Why our tester was stopped: the other end, if it has none, only tells that time is up."""
        if not self.ended.stopped:
            return None
        time_is_up = not self._early and self.plan.other_is_idle
        return Cause.HARD_END if self.quit is Cause.PEER_STOPPED and time_is_up else self.quit

    @property
    def _is_quiet(self) -> bool:
        """Whether the other end stopped us when that was to be expected."""
        return self._cause is Cause.PEER_STOPPED and (not self._early or self._was_due)

    @property
    def _was_due(self) -> bool:
        """Whether it is in order that we had to stop the tester."""
        plan, cause = self.plan, self._cause
        if cause is Cause.HARD_END:  # what a trace has found by then is its result
            return plan.spec.kind is Kind.TRACE
        if cause is not Cause.PEER_STOPPED or plan.role is not Role.SERVER:
            return False
        return not plan.tester.server_ends_itself and (self._peer_did_well or not self._early)

    @property
    def _peer_did_well(self) -> bool:
        """Whether the other end has said so."""
        return self.told is not None and self.told.accept is AcceptType.ACCEPT

    @property
    def _trouble(self) -> str | None:
        """What the tester itself complains about, where this end has the results."""
        if self.idle or not has_results(self.plan):
            return None
        return self.report.error if self.report is not None else "its output cannot be read"


def has_results(plan: Plan) -> bool:
    """Whether this end's tester is the one that tells the results."""
    return plan.tester.results_role(plan.spec) is plan.role


def _status(ended: Ended) -> int:
    return ended.exit_status if ended.exit_status is not None else 128 + (ended.signal or 0)
