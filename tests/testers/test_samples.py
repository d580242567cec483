"""The parsers and the real outputs in tests/samples."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.testers.registry import BUILT_IN
from bwctl.values import Kind, Report, Role
from tests.testers.support import SAMPLES, Sample, rounded, samples, spec, tester

STEP = 61  # octets between two truncations


def as_entry(report: Report) -> dict[str, Any]:
    """A Report in the form of expected.json."""
    entry: dict[str, Any] = {"summary": rounded(dict(report.summary))}
    entry["intervals"] = len(report.intervals)
    if report.intervals:
        entry["last"] = rounded(dict(report.intervals[-1]))
    if report.version is not None:
        entry["version"] = report.version
    if report.error is not None:
        entry["error"] = report.error
    return entry


class SampleTests(SynchronousTestCase):
    """Every sample gives exactly the figures that stand in it."""

    def check(self, tool: str) -> None:
        """Compare all samples of a tool with the table."""
        chosen = [sample for sample in samples() if sample.tool == tool]
        self.assertGreater(len(chosen), 2)
        for sample in chosen:
            report = sample.parse(sample.octets)
            self.assertEqual(report.tool, tool)
            name = f"{sample.file} {sample.section}"
            self.assertEqual(as_entry(report), sample.expected, msg=name)

    def test_iperf(self) -> None:
        """iperf 2.0.13, 2.1.8 and 2.1.9, text and CSV."""
        self.check("iperf")

    def test_iperf3(self) -> None:
        """iperf3 3.12 and 3.20, text, JSON and streamed JSON, also inside bwctl output."""
        self.check("iperf3")

    def test_nuttcp(self) -> None:
        """nuttcp -vv, -fparse and short text."""
        self.check("nuttcp")

    def test_ping(self) -> None:
        """ping of iputils: whole, lossy, unanswered, cut short by either signal."""
        self.check("ping")

    def test_owamp(self) -> None:
        """owping's three formats."""
        self.check("owamp")

    def test_traceroute(self) -> None:
        """traceroute: names and numbers, silent hops, black holes, unreachable targets."""
        self.check("traceroute")

    def test_tracepath(self) -> None:
        """tracepath, with a path MTU that shrinks."""
        self.check("tracepath")

    def test_paris_traceroute(self) -> None:
        """paris-traceroute, whose units stick to the numbers."""
        self.check("paris-traceroute")

    def test_every_file_is_in_the_table(self) -> None:
        """Only the messages of a C client are no output of a tester."""
        listed = {sample.file for sample in samples()}
        unlisted = {path.name for path in SAMPLES.iterdir()} - listed
        self.assertEqual({name for name in unlisted if not name.endswith("-stderr.txt")}, set())
        self.assertEqual(
            {sample.tool for sample in samples()}, {one.name for one in BUILT_IN} - {"thrulay"}
        )


class TruncationTests(SynchronousTestCase):
    """An output that ends anywhere is read without an error of ours."""

    def truncated(self, sample: Sample) -> list[Report]:
        """The reports of all beginnings of a sample, in steps."""
        octets = sample.octets.rstrip()
        return [sample.parse(octets[:end]) for end in range(0, len(octets), STEP)]

    def test_no_beginning_raises(self) -> None:
        """Every beginning of every sample gives a Report."""
        for sample in samples():
            for report in self.truncated(sample):
                self.assertEqual(report.tool, sample.tool)

    def test_incomplete_json_is_no_result(self) -> None:
        """A JSON output that was cut off has an error."""
        for sample in samples():
            if sample.file.endswith(".json"):
                for report in self.truncated(sample):
                    self.assertIsNotNone(report.error, msg=sample.file)

    def test_first_half_is_no_result(self) -> None:
        """The first half of an output's lines never counts as a result; but a trace's hops do."""
        for sample in samples():
            silent = not sample.expected["summary"] and "error" not in sample.expected
            if sample.spec.kind is Kind.TRACE or silent:
                continue
            lines = sample.octets.strip().splitlines(keepends=True)
            report = sample.parse(b"".join(lines[: len(lines) // 2]))
            self.assertIsNotNone(report.error, msg=sample.file)

    def test_messages_of_a_client_are_no_result(self) -> None:
        """The stderr files of a C client are read as a failure by every tester."""
        for path in SAMPLES.glob("bwctl-*-stderr.txt"):
            for name in (one.name for one in BUILT_IN):
                report = tester(name).parse(path.read_bytes(), spec(name), Role.CLIENT)
                self.assertIsNotNone(report.error)
