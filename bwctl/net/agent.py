"""The peer agent: carries one confirmed test end from StartSession to its results.

One path for every cause of an end: the tester is stopped and reaped, then the control client gets
its results, then the other end's agent gets them. Source: wire.md 6; testers.md 4; daemon.md 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from twisted.internet.defer import Deferred, race, succeed
from twisted.logger import Logger

from bwctl.control.session import Stopped
from bwctl.errors import AcceptType, BWCTLError
from bwctl.net.clock import IClock
from bwctl.net.judgement import Cause, Course, has_results, words
from bwctl.net.link import PeerLink
from bwctl.net.listening import is_listening
from bwctl.net.meeting import Meeting
from bwctl.net.once import Once
from bwctl.net.plan import Plan
from bwctl.net.process import Ended, TesterProcess
from bwctl.net.readings import Readings
from bwctl.net.slottime import SlotTime
from bwctl.net.timers import Timer, Timers
from bwctl.net.transcript import Transcript
from bwctl.values import Kind, NTPTime, Report, Role, seconds, ticks

RESULTS_TIMEOUT_S = 60.0  # for the other end's results, as in C
_POLL_S = 0.02  # between looks for a listening tester
_UNSEEN_S = 0.3  # where the system does not tell who listens
_DRAIN_S = 0.3  # for a server that never ends by itself, after its client has


class TestFailure(BWCTLError):
    """The test cannot go on; the text says why."""

    __test__ = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test end went: the truth, as told to the control client and to the other end."""

    status: AcceptType
    output: bytes
    report: Report | None = None  # what our tester says; None: nothing, or not to be read
    reason: str = ""  # of a status other than ACCEPT, for the log; it may quote a tester


