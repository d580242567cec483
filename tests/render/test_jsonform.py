"""The object of --json."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl import __version__
from bwctl.cli.exits import ExitStatus
from bwctl.figures import SUMMARY_KEYS
from bwctl.render.jsonform import json_object, json_text
from bwctl.render.wording import rfc3339
from bwctl.results import EndResult, TestResult
from bwctl.values import NTPTime, Report, ToolID, ntp_from_unix
from tests.render.results import GOOD, SENDER, SPEC, START, report, with_reports

GOLDEN: dict[str, Any] = {
    "schema": "bwctl.result/1",
    "program": "bwctl",
    "program_version": __version__,
    "status": "ok",
    "test_number": 1,
    "session_id": "000102030405060708090a0b0c0d0e0f",
    "tool": "iperf3",
    "parameters": {"kind": "throughput", "protocol": "tcp", "duration_seconds": 3},
    "schedule": {
        "requested_start": "2026-11-21T19:06:08.250000Z",
        "start": "2026-11-21T19:06:10.250000Z",
        "latest_start": "2026-11-21T19:16:10.250000Z",
        "finished": "2026-11-21T19:06:14.250000Z",
        "requested_start_ntp": int(START) - 2 * 2**32,
        "start_ntp": int(START),
        "latest_start_ntp": int(START) + 600 * 2**32,
        "finished_ntp": int(START) + 4 * 2**32,
    },
    "summary": {
        "bits_per_second": 16.64e9,
        "bytes": 6_240_000_000,
        "sent_bits_per_second": 16.7e9,
        "sent_bytes": 6_262_500_000,
        "retransmits": 14,
        "rtt_ms": {"min": 0.05, "mean": 0.1, "max": 0.25},
    },
    "intervals_side": "sender",
    "intervals": [{"start_s": 0, "end_s": 1.0, "bits_per_second": 17e9}],
    "receiver": {
        "host": "recv.example.net",
        "address": "127.0.0.1",
        "port": 4823,
        "role": "server",
        "protocol_version": 6,
        "status": "accept",
        "tool_version": "3.12",
        "clock": {
            "synchronised": True,
            "error_seconds": 0.5,
            "rtt_bound_seconds": 0.001,
            "offset_seconds": -0.25,
        },
        "report": {"summary": {"bits_per_second": 16.64e9, "bytes": 6_240_000_000}},
        "raw": "receiver's output\n",
    },
    "sender": {
        "host": "send.example.net",
        "address": "127.0.0.2",
        "port": 4900,
        "role": "client",
        "protocol_version": 6,
        "status": "accept",
        "tool_version": "3.20",
        "report": {
            "summary": {
                "bits_per_second": 16.0e9,
                "sent_bits_per_second": 16.7e9,
                "sent_bytes": 6_262_500_000,
                "retransmits": 14,
                "rtt_ms": {"min": 0.05, "mean": 0.1, "max": 0.25},
            },
            "intervals": [{"start_s": 0, "end_s": 1.0, "bits_per_second": 17e9}],
        },
        "raw": "sender's output\n",
    },
}


class JsonTests(SynchronousTestCase):
    """json_object and json_text."""

    def test_golden(self) -> None:
        """A good result, to the last key and in this order."""
        got = json_object(GOOD)
        self.assertEqual(got, GOLDEN)
        self.assertEqual(json.dumps(got), json.dumps(GOLDEN))

    def test_one_line(self) -> None:
        """The text is one line, whatever the output of the tester has."""
        text = json_text(replace(GOOD, sender=replace(SENDER, raw=b"a\nb\x1b\xff\n")))
        self.assertEqual(text.count("\n"), 1)
        self.assertTrue(text.isascii() and text[:-1].isprintable())
        self.assertEqual(json.loads(text)["sender"]["raw"], "a\nb\x1b\ufffd\n")
        self.assertTrue(text.startswith('{"schema": "bwctl.result/1", '))

    def test_failure(self) -> None:
        """A failure has the same shape; what is not known is absent."""
        failure = ExitStatus.BUSY.failure("no time slot", "try -L 900")
        result = TestResult(receiver=EndResult(host="h", port=4823), failure=failure, number=3)
        self.assertEqual(
            json_object(result),
            {
                "schema": "bwctl.result/1",
                "program": "bwctl",
                "program_version": __version__,
                "status": "failed",
                "test_number": 3,
                "receiver": {"host": "h", "port": 4823},
                "error": {
                    "code": "busy",
                    "exit_status": 8,
                    "message": "no time slot",
                    "hint": "try -L 900",
                },
            },
        )

    def test_all_parameters(self) -> None:
        """Every parameter that was given is there, with its unit."""
        spec = replace(
            SPEC,
            udp=True,
            bandwidth=5,
            parallel=2,
            omit=1,
            report_interval_ms=500,
            buffer_length=6,
            window=7,
            dynamic_window=True,
            mss=1400,
            tos=8,
            units="m",
            output_format="J",
            server_sends=True,
            no_server_endpoint=True,
        )
        self.assertEqual(
            json_object(replace(GOOD, spec=spec))["parameters"],
            {
                "kind": "throughput",
                "protocol": "udp",
                "duration_seconds": 3,
                "omit_seconds": 1,
                "bandwidth_bits_per_second": 5,
                "parallel_streams": 2,
                "report_interval_milliseconds": 500,
                "buffer_length_bytes": 6,
                "window_bytes": 7,
                "dynamic_window": True,
                "mss_bytes": 1400,
                "tos": 8,
                "units": "m",
                "output_format": "J",
                "flip": True,
                "no_server_endpoint": True,
            },
        )

    def test_latency(self) -> None:
        """A latency test has no protocol but packets."""
        spec = replace(SPEC, tool=ToolID.PING, packet_count=3, packet_spacing_ms=100, ttl=9)
        parameters = json_object(replace(GOOD, spec=spec), "bwping")["parameters"]
        self.assertEqual(parameters["packet_count"], 3)
        self.assertEqual(parameters["packet_spacing_milliseconds"], 100)
        self.assertNotIn("protocol", parameters)

    def test_values_of_parsers(self) -> None:
        """What is no number is absent, as None is; foreign types become text."""
        values = report(a=math.nan, b=math.inf, c=(1, 2.5), d=None, e=SPEC.client, f=ToolID.PING)
        summary = json.loads(json_text(with_reports(values, None)))["receiver"]["report"]["summary"]
        expected = {"c": [1, 2.5], "e": "127.0.0.2", "f": 16}
        self.assertEqual(summary, expected)

    def test_error_of_the_tester(self) -> None:
        """A tester's complaint is in the report of its end."""
        result = with_reports(Report(tool="iperf3", error="no route"), None)
        self.assertEqual(json_object(result)["receiver"]["report"], {"error": "no route"})

    def test_warnings(self) -> None:
        """Warnings are kept."""
        self.assertEqual(json_object(replace(GOOD, warnings=("w",)))["warnings"], ["w"])


