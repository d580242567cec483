"""The reader of the embedded tester's output."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.values import Report, Role
from tests.testers.support import spec, tester

RESULT: dict[str, Any] = {
    "schema": "thrulay/1",
    "role": "client",
    "version": "0.1.0",
    "streams": 2,
    "block": 65536,
    "seconds": 2.0,
    "bytes": 3_000_000,
    "sent_bytes": 3_200_000,
    "mss": 1448,
    "bits_per_second": 12_000_000.0,
    "intervals": [
        {"start": 0.0, "end": 1.0, "bytes": 1_000_000, "bits_per_second": 8_000_000.0},
        {"start": 1.0, "end": 2.0, "bytes": 2_000_000, "bits_per_second": 16_000_000.0},
    ],
    "rtt_us": {"min": 50, "mean": 75.5, "max": 1000, "p25": 60, "p50": 70, "p75": 80},
    "retransmits": 3,
    "error": None,
}


def parse(role: Role = Role.CLIENT, parallel: int = 2, **changes: Any) -> Report:
    """What is read from the text of a run whose result has changes."""
    text = f"some text\n#json {json.dumps(RESULT | changes)}\n"
    return tester("thrulay").parse(text.encode(), spec("thrulay", parallel=parallel), role)


class ThrulayOutputTests(SynchronousTestCase):
    """The last line that begins with the mark is the result."""

    def test_client(self) -> None:
        """The client has sent, and knows from the echoes what arrived and how fast."""
        report = parse()
        self.assertEqual((report.tool, report.version, report.error), ("thrulay", "0.1.0", None))
        self.assertEqual(
            report.summary,
            {
                "bytes": 3_000_000,
                "bits_per_second": 12_000_000.0,
                "retransmits": 3,
                "sent_bytes": 3_200_000,
                "sent_bits_per_second": 12_800_000.0,
                "mss": 1448,
                "rtt_ms": {"min": 0.05, "mean": 0.0755, "max": 1.0},
            },
        )
        self.assertEqual(
            report.intervals,
            [
                {"start_s": 0.0, "end_s": 1.0, "bytes": 1_000_000, "bits_per_second": 8_000_000.0},
                {"start_s": 1.0, "end_s": 2.0, "bytes": 2_000_000, "bits_per_second": 16_000_000.0},
            ],
        )

    def test_server(self) -> None:
        """The server has received, and measured nothing else."""
        report = parse(Role.SERVER, rtt_us=None, retransmits=None, mss=0, intervals=[])
        self.assertIsNone(report.error)
        self.assertEqual(report.summary, {"bytes": 3_000_000, "bits_per_second": 12_000_000.0})
        self.assertEqual(report.intervals, [])

    def test_fragment(self) -> None:
        """The rest that came after the last whole interval is left out."""
        rest = {"start": 2.0, "end": 2.005, "bytes": 6553600, "bits_per_second": 1.0}
        report = parse(Role.SERVER, intervals=[*RESULT["intervals"], rest])
        self.assertEqual([one["end_s"] for one in report.intervals], [1.0, 2.0])

    def test_last_result_counts(self) -> None:
        """A line that only looks like a result does no harm before it."""
        text = b'#json {"error": "early"}\n#json {"bytes": 9, "seconds": 2}\nbye\n'
        report = tester("thrulay").parse(text, spec("thrulay"), Role.CLIENT)
        self.assertEqual((report.error, report.summary["bytes"]), (None, 9))

    def test_errors(self) -> None:
        """The tester's own complaint, and figures that are no result."""
        self.assertEqual(parse(error="connection refused").error, "connection refused")
        self.assertEqual(parse(bytes=0, sent_bytes=0).error, "no data was transferred")
        self.assertEqual(parse(seconds=0.5).error, "lasted 0.5 s instead of 2 s")
        self.assertEqual(parse(parallel=3).error, "only 2 of 3 streams gave a total")
        self.assertEqual(parse(bytes=None, sent_bytes=None).error, "no total found in the output")

    def test_wrong_types(self) -> None:
        """Everything that is not of the expected type counts as absent."""
        report = parse(rtt_us=[1], intervals={"a": 1}, error=7, version=["x"], streams="many")
        self.assertEqual((report.error, report.version, report.intervals), (None, None, []))
        self.assertNotIn("rtt_ms", report.summary)
