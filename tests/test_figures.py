"""The figures of both ends in one, out of real outputs of both ends of one test."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.figures import Side, intervals_side, merged_intervals, merged_summary
from bwctl.results import EndResult, TestResult
from bwctl.testers.iperf import Iperf
from bwctl.testers.iperf3 import Iperf3
from bwctl.testers.nuttcp import Nuttcp
from bwctl.values import Report, Role, TestSpec

SAMPLES = Path(__file__).with_name("samples")
IPERF, IPERF3, NUTTCP = Iperf(), Iperf3(), Nuttcp()


def reports(
    tester: Any, server: str, client: str, flip: bool = False, **options: Any
) -> dict[Side, Report]:
    """What both ends' outputs say, by side."""
    spec = TestSpec(
        tool=tester.tool_id,
        client=ip_address("127.0.0.2"),
        server=ip_address("127.0.0.1"),
        server_sends=flip,
        **{"duration": 2, **options},
    )
    ends = {Role.SERVER: server, Role.CLIENT: client}
    sides = {spec.sender: Side.SENDER, spec.sender.other: Side.RECEIVER}
    return {
        sides[role]: tester.parse((SAMPLES / name).read_bytes() if name else b"", spec, role)
        for role, name in ends.items()
    }


class SampleTests(SynchronousTestCase):
    """Bytes and times of the receiver, retransmits, window and RTT of the sender."""

    def test_iperf3_json(self) -> None:
        """TCP: the server's own octets over its own time."""
        both = reports(IPERF3, "iperf3-3.12-tcp-server.json", "iperf3-3.12-tcp-client.json")
        summary = merged_summary(both)
        self.assertEqual(summary["bytes"], 3039821824)
        self.assertAlmostEqual(summary["bits_per_second"], 3039821824 * 8 / 2.000782)
        self.assertEqual(summary["sent_bytes"], 3044802560)
        self.assertAlmostEqual(summary["sent_bits_per_second"], 3044802560 * 8 / 2.000027)
        self.assertEqual(summary["retransmits"], 25)
        self.assertEqual(summary["rtt_ms"], {"min": 0.069, "mean": 0.077, "max": 0.085})
        self.assertEqual(summary["cwnd_bytes"], {"max": 1047728})

    def test_intervals_of_both_ends(self) -> None:
        """Rates of the receiver, retransmits and window of the sender in the same span."""
        both = reports(IPERF3, "iperf3-3.12-tcp-server.json", "iperf3-3.12-tcp-client.json")
        self.assertIs(intervals_side(both), Side.RECEIVER)
        merged = merged_intervals(both)
        own, sent = both[Side.RECEIVER].intervals, both[Side.SENDER].intervals
        self.assertEqual([one["bytes"] for one in merged], [one["bytes"] for one in own])
        self.assertNotEqual([one["bytes"] for one in merged], [one["bytes"] for one in sent])
        self.assertEqual([one["retransmits"] for one in merged], [13, 12])
        self.assertEqual([one["cwnd_bytes"] for one in merged], [1047728, 916762])
        self.assertNotIn("retransmits", own[0])

    def test_iperf3_reverse(self) -> None:
        """The server sends: goodput is the client's, RTT the server's."""
        both = reports(
            IPERF3, "iperf3-3.12-reverse-server.json", "iperf3-3.12-reverse-client.json", flip=True
        )
        summary = merged_summary(both)
        self.assertEqual((summary["bytes"], summary["sent_bytes"]), (3059482624, 3063152640))
        self.assertAlmostEqual(summary["bits_per_second"], 3059482624 * 8 / 2.000116)
        self.assertEqual(summary["rtt_ms"], both[Side.SENDER].summary["rtt_ms"])
        self.assertNotIn("rtt_ms", both[Side.RECEIVER].summary)

    def test_iperf3_udp_with_loss(self) -> None:
        """Loss, jitter and goodput are the receiver's."""
        both = reports(
            IPERF3,
            "iperf3-3.12-udp-loss-server.json",
            "iperf3-3.12-udp-loss-client.json",
            duration=3,
            udp=True,
        )
        summary = merged_summary(both)
        self.assertEqual((summary["bytes"], summary["sent_bytes"]), (1687200, 1875600))
        self.assertEqual((summary["lost"], summary["packets"]), (157, 1563))
        self.assertAlmostEqual(summary["jitter_ms"], 0.0081922, 6)
        self.assertAlmostEqual(summary["loss_percent"], 100 * 157 / 1563)

    def test_iperf(self) -> None:
        """The server's octets, as they stand in its text."""
        both = reports(
            IPERF, "iperf-2.1.8-tcp-server.txt", "iperf-2.1.8-tcp-client.txt", duration=3
        )
        summary = merged_summary(both)
        self.assertEqual(summary["bytes"], 7323779132)
        self.assertEqual(summary["sent_bytes"], both[Side.SENDER].summary["sent_bytes"])
        self.assertEqual(len(merged_intervals(both)), 3)

    def test_iperf_udp(self) -> None:
        """The 2.1 client's own columns of jitter and loss have no meaning, and are not used."""
        both = reports(
            IPERF,
            "iperf-2.1.8-udp-loss-server-csv.txt",
            "iperf-2.1.8-udp-loss-client-csv.txt",
            duration=3,
            udp=True,
        )
        summary = merged_summary(both)
        for key in ("bytes", "lost", "packets", "jitter_ms", "loss_percent"):
            self.assertEqual(summary[key], both[Side.RECEIVER].summary[key], key)

    def test_nuttcp(self) -> None:
        """The server is silent; its client has the line of the receiver."""
        both = reports(NUTTCP, "", "nuttcp-tcp-client.txt", duration=3)
        self.assertEqual(both[Side.RECEIVER].summary, {})
        summary = merged_summary(both)
        self.assertEqual(summary["bits_per_second"], 22066.8840e6)
        self.assertEqual(summary["sent_bits_per_second"], 22069.7894e6)
        self.assertIs(intervals_side(both), Side.SENDER)


