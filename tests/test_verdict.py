"""Whether a test counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType
from bwctl.results import EndResult, ExitStatus, TestResult
from bwctl.values import Report, Role, ToolID
from bwctl.verdict import has_figures, judge
from tests.render.results import GOOD, RECEIVER, SENDER, SPEC, report, with_reports


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
        """A tester's own words tell why its end failed, or that it failed though it ended well."""
        error = Report(tool="iperf3", error="unable\nto connect\x1b")
        result = replace(GOOD, sender=replace(SENDER, report=error, status=AcceptType.FAILURE))
        message = "the test failed at sender send.example.net: iperf3: unable to connect\\x1b"
        self.check(result, ExitStatus.TEST_FAILED, message)
        result = replace(GOOD, sender=replace(SENDER, report=error))
        message = "iperf3 at send.example.net: unable to connect\\x1b"
        self.check(result, ExitStatus.TEST_FAILED, message)

    def test_who_is_to_blame(self) -> None:
        """The end that failed, not the one whose tester noticed; of two the one that was first."""
        raw = b"text\nbwctl: local tool exited before expected with status=127\n"
        failed = replace(RECEIVER, status=AcceptType.FAILURE, raw=raw, ended_first=True)
        noticed = Report(tool="iperf3", error="no total found in the output")
        for status in (AcceptType.REJECT, AcceptType.FAILURE):
            sender = replace(SENDER, status=status, report=noticed)
            message = (
                "the test failed at receiver recv.example.net: "
                "local tool exited before expected with status=127"
            )
            result = replace(GOOD, receiver=failed, sender=sender)
            self.check(result, ExitStatus.TEST_FAILED, message)

    def test_killed_tester(self) -> None:
        """A tester that a signal ended is to blame, though the other end's results came first."""
        raw = b"bwctl: local tool exited before expected with status=137\n"
        killed = replace(SENDER, status=AcceptType.FAILURE, raw=raw, report=None)
        noticed = replace(RECEIVER, status=AcceptType.FAILURE, ended_first=True)
        message = (
            "the test failed at sender send.example.net: "
            "local tool exited before expected with status=137"
        )
        result = replace(GOOD, receiver=noticed, sender=killed)
        self.check(result, ExitStatus.TEST_FAILED, message)

    def test_lost_connection(self) -> None:
        """That the other daemon was lost says more than what the tester says when stopped."""
        raw = (
            b"bwctl: stopped by SIGTERM\nbwctl: the connection to the other end's daemon was lost\n"
        )
        stopped = Report(tool="thrulay", error="stopped by SIGTERM")
        sender = replace(SENDER, status=AcceptType.REJECT, raw=raw, report=stopped)
        message = (
            "the test failed at sender send.example.net: "
            "the connection to the other end's daemon was lost"
        )
        self.check(replace(GOOD, sender=sender), ExitStatus.TEST_FAILED, message)

    def test_clocks(self) -> None:
        """Clocks that disagree have an exit status of their own."""
        raw = b"bwctl: the other end's clock is at least 4.2 s ahead\n"
        sender = replace(SENDER, status=AcceptType.FAILURE, raw=raw, report=None)
        message = "sender send.example.net: the other end's clock is at least 4.2 s ahead"
        self.check(replace(GOOD, sender=sender), ExitStatus.CLOCK, message)

    def test_complaint_of_the_other_end(self) -> None:
        """An end that has no results to give may complain."""
        error = Report(tool="iperf3", error="no report")
        self.assertIsNone(judge(replace(GOOD, receiver=replace(RECEIVER, report=error))))

    def test_vague_complaint(self) -> None:
        """No total where the results come from: the other end, or the bound, tells why."""
        vague = Report(tool="iperf3", error="no total found in the output")
        for error, told in (
            ("connect failed", "iperf3 at recv.example.net: connect failed"),
            (
                "no total found in the output",
                "iperf3 at send.example.net: no total found in the out",
            ),
        ):
            other = replace(RECEIVER, report=Report(tool="iperf3", error=error))
            result = replace(GOOD, receiver=other, sender=replace(SENDER, report=vague))
            failure = judge(result)
            assert failure is not None
            self.assertTrue(failure.message.startswith(told), failure.message)

        cut = replace(
            SENDER,
            raw=b"{\nbwctl: output cut here: more than 9 octets\n}",
            report=replace(vague, cut=True),
        )
        message = "iperf3 at send.example.net: output cut here: more than 9 octets"
        self.check(replace(GOOD, sender=cut), ExitStatus.TEST_FAILED, message)
        failed = replace(cut, status=AcceptType.FAILURE)
        message = "the test failed at sender send.example.net: output cut here: more than 9 octets"
        self.check(replace(GOOD, sender=failed), ExitStatus.TEST_FAILED, message)

    def test_long_output(self) -> None:
        """What the daemon says stands before and behind it; no more is looked at than that."""
        rows = b"bwctl: a row\n" * 100_000
        said = b"bwctl: start_tool: 1\n", b"bwctl: local tool exited with status=1\n"
        end = replace(SENDER, status=AcceptType.FAILURE, raw=said[0] + rows + said[1], report=None)
        self.assertLess(len(end.margins), 1 << 17)
        message = "the test failed at sender send.example.net: local tool exited with status=1"
        self.check(replace(GOOD, sender=end), ExitStatus.TEST_FAILED, message)

        cut = rows + b"bwctl: output cut here: more than 9 octets\n" + rows
        vague = Report(tool="iperf3", error="no total found in the output", cut=True)
        result = replace(GOOD, sender=replace(SENDER, raw=cut, report=vague))
        message = "iperf3 at send.example.net: output cut here: more than 9 octets"
        self.check(result, ExitStatus.TEST_FAILED, message)

    def test_end_lost(self) -> None:
        """An end without results was lost."""
        result = replace(GOOD, receiver=EndResult(host="h", role=Role.SERVER))
        self.check(result, ExitStatus.LOST, "no results from receiver h")

    def test_bad_status(self) -> None:
        """The status of either end counts."""
        message = "the test failed at receiver recv.example.net: it ended abnormally"
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

    def of_kind(self, tool: ToolID, **summary: Any) -> TestResult:
        """A test of another kind, with what its sender has measured."""
        found = Report(tool="x", summary=summary)
        result = with_reports(Report(tool="x"), found)
        return replace(result, spec=replace(SPEC, tool=tool), results_role=Role.CLIENT)

    def test_latency(self) -> None:
        """One packet that came back makes a result, whatever was lost besides."""
        self.assertIsNone(judge(self.of_kind(ToolID.PING, sent=10, received=1, lost=9)))
        for summary in ({}, {"sent": 10, "received": 0, "lost": 10}):
            message = "no packet that came back in the tester's output"
            result = self.of_kind(ToolID.PING, **summary)
            self.check(result, ExitStatus.TEST_FAILED, message)

    def test_trace(self) -> None:
        """A trace that did not reach its target is a result: it tells where the way ends."""
        hops = [{"n": 1, "probes": [{"addr": "192.0.2.9", "rtt_ms": 1.0}]}]
        self.assertIsNone(judge(self.of_kind(ToolID.TRACEPATH, reached=False, hops=hops)))
        result = self.of_kind(ToolID.TRACEPATH, reached=False)
        self.check(result, ExitStatus.TEST_FAILED, "no hop in the tester's output")


class FigureTests(SynchronousTestCase):
    """has_figures."""

    def test_of_what_there_is(self) -> None:
        """That both testers had met is no figure of a throughput test; of others an RTT is one."""
        for summary, throughput, others in (
            ({}, False, False),
            ({"rtt_ms": {"min": 0.1}, "mss": 1448}, False, True),
            ({"rtt_ms": {"min": 0.1}, "bytes": 1}, True, True),
        ):
            for tool, expected in ((ToolID.NUTTCP, throughput), (ToolID.PING, others)):
                spec = replace(SPEC, tool=tool)
                told = Report(tool=tool.name.lower(), summary=summary)
                result = replace(with_reports(None, told), spec=spec)
                self.assertEqual(has_figures(result), expected, (tool, summary))