class PeerAgent:
    """Runs a plan. `finished` fires once, when no process of the test is left; `over` later, when
    the other end has our results and we have its, or have given up on them."""

    log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        plan: Plan,
        meeting: Meeting,
        reactor: Any,
        clock: IClock,
        timers: Timers,
        readings: Readings,
    ) -> None:
        self.finished: Once[Outcome] = Once()
        self.over: Once[Stopped | None] = Once()
        self.plan = plan
        self._meeting = meeting
        self._reactor = reactor
        self._clock = clock
        self._timers = timers
        self._readings = readings
        self._quit: Once[Cause] = Once()
        self._idle = False  # nothing runs at this end
        self._hurry: Once[None] = Once()  # no more patience with the tester
        self._process: TesterProcess | None = None
        self._began = self._ended = 0.0  # its tester, seconds of the monotonic clock
        self._link: PeerLink | None = None
        self.time = SlotTime(timers)
        self._settled = False
        self._look: Timer | None = None
        self._transcript = Transcript(plan, clock)

    # -- commands --------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start; nothing is awaited."""
        self.time.at(self.plan.hard_end, self._end_now, Cause.HARD_END)
        self._meeting.ended.wait().addCallback(lambda _: self._quit.fire(Cause.PEER_STOPPED))
        Deferred.fromCoroutine(self._run()).addErrback(self._broken)

    def stop(self) -> None:
        """The control client wants no more of this test."""
        self._end_now(Cause.STOPPED)

    def _end_now(self, cause: Cause) -> None:
        self._quit.fire(cause)
        self._hurry.fire(None)

    def abandon(self) -> None:
        """The control client is gone: end everything now."""
        self._end_now(Cause.GONE)
        if self._process is not None:
            self._process.kill()

    @property
    def ending(self) -> bool:
        """Whether something has ended the test, or it ended by itself."""
        return self._quit.fired or self.finished.fired

    @property
    def process(self) -> TesterProcess | None:
        """Its tester, once it was started."""
        return self._process

    @property
    def door(self) -> int | None:
        """The port where it listens for the other end."""
        return self._meeting.port

    @property
    def ran(self) -> bool:
        """Whether a tester was started, or would have been if there were one for this end."""
        return self._process is not None or self._idle

    @property
    def ran_s(self) -> float:
        """Seconds that its tester ran, if one was started; up to now if it still does."""
        if self._process is None:
            return 0.0
        return (self._ended or self._clock.mono()) - self._began

    # -- the course of a test --------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            outcome = await self._attempt()
        except TestFailure as failure:
            self._transcript.blame(str(failure))
            given_up = self._quit.value in (Cause.STOPPED, Cause.GONE, Cause.PEER_STOPPED)
            outcome = self._outcome(AcceptType.REJECT if given_up else AcceptType.FAILURE, b"")
        finally:
            self.time.cancel()
            if self._look is not None:
                self._look.cancel()
        link = self._link or self._meeting.settle()
        self._meeting.close()
        if link is not None:
            link.send_stop(outcome.status, outcome.output)
        self.finished.fire(outcome)
        await self._trade(link)

    async def _attempt(self) -> Outcome:
        self._transcript.stamp("start_endpoint")
        self._transcript.addresses("run_endpoint")
        await self._meet()
        command = self.plan.command
        if command is None:
            return await self._judged(await self._sit_out(), read=False)
        await self._await_start()
        ended = await self._test(command)
        self._transcript.stamp("stop_tool", below=True)
        return await self._judged(ended, read=True)

    async def _meet(self) -> None:
        """Until somebody is at the other end of the peer connection."""
        if self.plan.start <= self.time.now():
            raise TestFailure("too late: the time slot has begun")
        self.time.at(self.plan.start, self._settle)
        failure = await self._unless_ended(self._meeting.met.wait())
        if failure is not None:
            raise TestFailure(str(failure))
        self.time.pin()

    def _settle(self) -> None:
        """At the start of the slot the other end is there, or never comes."""
        if self._settled:
            return
        self._settled = True
        self._link = self._meeting.settle()
        if self._link is None and not self.plan.spec.no_server_endpoint:
            self._quit.fire(Cause.NO_PEER)

    async def _await_start(self) -> None:
        """Until our tester may start: its time has come, and its server is seen to listen."""
        due: Once[None] = Once()
        self.time.at(self.plan.tester_start, due.fire, None)
        await self._unless_ended(due.wait())
        if self.plan.tester_start >= self.plan.start:  # the two timers come in any order
            self._settle()
            self._go_on()
        if self.plan.role is Role.CLIENT:
            late: Once[None] = Once()
            self.time.at(NTPTime(self.plan.start + self.plan.fuzz), late.fire, None)
            await self._unless_ended(_first(self._meeting.receiver_ready.wait(), late.wait()))
            if not self._meeting.receiver_ready.fired:
                raise TestFailure("the other end's tester does not listen")

    async def _test(self, command: list[str]) -> Ended:
        """Run the tester until it ends or has to."""
        self._began = self._clock.mono()
        process = self._process = self._start_tester(command)
        if self.plan.role is Role.SERVER:
            self._watch_listening(self._timers.clock.mono())
        await _first(process.ended.wait(), self._quit.wait())
        if self._quit.value is Cause.PEER_STOPPED:
            await self._let_it_finish(process)
        if self._quit.value is Cause.GONE:
            process.kill()
        process.stop()
        ended: Ended = await process.ended.wait()
        self._ended = self._clock.mono()
        return ended

    async def _sit_out(self) -> Ended:
        """This end has nothing to run: the other end's tester needs none here (wire.md 6.7)."""
        plan = self.plan
        self._transcript.note(f"nothing to exec for {plan.tester.name} {plan.role.value}")
        self._idle = True
        self._meeting.tell_ready()
        over: Once[None] = Once()
        due = NTPTime(plan.start + ticks(plan.spec.seconds + plan.overtime))
        self.time.at(due, over.fire, None)
        index, _ = await _first(over.wait(), self._quit.wait())
        given_up = index == 1 and self._quit.value is not Cause.PEER_STOPPED
        return Ended(0, None, b"", stopped=given_up)

    def _start_tester(self, command: list[str]) -> TesterProcess:
        plan = self.plan
        process = TesterProcess(
            self._timers, stop_signals=plan.tester.stop_signals, max_output=plan.max_output
        )
        self._transcript.say("exec_line", " ".join(command))
        self._transcript.say("run_tool: tester", plan.tester.name)
        if plan.version:
            self._transcript.say("run_tool: version", plan.version)
        self._transcript.addresses("run_tool")
        self._transcript.stamp("start_tool")
        try:
            process.start(
                self._reactor,
                command,
                cpus=plan.cpus,
                top_only=plan.tester.signals_top_only,
                private_directory=plan.tester.private_directory,
            )
        except OSError as error:
            raise TestFailure(f"cannot start {plan.tester.name}: {error.strerror}") from error
        return process

    def _watch_listening(self, since: float) -> None:
        """Look again and again until the tester listens, then tell the other end."""
        process, plan = self._process, self.plan
        if process is None or process.ended.fired or self._quit.fired:
            return
        seen = [
            is_listening(one, plan.spec.server) for one in plan.tester.listens(plan.spec, plan.port)
        ]
        blind = not seen or None in seen
        if all(seen) and not blind or blind and self._clock.mono() - since >= _UNSEEN_S:
            self._meeting.tell_ready()
            return
        self._look = self._timers.after(_POLL_S, self._watch_listening, since)

    async def _let_it_finish(self, process: TesterProcess) -> None:
        """The other end is done; ours gets one fuzz to be done too.

        C gives it whole seconds of that, often just one: the second that iperf's client sometimes
        waits for itself at its end.
        """
        ends_itself = self.plan.role is Role.CLIENT or self.plan.tester.server_ends_itself
        usual = max(1.0, seconds(self.plan.fuzz)) + self.plan.overtime
        grace = usual if ends_itself else _DRAIN_S
        patience = self._timers.after(grace, self._hurry.fire, None)
        await _first(process.ended.wait(), self._hurry.wait())
        patience.cancel()

    # -- what it comes to ------------------------------------------------------------------------

    async def _judged(self, ended: Ended, *, read: bool) -> Outcome:
        """What this end comes to, with a tester that has ended now."""
        now = self.time.now()
        report = await self._read(ended.output) if read else None
        course = Course(
            plan=self.plan,
            ended=ended,
            now=now,
            quit=self._quit.value,
            told=self._meeting.ended.value,
            idle=self._idle,
            report=report,
        )
        for complaint in course.complaints:
            self._transcript.blame(complaint)
        return self._outcome(course.status, ended.output, report)

    async def _read(self, output: bytes) -> Report | None:
        """What our tester's output says, where that is of interest to this end."""
        plan = self.plan
        if plan.spec.kind is not Kind.THROUGHPUT and not has_results(plan):
            return None
        return await self._readings.whole(plan.tester, output, plan.spec, plan.role)

    def _outcome(self, status: AcceptType, output: bytes, report: Report | None = None) -> Outcome:
        self._transcript.stamp("stop_endpoint", below=True)
        text = self._transcript.around(output)
        return Outcome(status, text, report, self._explain(status))

    def _explain(self, status: AcceptType) -> str:
        """Why a test did not end well; a cause may have gone without a note in the results."""
        return "" if status is AcceptType.ACCEPT else self._transcript.reason or self._why

    @property
    def _why(self) -> str:
        """What has ended the test, if anything did."""
        cause = self._quit.value
        return words(cause, self._meeting.ended.value) if cause is not None else ""

    async def _trade(self, link: PeerLink | None) -> None:
        """Wait for the other end's results; ours are on their way."""
        if link is None:
            self.over.fire(None)
            return
        enough: Once[Stopped | None] = Once()
        patience = RESULTS_TIMEOUT_S if self._quit.value is not Cause.GONE else 1.0
        timer = self._timers.after(patience, enough.fire, None)
        await _first(link.stopped.wait(), enough.wait())
        timer.cancel()
        link.close()
        self.over.fire(link.stopped.value)

    # -- small things ----------------------------------------------------------------------------

    async def _unless_ended(self, awaited: Deferred[Any]) -> Any:
        """The result of a Deferred, unless the test is ended before."""
        _, value = await _first(awaited, self._quit.wait())
        self._go_on()
        return value

    def _go_on(self) -> None:
        """Raises TestFailure if the test is ended."""
        if self._quit.fired:
            raise TestFailure(self._why)

    def _broken(self, failure: Any) -> None:
        """A defect of ours: nothing of the test may be left behind all the same."""
        self.log.failure("peer agent failed", failure=failure, event="agent.broken")
        self._meeting.settle()
        self._meeting.close()
        ended: Deferred[Any] = succeed(None)
        if self._process is not None:
            self._process.kill()
            ended = self._process.ended.wait()
        outcome = Outcome(AcceptType.FAILURE, b"bwctl: internal error\n", reason="internal error")
        ended.addCallback(lambda _: self.finished.fire(outcome))
        ended.addCallback(lambda _: self.over.fire(None))


def _first(*awaited: Deferred[Any]) -> Deferred[tuple[int, Any]]:
    """Number and result of the first that fires; the others are cancelled."""
    return race(awaited)
