"""--csv."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.exits import ExitStatus
from bwctl.render.csvform import COLUMNS, header, row
from bwctl.results import TestResult
from tests.render.results import GOOD, LATENCY, SPEC, TRACE, report, with_reports

MANUAL = Path(__file__).parents[2] / "doc" / "user" / "results.md"


def cells(result: TestResult) -> dict[str, str]:
    """The cells of a test that are not empty, by column, as another program reads them."""
    names, values = csv.reader([header(), row(result)])
    assert len(names) == len(values)
    return {name: value for name, value in zip(names, values, strict=True) if value}


class CsvTests(SynchronousTestCase):
    """header and row."""

    def test_throughput(self) -> None:
        """All that is known of a test; whole numbers have no point."""
        self.assertEqual(
            cells(GOOD),
            {
                "test_number": "1",
                "start": "2026-11-21T19:06:10.250000Z",
                "status": "ok",
                "kind": "throughput",
                "tool": "iperf3",
                "protocol": "tcp",
                "duration_seconds": "3",
                "receiver": "recv.example.net",
                "receiver_address": "127.0.0.1",
                "sender": "send.example.net",
                "sender_address": "127.0.0.2",
                "bits_per_second": "16640000000",
                "bytes": "6240000000",
                "sent_bits_per_second": "16700000000",
                "sent_bytes": "6262500000",
                "retransmits": "14",
                "rtt_min_ms": "0.05",
                "rtt_mean_ms": "0.1",
                "rtt_max_ms": "0.25",
            },
        )

    def test_other_kinds(self) -> None:
        """Latency and trace have columns of their own."""
        latency, trace = cells(LATENCY), cells(TRACE)
        self.assertEqual((latency["sent"], latency["received"], latency["lost"]), ("3", "2", "1"))
        self.assertEqual((trace["hops"], trace["reached"], trace["pmtu"]), ("3", "true", "1500"))
        self.assertNotIn("protocol", trace)

    def test_failure(self) -> None:
        """A test that came to nothing has a row too."""
        failure = ExitStatus.BUSY.failure('no, "never";\n-L 9', "hint")
        found = cells(replace(TestResult(failure=failure), number=7))
        self.assertEqual(
            found,
            {
                "test_number": "7",
                "status": "failed",
                "error_code": "busy",
                "error": 'no, "never"; -L 9',
            },
        )

    def test_columns_are_stable(self) -> None:
        """The names in their order; new ones come at the end. They are in the manual."""
        self.assertEqual(
            header(),
            "test_number,start,actual_start,status,error_code,kind,tool,protocol,duration_seconds,"
            "parallel_streams,receiver,receiver_address,sender,sender_address,bits_per_second,"
            "bytes,sent_bits_per_second,sent_bytes,retransmits,jitter_ms,lost,packets,"
            "loss_percent,out_of_order,rtt_min_ms,rtt_mean_ms,rtt_max_ms,sent,received,"
            "duplicates,owd_min_ms,owd_median_ms,owd_max_ms,hops,reached,pmtu,error\n",
        )
        described = re.findall(r"^\| `(\w+)` \|", MANUAL.read_text(), re.MULTILINE)
        self.assertEqual(described, list(COLUMNS))

    def test_hostile(self) -> None:
        """Whatever is in a result, it is one line without control characters."""
        evil = "\x1b[2J\n,\"'\x00\u202e" * 1000
        result = replace(
            with_reports(report(bits_per_second=evil, hops=evil, reached=evil, rtt_ms=evil), None),
            receiver=replace(GOOD.receiver, host=evil),
            failure=ExitStatus.TEST_FAILED.failure(evil),
        )
        text = row(result)
        self.assertTrue(text.endswith("\n") and text[:-1].isprintable(), repr(text[:200]))
        self.assertLess(len(text), 2000)
        self.assertEqual(cells(result)["kind"], SPEC.kind.value)
