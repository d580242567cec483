"""Whether a test counts."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.exits import ExitStatus
from bwctl.cli.verdict import judge
from bwctl.errors import AcceptType
from bwctl.results import EndResult, TestResult
from bwctl.values import Report, Role, ToolID
from tests.cli.results import GOOD, RECEIVER, SENDER, SPEC, report, with_reports


class VerdictTests(SynchronousTestCase):
    """judge."""

    def check(self, result: TestResult, status: ExitStatus, message: str) -> None:
        """The test fails like this."""
        failure = judge(result)
        assert failure is not None
        self.assertEqual((failure.exit_status, failure.message), (status, message))
        self.assertEqual(failure.code, status.code)

    def test_good(self) -> None:
        """A good test passes."""
        self.assertIsNone(judge(GOOD))

    def test_complaint_of_the_tester(self) -> None:
        """A tester's own words win over everything else."""
        error = Report(tool="iperf3", error="unable\nto connect\x1b")
        result = replace(GOOD, sender=replace(SENDER, report=error, status=AcceptType.FAILURE))
        message = "iperf3 at send.example.net: unable to connect\\x1b"
        self.check(result, ExitStatus.TEST_FAILED, message)

    def test_complaint_of_the_other_end(self) -> None:
        """An end that has no results to give may complain."""
        error = Report(tool="iperf3", error="no report")
        self.assertIsNone(judge(replace(GOOD, receiver=replace(RECEIVER, report=error))))

    def test_end_lost(self) -> None:
        """An end without results was lost."""
        result = replace(GOOD, receiver=EndResult(host="h", role=Role.SERVER))
        self.check(result, ExitStatus.LOST, "no results from receiver h")

    def test_bad_status(self) -> None:
        """The status of either end counts."""
        message = "the test ended abnormally at receiver recv.example.net"
        for accept, status in (
            (AcceptType.FAILURE, ExitStatus.TEST_FAILED),
            (AcceptType.REJECT, ExitStatus.TEST_FAILED),
            (AcceptType.UNSUPPORTED, ExitStatus.UNSUPPORTED),
        ):
            self.check(replace(GOOD, receiver=replace(RECEIVER, status=accept)), status, message)

    def test_no_figure(self) -> None:
        """Accepted at both ends, but nothing moved: the C daemon's false success."""
        for reports in ((None, None), (report(bits_per_second=0), report())):
            message = "no throughput in the tester's output"
            self.check(with_reports(*reports), ExitStatus.TEST_FAILED, message)

    def test_latency_needs_no_throughput(self) -> None:
        """Other kinds of tests have other figures."""
        result = replace(with_reports(None, None), spec=replace(SPEC, tool=ToolID.PING))
        self.assertIsNone(judge(result))