def one(**summary: Any) -> Report:
    return Report(tool="t", summary=summary)


def failed(**summary: Any) -> Report:
    return Report(tool="t", error="cut off", summary=summary)


class RuleTests(SynchronousTestCase):
    """What the samples do not have."""

    def test_local_is_the_sender(self) -> None:
        """Each end calls itself local; in one summary that is the sender."""
        receiver = one(cpu_local_percent=1.0, cpu_remote_percent=2.0)
        sender = failed(cpu_local_percent=7.0)
        for both in ({Side.RECEIVER: receiver}, {Side.RECEIVER: receiver, Side.SENDER: sender}):
            summary = merged_summary(both)
            self.assertEqual(summary["cpu_local_percent"], 2.0)
            self.assertEqual(summary["cpu_remote_percent"], 1.0)

    def test_intervals_of_a_failed_receiver(self) -> None:
        """An end that failed is not preferred; if it is the only one it is used."""
        broken = Report(tool="t", error="cut off", intervals=[{"start_s": 0, "end_s": 1}])
        good = Report(tool="t", intervals=[{"start_s": 0, "end_s": 2}])
        both = {Side.RECEIVER: broken, Side.SENDER: good}
        self.assertIs(intervals_side(both), Side.SENDER)
        self.assertEqual(merged_intervals(both), good.intervals)
        self.assertEqual(merged_intervals({Side.RECEIVER: broken}), [{"start_s": 0, "end_s": 1}])
        self.assertEqual(merged_intervals({}), ())

    def test_spans_that_differ(self) -> None:
        """What was counted in another span, or in a left out one, is not mixed in."""
        receiver = Report(tool="t", intervals=[{"start_s": 0.0, "end_s": 1.0, "bytes": 1}])
        for other in (
            {"start_s": 0.0, "end_s": 2.0},
            {"start_s": 0.0, "end_s": 1.0, "omitted": True},
        ):
            sender = Report(tool="t", intervals=[{**other, "retransmits": 3}])
            merged = merged_intervals({Side.RECEIVER: receiver, Side.SENDER: sender})
            self.assertEqual(merged, [{"start_s": 0.0, "end_s": 1.0, "bytes": 1}])


class StartTests(SynchronousTestCase):
    """The lines of a daemon that was asked to tell more."""

    def test_both_ends_of_a_capture(self) -> None:
        """The moments of C's daemons; the test began when the tester's client was started."""
        text = (SAMPLES / "bwctl-iperf3-verbose-both.txt").read_bytes()
        receiver, sender = text.split(b"\nRECEIVER END\n")
        result = TestResult(
            receiver=EndResult(role=Role.SERVER, raw=receiver),
            sender=EndResult(role=Role.CLIENT, raw=sender),
        )
        for end in (result.receiver, result.sender):
            assert end.started is not None and end.ended is not None
            self.assertGreater(end.ended, end.started)
            told = end.raw.split(b"start_tool: ")[1][:17]
            self.assertEqual(f"{end.started / 2**32:.6f}", told.decode())
        self.assertEqual(result.actual_start, result.sender.started)
        self.assertLess(result.receiver.started or 0, result.sender.started or 0)

    def test_nothing_told(self) -> None:
        """Without such lines nothing is known; a tester that writes numbers changes nothing."""
        for raw in (b"", b"bwctl: start_tool: now\n", b"x bwctl: start_tool: 4004276876.949810\n"):
            end = EndResult(role=Role.CLIENT, raw=raw)
            self.assertEqual((end.started, end.ended), (None, None))
        self.assertIsNone(TestResult().actual_start)