class TimeTests(SynchronousTestCase):
    """rfc3339."""

    def test_moments(self) -> None:
        """Microseconds in UTC, cut, not rounded."""
        self.assertEqual(rfc3339(ntp_from_unix(0)), "1970-01-01T00:00:00.000000Z")
        self.assertEqual(rfc3339(NTPTime(0)), "1900-01-01T00:00:00.000000Z")
        self.assertEqual(rfc3339(NTPTime((1 << 64) - 1)), "2036-02-07T06:28:15.999999Z")


class SummaryTests(SynchronousTestCase):
    """The figures of both ends in one."""

    def test_receiver_first(self) -> None:
        """Goodput and loss are the receiver's, retransmits and RTT the sender's."""
        receiver, sender = ({key: f"{side} {key}" for key in SUMMARY_KEYS} for side in "rs")
        summary = with_reports(report(**receiver), report(**sender)).summary
        for key, side in SUMMARY_KEYS.items():
            self.assertEqual(summary[key], f"{side.value[0]} {key}")
        self.assertEqual(list(summary), list(SUMMARY_KEYS))

    def test_one_end(self) -> None:
        """Where one end knows nothing the other's figure counts."""
        self.assertEqual(
            with_reports(None, report(bits_per_second=5)).summary, {"bits_per_second": 5}
        )
        self.assertEqual(with_reports(report(retransmits=0), report()).summary, {"retransmits": 0})
        self.assertEqual(with_reports(None, None).summary, {})

    def test_errors_are_not_trusted(self) -> None:
        """The figure of an end that failed counts last."""
        failed = Report(tool="iperf3", error="cut off", summary={"bits_per_second": 9, "bytes": 1})
        summary = with_reports(failed, report(bits_per_second=5)).summary
        self.assertEqual(summary, {"bits_per_second": 5, "bytes": 1})

    def test_other_figures(self) -> None:
        """Figures of other kinds of tests follow."""
        summary = with_reports(None, report(reached=True, rtt_ms={"min": 1})).summary
        self.assertEqual(summary, {"rtt_ms": {"min": 1}, "reached": True})
