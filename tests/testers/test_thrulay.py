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


UDP_RESULT: dict[str, Any] = {
    "schema": "thrulay/1",
    "role": "server",
    "version": "0.1.0",
    "protocol": "udp",
    "streams": 1,
    "packet_size": 1500,
    "planned": 1000,
    "seconds": 2.0,
    "bytes": 1_485_000,
    "bits_per_second": 5_940_000.0,
    "packets": 1000,
    "received": 990,
    "lost": 10,
    "loss_percent": 1.0,
    "duplicates": 2,
    "out_of_order": 3,
    "delay_us": {"min": -50.5, "mean": 75.5, "max": 1000, "p25": 60, "p50": 70, "p95": 800},
    "jitter_us": 21.5,
    "intervals": [
        {"start": 0.0, "end": 1.0, "bytes": 735_000, "packets": 500, "lost": 10, "jitter_us": 20},
        {"start": 1.0, "end": 2.0, "bytes": 750_000, "packets": 500, "lost": 0, "jitter_us": 25},
    ],
    "error": None,
}


def parse(role: Role = Role.CLIENT, parallel: int = 2, **changes: Any) -> Report:
    """What is read from the text of a run whose result has changes."""
    text = f"some text\n#json {json.dumps(RESULT | changes)}\n"
    return tester("thrulay").parse(text.encode(), spec("thrulay", parallel=parallel), role)


def parse_udp(role: Role = Role.SERVER, **changes: Any) -> Report:
    """The same for a UDP test."""
    text = f"#json {json.dumps(UDP_RESULT | changes)}\n"
    return tester("thrulay").parse(text.encode(), spec("thrulay", udp=True), role)


class UDPOutputTests(SynchronousTestCase):
    """Results of UDP, at the server and in what it told the client."""

    def test_server(self) -> None:
        """Loss, repetition, order, delays and jitter of what arrived."""
        report = parse_udp()
        self.assertIsNone(report.error)
        self.assertEqual(
            report.summary,
            {
                "bytes": 1_485_000,
                "bits_per_second": 5_940_000.0,
                "jitter_ms": 0.0215,
                "lost": 10,
                "packets": 1000,
                "loss_percent": 1.0,
                "out_of_order": 3,
                "duplicates": 2,
                "owd_ms": {
                    "min": -0.0505,
                    "mean": 0.0755,
                    "median": 0.07,
                    "p95": 0.8,
                    "max": 1.0,
                },
            },
        )
        self.assertEqual(
            report.intervals[0],
            {
                "start_s": 0.0,
                "end_s": 1.0,
                "bytes": 735_000,
                "bits_per_second": 5_880_000.0,
                "jitter_ms": 0.02,
                "lost": 10,
                "packets": 500,
            },
        )

    def test_client(self) -> None:
        """What it sent, and what the server reported."""
        report = parse_udp(Role.CLIENT, sent_bytes=1_500_000)
        self.assertEqual(report.summary["sent_bytes"], 1_500_000)
        self.assertEqual(report.summary["sent_bits_per_second"], 6_000_000.0)
        self.assertEqual((report.summary["bytes"], report.summary["lost"]), (1_485_000, 10))
        self.assertEqual(report.summary["owd_ms"]["median"], 0.07)

    def test_client_of_a_terse_server(self) -> None:
        """What was not reported is absent."""
        absent = dict.fromkeys(("duplicates", "out_of_order", "jitter_us"), None)
        report = parse_udp(
            Role.CLIENT, sent_bytes=1_500_000, delay_us={"p50": 13.0}, intervals=[], **absent
        )
        self.assertEqual(report.summary["owd_ms"], {"median": 0.013})
        self.assertEqual({"duplicates", "out_of_order", "jitter_ms"} & set(report.summary), set())

    def test_rows_without_a_result(self) -> None:
        """While it runs, and where it was cut short, the rows give the intervals so far."""
        rows = (
            "#(ID) begin, s   end, s   Mb/s  RTT delay,ms jitter     min      avg      max\n"
            " ( 0)    0.000    1.000 1000.500    2.171    2.241    0.153    2.819    9.966\n"
            " ( 1)    0.000    1.000  500.000    2.171    2.241    0.153    2.819    9.966\n"
            " ( 0)    1.000    2.000   10.000    2.302    2.183    0.548    2.883    8.962\n"
            " ( 1)    2.000    1.000   99.000    2.302\n ( 0)    2.000    3.0"
        )
        report = tester("thrulay").parse(rows.encode(), spec("thrulay"), Role.CLIENT)
        self.assertEqual(report.error, "no result found in the output")
        self.assertEqual(
            [dict(one) for one in report.intervals],
            [
                {"start_s": 0.0, "end_s": 1.0, "bytes": 187562500, "bits_per_second": 1.5005e9},
                {"start_s": 1.0, "end_s": 2.0, "bytes": 1250000, "bits_per_second": 1e7},
            ],
        )

    def test_no_report(self) -> None:
        """Sent is not arrived."""
        error = "no report: the server does not answer in time"
        nothing = dict.fromkeys(("bytes", "received", "lost", "delay_us", "jitter_us"), None)
        report = parse_udp(Role.CLIENT, sent_bytes=1_500_000, error=error, **nothing)
        self.assertEqual((report.error, report.summary.get("lost")), (error, None))
        self.assertEqual(report.summary["sent_bytes"], 1_500_000)

    def test_all_lost(self) -> None:
        report = parse_udp(bytes=0, received=0, lost=1000, delay_us=None, jitter_us=None)
        self.assertEqual(report.error, "no data arrived")
        self.assertEqual((report.summary["lost"], report.summary["loss_percent"]), (1000, 100.0))

    def test_wrong_types(self) -> None:
        """Delays that are no numbers, or too large for one."""
        delays = {"min": "1", "p50": True, "mean": None, "p95": 10**400, "max": [1]}
        self.assertNotIn("owd_ms", parse_udp(delay_us=delays).summary)
        self.assertNotIn("owd_ms", parse_udp(delay_us=[1]).summary)


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
