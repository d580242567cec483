"""What a test end comes to, course by course. Source: wire.md 6.6."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.net.judgement import Cause, Course
from bwctl.net.plan import Plan
from bwctl.net.process import Ended
from bwctl.testers.registry import BUILT_IN
from bwctl.values import NTPTime, Report, Role, TestSpec, ticks

ACCEPT, REJECT, FAILURE = AcceptType.ACCEPT, AcceptType.REJECT, AcceptType.FAILURE
TESTERS = {tester.name: tester for tester in BUILT_IN}
START = NTPTime(ticks(1_000_000))
CLEAN, FAILED = (Ended(status, None, b"", stopped=False) for status in (0, 3))
SIGNALLED, STOPPED = Ended(None, 9, b"", stopped=False), Ended(None, 15, b"", stopped=True)
GOOD, BAD = (Report(tool="iperf3", error=error) for error in (None, "unable to connect"))
PEER_WELL, PEER_ILL = (Stopped(accept, b"") for accept in (ACCEPT, FAILURE))


def plan(tester: str = "iperf3", role: Role = Role.CLIENT) -> Plan:
    """Ten seconds from START on."""
    here, there = ip_address("192.0.2.1"), ip_address("192.0.2.2")
    spec = TestSpec(tool=TESTERS[tester].tool_id, client=here, server=there, duration=10)
    return Plan(
        spec=spec, role=role, tester=TESTERS[tester], port=5201, start=START, fuzz=ticks(1.7)
    )


class JudgementTests(SynchronousTestCase):
    def judged(self, plan_: Plan, ended: Ended, after: float, **words: Any) -> tuple[Any, ...]:
        """Status and complaints of a course that ended so many seconds after the start."""
        known: dict[str, Any] = {"quit": None, "told": None, "idle": False, "report": GOOD}
        now = NTPTime(START + ticks(after))
        course = Course(plan=plan_, ended=ended, now=now, **known | words)
        return course.status, *course.complaints

    def test_by_itself(self) -> None:
        """A tester that ended by itself: status, report and time count."""
        self.assertEqual(self.judged(plan(), CLEAN, 11), (ACCEPT,))
        self.assertEqual(self.judged(plan(), CLEAN, 5), (ACCEPT,))
        early = "local tool exited before expected with status=3"
        self.assertEqual(self.judged(plan(), FAILED, 5), (FAILURE, early))
        killed = "local tool exited with status=137"
        self.assertEqual(self.judged(plan(), SIGNALLED, 11), (FAILURE, killed))
        before = "local tool ended before the test, with status=0"
        self.assertEqual(self.judged(plan(), CLEAN, -1), (FAILURE, before))

    def test_report(self) -> None:
        """The tester's own complaint counts at the end that has the results, and there alone."""
        complaint = "iperf3: unable to connect"
        self.assertEqual(self.judged(plan(), CLEAN, 11, report=BAD), (FAILURE, complaint))
        unread = "iperf3: its output cannot be read"
        self.assertEqual(self.judged(plan(), CLEAN, 11, report=None), (FAILURE, unread))
        server = plan(role=Role.SERVER)
        self.assertEqual(self.judged(server, CLEAN, 11, report=BAD), (ACCEPT,))
        one = "local tool exited with status=3"
        self.assertEqual(self.judged(plan(), FAILED, 11, report=BAD), (FAILURE, one))
        self.assertEqual(self.judged(plan(), CLEAN, 11, report=None, idle=True), (ACCEPT,))

    def test_stopped_by_us(self) -> None:
        """Each cause in its own words; nobody calls it a result."""
        for cause in (Cause.HARD_END, Cause.STOPPED, Cause.GONE, Cause.NO_PEER):
            answer = self.judged(plan(), STOPPED, 15, quit=cause, report=None)
            self.assertEqual(answer, (REJECT, cause.value))

    def test_trace_has_its_time(self) -> None:
        """What a trace has found by the end of its time is its result."""
        trace = plan("traceroute")
        answer = self.judged(trace, STOPPED, 15, quit=Cause.HARD_END)
        self.assertEqual(answer, (ACCEPT, Cause.HARD_END.value))

    def test_other_end_stopped(self) -> None:
        """In mid-test it has cancelled, or is lost; at the end it is only through before us."""
        stop = {"quit": Cause.PEER_STOPPED, "report": None}
        cancelled = Cause.PEER_STOPPED.value
        self.assertEqual(
            self.judged(plan(), STOPPED, 5, told=PEER_ILL, **stop), (REJECT, cancelled)
        )
        lost = "the connection to the other end's daemon was lost"
        self.assertEqual(self.judged(plan(), STOPPED, 5, **stop), (REJECT, lost))
        outlasted = "local tool did not end when the other end's had and was killed"
        self.assertEqual(
            self.judged(plan(), STOPPED, 15, told=PEER_WELL, **stop), (REJECT, outlasted)
        )
        self.assertEqual(self.judged(plan(), STOPPED, 15, told=PEER_ILL, **stop), (REJECT,))

    def test_server_that_never_ends(self) -> None:
        """One that has to be stopped is, once its client is done; well if that did well."""
        server = plan("owamp", Role.SERVER)
        stop = {"quit": Cause.PEER_STOPPED, "report": Report(tool="owamp")}
        self.assertEqual(self.judged(server, STOPPED, 5, told=PEER_WELL, **stop), (ACCEPT,))
        self.assertEqual(self.judged(server, STOPPED, 15, told=PEER_ILL, **stop), (ACCEPT,))
        early = (REJECT, Cause.PEER_STOPPED.value)
        self.assertEqual(self.judged(server, STOPPED, 5, told=PEER_ILL, **stop), early)
        own_end = plan("iperf3", Role.SERVER)
        self.assertEqual(self.judged(own_end, STOPPED, 5, told=PEER_WELL, **stop)[0], REJECT)

    def test_idle_other_end(self) -> None:
        """An end that runs nothing only tells that time is up: who is not done then is hung."""
        ping = plan("ping")
        stop = {"quit": Cause.PEER_STOPPED, "told": PEER_WELL}
        hung = (REJECT, Cause.HARD_END.value)
        self.assertEqual(self.judged(ping, STOPPED, 15, **stop), hung)
