"""The peer agent: carries one confirmed test end from StartSession to its results.

One path for every cause of an end: the tester is stopped and reaped, then the control client gets
its results, then the other end's agent gets them. Source: wire.md 6; testers.md 4; daemon.md 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from twisted.internet.defer import Deferred, race, succeed
from twisted.logger import Logger

from bwctl.control.session import Stopped
from bwctl.errors import AcceptType, BWCTLError
from bwctl.net.clock import IClock
from bwctl.net.kept import shortened
from bwctl.net.link import PeerLink
from bwctl.net.listening import is_listening
from bwctl.net.meeting import Meeting
from bwctl.net.once import Once
from bwctl.net.plan import Plan
from bwctl.net.process import Ended, TesterProcess
from bwctl.net.readings import Readings
from bwctl.net.slottime import SlotTime
from bwctl.net.timers import Timer, Timers
from bwctl.values import Kind, NTPTime, Report, Role, seconds, ticks

RESULTS_TIMEOUT_S = 60.0  # for the other end's results, as in C
_POLL_S = 0.02  # between looks for a listening tester
_UNSEEN_S = 0.3  # where the system does not tell who listens
_DRAIN_S = 0.3  # for a server that never ends by itself, after its client has
_PEER_LOST = "the connection to the other end's daemon was lost"
_OUTLASTED = "local tool did not end when the other end's had and was killed"


class TestFailure(BWCTLError):
    """The test cannot go on; the text says why."""

    __test__ = False


class Cause(Enum):
    """Why a tester was ended by us; the text goes into the results."""

    HARD_END = "local tool did not complete in allocated time frame and was killed"
    PEER_STOPPED = "remote peer cancelled test"
    STOPPED = "the control client stopped the test"
    GONE = "the control connection was lost"
    NO_PEER = "the other end never came"


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
        self._notes = bytearray()
        self._reason = ""
        self._head = bytearray()

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
            self._blame(str(failure))
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
        self._say("start_endpoint", self._stamp())
        self._say_addresses("run_endpoint")
        await self._meet()
        command = self.plan.command
        if command is None:
            return self._judge(await self._sit_out(), self.time.now(), None)
        await self._await_start()
        ended = await self._test(command)
        self._say("stop_tool", self._stamp(), self._notes)
        now = self.time.now()
        return self._judge(ended, now, await self._read(ended.output))

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

    async def _read(self, output: bytes) -> Report | None:
        """What our tester's output says, where that is of interest to this end."""
        plan = self.plan
        if plan.spec.kind is not Kind.THROUGHPUT and not self._has_results:
            return None
        return await self._readings.whole(plan.tester, output, plan.spec, plan.role)

    @property
    def _has_results(self) -> bool:
        return self.plan.tester.results_role(self.plan.spec) is self.plan.role

    async def _sit_out(self) -> Ended:
        """This end has nothing to run: the other end's tester needs none here (wire.md 6.7)."""
        plan = self.plan
        self._note(f"nothing to exec for {plan.tester.name} {plan.role.value}")
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
        self._say("exec_line", " ".join(command))
        self._say("run_tool: tester", plan.tester.name)
        if plan.version:
            self._say("run_tool: version", plan.version)
        self._say_addresses("run_tool")
        self._say("start_tool", self._stamp())
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

    def _judge(self, ended: Ended, now: NTPTime, report: Report | None) -> Outcome:
        """How it went, with a tester that ended now and wrote this."""
        early = now < self.plan.nominal_end
        cause = self._cause(early) if ended.stopped else None
        if not (ended.stopped or self._idle) and now < self.plan.start:
            self._blame(f"local tool ended before the test, with status={_status(ended)}")
            return self._outcome(AcceptType.FAILURE, ended.output, report)
        quiet = cause is Cause.PEER_STOPPED and (not early or self._was_due(cause, early))
        if cause is not None and not quiet:
            self._blame(self._why(cause))
        elif quiet and self._peer_did_well and not self._was_due(cause, early):
            self._blame(_OUTLASTED)
        elif not ended.stopped and not ended.clean:
            when = "before expected " if early else ""
            self._blame(f"local tool exited {when}with status={_status(ended)}")
        return self._outcome(self._accept(ended, cause, early, report), ended.output, report)

    def _accept(
        self, ended: Ended, cause: Cause | None, early: bool, report: Report | None
    ) -> AcceptType:
        """Source: wire.md 6.6, with a truth that C does not tell."""
        plan = self.plan
        in_order = self._was_due(cause, early)
        if ended.stopped and not in_order:
            return AcceptType.REJECT
        if not ended.clean and not in_order:
            return AcceptType.FAILURE
        if self._has_results and not self._idle:
            error = report.error if report is not None else "its output cannot be read"
            if error is not None:
                self._blame(f"{plan.tester.name}: {error}")
                return AcceptType.FAILURE
        return AcceptType.ACCEPT

    def _cause(self, early: bool) -> Cause | None:
        """Why our tester was stopped: the other end, if it has none, only tells that time is up."""
        time_is_up = not early and self.plan.other_is_idle
        if self._quit.value is Cause.PEER_STOPPED and time_is_up:
            return Cause.HARD_END
        return self._quit.value

    def _was_due(self, cause: Cause | None, early: bool) -> bool:
        """Whether it is in order that we had to stop the tester."""
        plan = self.plan
        if cause is Cause.HARD_END:  # what a trace has found by then is its result
            return plan.spec.kind is Kind.TRACE
        if cause is not Cause.PEER_STOPPED or plan.role is not Role.SERVER:
            return False
        return not plan.tester.server_ends_itself and (self._peer_did_well or not early)

    @property
    def _peer_did_well(self) -> bool:
        """Whether the other end has said so."""
        told = self._meeting.ended.value
        return told is not None and told.accept is AcceptType.ACCEPT

    def _outcome(self, status: AcceptType, output: bytes, report: Report | None = None) -> Outcome:
        self._say("stop_endpoint", self._stamp(), self._notes)
        if output and not output.endswith(b"\n"):
            output += b"\n"
        room = max(0, self.plan.max_output - len(self._head) - len(self._notes))
        output = shortened(output, room, self.plan.max_output)
        text = bytes(self._head) + output + bytes(self._notes)
        return Outcome(status, text, report, self._explain(status))

    def _explain(self, status: AcceptType) -> str:
        """Why a test did not end well; a cause may have gone without a note in the results."""
        if status is AcceptType.ACCEPT:
            return ""
        return self._reason or (self._why(self._quit.value) if self._quit.value else "")

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
            raise TestFailure(self._why(self._quit.value) if self._quit.value else "")

    def _why(self, cause: Cause) -> str:
        """Its words; who goes without a word has not cancelled anything."""
        silent = self._meeting.ended.value is None
        return _PEER_LOST if cause is Cause.PEER_STOPPED and silent else cause.value

    def _blame(self, text: str) -> None:
        """A note that says why the test does not end well, if it does not."""
        self._reason = text
        self._note(text)

    def _note(self, text: str) -> None:
        self._notes += f"bwctl: {text}\n".encode()

    def _say_addresses(self, name: str) -> None:
        spec = self.plan.spec
        self._say(f"{name}: receiver", str(spec.address(spec.sender.other)))
        self._say(f"{name}: sender", str(spec.address(spec.sender)))

    def _say(self, name: str, value: str, where: bytearray | None = None) -> None:
        """A line of the kind that verbose tests have."""
        if self.plan.spec.verbose:
            target = self._head if where is None else where
            target += f"bwctl: {name}: {value}\n".encode()

    def _stamp(self) -> str:
        """Seconds since 1900, six decimals, as C prints them."""
        return f"{seconds(self._clock.now()):.6f}"

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


def _status(ended: Ended) -> int:
    return ended.exit_status if ended.exit_status is not None else 128 + (ended.signal or 0)
