"""The parsers and outputs that no sample has: hostile, partial, old or rare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.testers.reading import MAX_LINES, MAX_OUTPUT, clean, count, lines_of, number, rate
from bwctl.values import Report, Role
from tests.testers.support import REGISTRY, samples, spec, tester

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True)

SEEDS = [sample.octets for sample in samples()]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["bytes", "seconds", "start", "end", "sum", "streams", "udp", "sender", "packets"]
                + ["sum_sent", "sum_received", "intervals", "error", "event", "data", "rtt_us"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def all_reports(octets: bytes, **options: Any) -> list[Report]:
    """What every tester reads in octets, in both roles and for both protocols."""
    return [
        one.parse(octets, spec(one.name, udp=udp, **options), role)
        for one in REGISTRY
        for role in Role
        for udp in (False, True)
    ]


def texts_in(value: Any) -> Iterator[str]:
    """All texts in nested lists and mappings."""
    if isinstance(value, dict):
        yield from texts_in([*value, *value.values()])
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)
    elif isinstance(value, str):
        yield value


class HostileOutputTests(SynchronousTestCase):
    """Any octets give a Report that can be shown and stored."""

    def check(self, octets: bytes) -> None:
        """Every Report is JSON without infinities, and its text without control characters."""
        for report in all_reports(octets):
            content = [dict(report.summary), list(report.intervals)]
            json.dumps(content, allow_nan=False)
            for text in (report.error, report.version, *texts_in(content)):
                self.assertTrue(text is None or (text.isprintable() and 0 < len(text) <= 300))

    @SETTINGS
    @given(st.binary(max_size=300))
    def test_any_octets(self, octets: bytes) -> None:
        """Noise."""
        self.check(octets)

    @SETTINGS
    @given(st.sampled_from(SEEDS), st.integers(0, 9000), st.integers(0, 40), st.binary(max_size=9))
    def test_damaged_samples(self, seed: bytes, at: int, gone: int, new: bytes) -> None:
        """Real outputs with a few octets replaced."""
        at %= len(seed)
        self.check(seed[:at] + new + seed[at + gone :])

    @SETTINGS
    @given(st.dictionaries(st.sampled_from(["start", "intervals", "end", "error"]), VALUES))
    def test_any_json(self, document: dict[str, Any]) -> None:
        """JSON of any shape, for iperf3 and for thrulay."""
        text = json.dumps(document)
        self.check(text.encode())
        self.check(b"#json " + text.encode())
        self.check(json.dumps({"event": "end", "data": document}).encode())

    def test_extreme_json(self) -> None:
        """Deep nesting, long numbers, infinities and repeated keys."""
        for text in (
            '{"a":' * 100_000,
            '{"end":' + "[" * 100_000,
            '{"end":{"sum_sent":{"bytes":' + "9" * 100_000 + ',"seconds":1}}}',
            '{"end":{"sum_sent":{"bytes":1e999,"seconds":1}}}',
            '{"end":{"sum_sent":{"bytes":NaN,"seconds":-Infinity}}}',
            '{"end":{"sum_sent":{"bytes":9999999999,"seconds":1e-300}}}',
            '{"end":1,"end":[],"intervals":{},"start":"x"}',
        ):
            self.check(text.encode())

    def test_work_is_bounded(self) -> None:
        """Of a very long output only a part is looked at."""
        self.assertEqual(len(lines_of("x\n" * 2 * MAX_LINES)), MAX_LINES)
        self.assertEqual(lines_of("a\n" * MAX_LINES + "total\n")[-1], "total")
        self.assertEqual(len(lines_of("x" * 5000)[0]), 1000)
        for one in REGISTRY:
            report = one.parse(b"\n" * (MAX_OUTPUT + 1), spec(one.name), Role.CLIENT)
            self.assertIsNotNone(report.error)
            self.assertTrue(report.cut)


class HelperTests(SynchronousTestCase):
    """The small functions below the parsers."""

    def test_clean(self) -> None:
        """Control and direction characters go, blanks stay, length is bounded."""
        self.assertEqual(clean(" a\x1b[31m\tb\x00\u202e\n"), "a[31m b")
        self.assertEqual(len(clean("x" * 1000)), 300)

    def test_number(self) -> None:
        """Finite and not negative, or nothing."""
        for value in (None, True, "nan", "-nan", "inf", -1, 1e31, "x", [], 10**400):
            self.assertIsNone(number(value))
        self.assertEqual([number(3), number("2.5"), count(2**63 + 1)], [3.0, 2.5, 2**63 + 1])

    def test_rate(self) -> None:
        """A printed rate counts if octets and time agree with it."""
        self.assertEqual(rate(1_000_000, 2.0), 4_000_000.0)
        self.assertEqual(rate(1_000_000, 2.0, 4_010_000.0), 4_010_000.0)
        self.assertEqual(rate(1_000_000, 2.0, -7.0), 4_000_000.0)
        self.assertEqual(rate(5, 0.0), 0.0)


class ErrorTests(SynchronousTestCase):
    """Outputs without a result, and why."""

    def error(self, name: str, text: str, role: Role = Role.CLIENT, **options: Any) -> str | None:
        """The error in the Report of an output."""
        return tester(name).parse(text.encode(), spec(name, **options), role).error

    def test_empty(self) -> None:
        """No output is no result; only the nuttcp server is always silent."""
        self.assertEqual(self.error("iperf", ""), "no total found in the output")
        self.assertEqual(self.error("iperf3", "\n \n"), "no total found in the output")
        self.assertEqual(self.error("nuttcp", ""), "no total found in the output")
        self.assertEqual(self.error("thrulay", ""), "no result found in the output")
        self.assertIsNone(self.error("nuttcp", " \n", Role.SERVER))
        verbose = "bwctl: exec_line: nuttcp -1\nbwctl: stop_tool: 3.5\n"
        self.assertIsNone(self.error("nuttcp", verbose, Role.SERVER))
        self.assertIsNotNone(self.error("nuttcp", f"{verbose}bwctl: local tool x", Role.SERVER))

    def test_complaint_instead_of_total(self) -> None:
        """A line that reads like a complaint is the reason."""
        text = "hello\nsh: 1: iperf: cannot execute\n"
        for name in ("iperf", "iperf3", "nuttcp", "thrulay"):
            self.assertEqual(self.error(name, text), "sh: 1: iperf: cannot execute")

    def test_exit_status_in_words(self) -> None:
        """The line of a C daemon about its tool."""
        line = "bwctl: local tool did not complete in allocated time frame and was killed"
        self.assertEqual(self.error("nuttcp", f"nuttcp-t: hm\n{line}\n"), line)

    def test_port_in_use(self) -> None:
        """iperf exits with 0 then."""
        text = "bind failed: Address already in use\n"
        self.assertEqual(self.error("iperf", text, Role.SERVER), text.strip())

    def test_no_data(self) -> None:
        """A total of 0 bytes is no result."""
        row = "[  1] 0.0000-2.0000 sec  0 Bytes  0 bits/sec\n"
        self.assertEqual(self.error("iperf", row, Role.SERVER), "no data was transferred")

    def test_everything_lost(self) -> None:
        """The sender has sent, nothing came."""
        text = (
            "[  1] 0.0000-2.0000 sec  2504880 Bytes  10019520 bits/sec\n"
            "[  1] Server Report:\n"
            "[  1] 0.0000-2.0000 sec  0 Bytes  0 bits/sec   0.000 ms 1704/1704 (1e+02%)\n"
        )
        report = tester("iperf").parse(text.encode(), spec("iperf", udp=True), Role.CLIENT)
        self.assertEqual(report.error, "no data arrived")
        self.assertEqual(report.summary["loss_percent"], 100.0)
        self.assertEqual(report.summary["sent_bytes"], 2504880)

    def test_short_run(self) -> None:
        """A test that ended early is no result, its figures are there all the same."""
        row = b"[  1] 0.0000-5.2000 sec  1000000 Bytes  1538461 bits/sec\n"
        report = tester("iperf").parse(row, spec("iperf", duration=10), Role.SERVER)
        self.assertEqual(report.error, "lasted 5.2 s instead of 10 s")
        self.assertEqual(report.summary["bytes"], 1000000)

    def test_missing_stream(self) -> None:
        """Totals of some streams only are no result."""
        row = "[  3] 0.0- 2.0 sec  1000000 Bytes  4000000 bits/sec\n"
        error = self.error("iperf", row, Role.SERVER, parallel=2)
        self.assertEqual(error, "only 1 of 2 streams gave a total")

    def test_foreign_text(self) -> None:
        """Escape sequences do not reach the Report."""
        text = "iperf3: error - \x1b]0;title\x07 bad\u202e\n"
        self.assertEqual(self.error("iperf3", text), "]0;title bad")

    def test_reordered_datagrams_are_no_error(self) -> None:
        """iperf3 names each of them in a line that begins like an error."""
        text = (
            "iperf3: OUT OF ORDER - incoming packet = 5 and received packet = 6 AND SP = 5\n"
            "[  5]   0.00-2.00   sec  2.38 MBytes  10.0 Mbits/sec  0.001 ms  0/9 (0%)  receiver\n"
        )
        self.assertIsNone(self.error("iperf3", text, Role.SERVER, udp=True))


class StoppedIperf3Tests(SynchronousTestCase):
    """What iperf3 3.12 prints when it is stopped, and more of it when it is stopped twice."""

    ROW = "[  5]   0.00-{} sec  1.86 GBytes  8049 Mbits/sec  {}             sender\n"
    WORD = "iperf3: interrupt - the client has terminated\n"

    def parse(self, *rows: str) -> Report:
        """What is read in totals below the word of the end."""
        output = self.WORD + "".join(rows)
        return tester("iperf3").parse(output.encode(), spec(duration=10), Role.CLIENT)

    def test_repeated_totals(self) -> None:
        """Totals of the same stream are not added up; the last one counts."""
        row = self.ROW.format("2.07", 4)
        self.assertEqual(self.parse(row, row, row).summary, self.parse(row).summary)

    def test_streams_are_added_up(self) -> None:
        """Those of several streams are."""
        row = self.ROW.format("2.07", 4)
        one, two = self.parse(row), self.parse(row, row.replace("  5]", "  7]"))
        self.assertEqual(two.summary["bytes"], 2 * one.summary["bytes"])

    def test_retransmits(self) -> None:
        """A count that may be nonsense is left out; that of a test that ended well is not."""
        row = self.ROW.format("2.07", 32687)
        self.assertNotIn("retransmits", self.parse(row).summary)
        whole = tester("iperf3").parse(row.encode(), spec(duration=2), Role.CLIENT)
        self.assertEqual(whole.summary["retransmits"], 32687)

    def test_hours(self) -> None:
        """Totals over more time than there was are none."""
        self.assertEqual(self.parse(self.ROW.format("27627.02", 0)).summary, {})


class RareOutputTests(SynchronousTestCase):
    """Layouts that the samples do not have."""

    def summary(self, name: str, text: str, role: Role, **options: Any) -> dict[str, Any]:
        """The summary of an output."""
        return dict(tester(name).parse(text.encode(), spec(name, **options), role).summary)

    def test_unmarked_udp_total(self) -> None:
        """iperf3 3.0 and 3.1 do not mark the total of a UDP test."""
        text = (
            "[  4]   0.00-1.00   sec   128 KBytes  1.05 Mbits/sec  16\n"
            "[  4]   0.00-2.00   sec   256 KBytes  1.05 Mbits/sec  0.006 ms  1/32 (3.1%)\n"
            "[  4] Sent 32 datagrams\n"
        )
        summary = self.summary("iperf3", text, Role.CLIENT, udp=True)
        self.assertEqual((summary["bytes"], summary["lost"], summary["packets"]), (262144, 1, 32))

    def test_negative_loss(self) -> None:
        """Datagrams that came twice make it negative: none were lost, all else is known."""
        rows = (
            "[  5]   0.00-2.00   sec   256 KBytes  1.05 Mbits/sec  0.000 ms  0/158 (0%)  sender\n"
            "[  5]   0.00-2.04   sec   256 KBytes  1.04 Mbits/sec  "
            "0.013 ms  -3/155 (-1.9%)  receiver\n"
        )
        block = {"bytes": 9, "seconds": 2, "jitter_ms": 0.013, "lost_packets": -3, "packets": 155}
        csv = "20200101000000,192.0.2.2,1,192.0.2.1,2,3,0.0-2.0,9,36,0.013,-3,155,-1.9,0\n"
        for name, text in (
            ("iperf3", rows),
            ("iperf3", json.dumps({"end": {"sum_received": block}})),
            ("iperf", csv),
        ):
            summary = self.summary(name, text, Role.SERVER, udp=True)
            told = [summary[key] for key in ("jitter_ms", "lost", "packets", "loss_percent")]
            self.assertEqual(told, [0.013, 0, 155, 0.0], name)

    def test_udp_json_with_sum_only(self) -> None:
        """Old JSON: octets of the sender, loss of the receiver."""
        block = {"bytes": 2500, "seconds": 2, "jitter_ms": 0.5, "lost_packets": 1, "packets": 4}
        text = json.dumps({"end": {"sum": block}})
        self.assertEqual(
            self.summary("iperf3", text, Role.CLIENT, udp=True),
            {
                "bytes": 2500,
                "bits_per_second": 10000.0,
                "jitter_ms": 0.5,
                "lost": 1,
                "packets": 4,
                "sent_bytes": 2500,
                "sent_bits_per_second": 10000.0,
                "loss_percent": 25.0,
            },
        )

    def test_json_behind_other_lines(self) -> None:
        """Warnings before, lines of a daemon after; braces inside of a line do not matter."""
        block = {"bytes": 1000, "seconds": 2.0}
        document = json.dumps({"end": {"sum_received": block}}, indent=1)
        text = f"warning: {{}}\nbwctl: x {{\n{document}\nbwctl: stop_tool\n{{"
        summary = self.summary("iperf3", text, Role.SERVER)
        self.assertEqual(summary, {"bytes": 1000, "bits_per_second": 4000.0})

    def test_reordered_in_iperf_text(self) -> None:
        """The line about the whole test counts, not those about intervals."""
        text = (
            "[  3] 0.0000-1.0000 sec  1250 Bytes  10000 bits/sec   0.001 ms 0/852 (0%)\n"
            "[  3] 0.0000-1.0000 sec  2 datagrams received out-of-order\n"
            "[  3] 0.0000-2.0000 sec  2500 Bytes  10000 bits/sec   0.001 ms 0/1703 (0%)\n"
            "[  3] 0.0000-2.0000 sec  5 datagrams received out-of-order\n"
        )
        summary = self.summary("iperf", text, Role.SERVER, udp=True)
        self.assertEqual(summary["out_of_order"], 5)

    def test_streams_without_sum(self) -> None:
        """The intervals of several streams are added up."""
        text = "".join(
            f"20261121192145,192.0.2.1,1,192.0.2.2,2,{stream},{times},{octets},{octets * 8}\n"
            for stream in (1, 2)
            for times, octets in (("0.0-1.0", 1000), ("1.0-2.0", 2000), ("0.0-2.0", 3000))
        )
        options = spec("iperf", parallel=2, report_interval_ms=1000)
        report = tester("iperf").parse(text.encode(), options, Role.SERVER)
        self.assertEqual(report.summary["bytes"], 6000)
        self.assertEqual([one["bytes"] for one in report.intervals], [2000, 4000])

    def test_units_of_octets(self) -> None:
        """Rates in octets per second are powers of 1024; rounded amounts give way to them."""
        row = "[  1] 0.0000-2.0000 sec  4.01 GBytes  2051 MBytes/sec\n"
        summary = self.summary("iperf", row, Role.SERVER, units="M")
        self.assertEqual(summary["bits_per_second"], 2051 * 1024 * 1024 * 8)
        self.assertEqual(summary["bytes"], 4305704714)

    def test_number_with_two_points(self) -> None:
        """A row that only looks like one is none."""
        row = "[  1] 0.0.0-2.0000 sec  4.01 GBytes  2051 MBytes/sec\n"
        self.assertEqual(self.summary("iperf3", row, Role.SERVER), {})

    def test_unknown_events(self) -> None:
        """Events of a streamed JSON that nobody knows yet are passed over."""
        end = {"event": "end", "data": {"sum_received": {"bytes": 1000, "seconds": 2}}}
        text = "\n".join(map(json.dumps, ({"event": "new", "data": 1}, end, {"event": []})))
        summary = self.summary("iperf3", text, Role.SERVER)
        self.assertEqual(summary["bytes"], 1000)

    def test_late_interval_of_nuttcp(self) -> None:
        """A row for datagrams behind the end is left out."""
        row = " 1.0000 MB /   1.00 sec =  8.3886 Mbps     0 /   10 ~drop/pkt  0.00 ~%loss\n"
        report = tester("nuttcp").parse((row * 3).encode(), spec("nuttcp", udp=True), Role.CLIENT)
        self.assertEqual([one["start_s"] for one in report.intervals], [0.0, 1.0])

    def test_one_end_of_nuttcp(self) -> None:
        """The transmitter's figures alone are no result."""
        text = b"nuttcp-t: 2.0000 MB in 2.00 real seconds = 1024.00 KB/sec = 8.3886 Mbps\n"
        report = tester("nuttcp").parse(text, spec("nuttcp"), Role.CLIENT)
        self.assertEqual(report.error, "the figures of one of the two ends are missing")
        self.assertEqual(report.summary["sent_bytes"], 2097152)
