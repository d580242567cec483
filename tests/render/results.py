"""Results for tests of the output."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from bwctl.errors import AcceptType
from bwctl.results import ClockReading, EndResult, TestResult
from bwctl.values import (
    SID,
    ErrorEstimate,
    NTPTime,
    Report,
    Role,
    TestSpec,
    ToolID,
    ntp_from_unix,
    ticks,
)

START = NTPTime(ntp_from_unix(1_795_287_970) + ticks(0.25))  # 2026-11-21T19:06:10.25Z

SPEC = TestSpec(
    tool=ToolID.IPERF3,
    client=ip_address("127.0.0.2"),
    server=ip_address("127.0.0.1"),
    duration=3,
)

RECEIVER = EndResult(
    host="recv.example.net",
    role=Role.SERVER,
    address=SPEC.server,
    port=4823,
    protocol_version=6,
    clock=ClockReading(error=ErrorEstimate(24, 128, True), rtt_s=0.001, offset_s=-0.25),
    status=AcceptType.ACCEPT,
    raw=b"receiver's output\n",
    report=Report(
        tool="iperf3",
        version="3.12",
        summary={"bits_per_second": 16.64e9, "bytes": 6_240_000_000},
    ),
)

SENDER = EndResult(
    host="send.example.net",
    role=Role.CLIENT,
    address=SPEC.client,
    port=4900,
    protocol_version=6,
    status=AcceptType.ACCEPT,
    raw=b"sender's output\n",
    report=Report(
        tool="iperf3",
        version="3.20",
        summary={
            "bits_per_second": 16.0e9,
            "sent_bits_per_second": 16.7e9,
            "sent_bytes": 6_262_500_000,
            "retransmits": 14,
            "rtt_ms": {"min": 0.05, "mean": 0.1, "max": 0.25},
        },
        intervals=[{"start_s": 0, "end_s": 1.0, "bits_per_second": 17e9}],
    ),
)

GOOD = TestResult(
    spec=SPEC,
    receiver=RECEIVER,
    sender=SENDER,
    sid=SID(bytes(range(16))),
    requested_start=NTPTime(START - ticks(2)),
    reserved_start=START,
    latest_start=NTPTime(START + ticks(600)),
    finished=NTPTime(START + ticks(4)),
    results_role=Role.CLIENT,
)

LATENCY = replace(
    GOOD,
    spec=replace(SPEC, tool=ToolID.PING, duration=8, packet_count=3, packet_spacing_ms=1000),
    receiver=replace(RECEIVER, raw=b"bwctl: nothing to exec for ping server\n", report=None),
    sender=replace(
        SENDER,
        report=Report(
            tool="ping",
            summary={
                "sent": 3,
                "received": 2,
                "lost": 1,
                "loss_percent": 100 / 3,
                "rtt_ms": {"min": 0.02, "mean": 0.04, "max": 0.06, "mdev": 0.02},
            },
            intervals=[
                {"seq": 1, "rtt_ms": 0.02, "ttl": 64},
                {"seq": 3, "rtt_ms": 0.06, "ttl": 64},
                {"seq": 3, "rtt_ms": 0.09, "ttl": 64, "duplicate": True},
            ],
        ),
    ),
)

TRACE = replace(
    GOOD,
    spec=replace(SPEC, tool=ToolID.TRACEROUTE, duration=10),
    receiver=replace(RECEIVER, raw=b"", report=None),
    sender=replace(
        SENDER,
        report=Report(
            tool="traceroute",
            summary={
                "reached": True,
                "pmtu": 1500,
                "hops": [
                    {
                        "n": 1,
                        "probes": [
                            {"addr": "192.0.2.1", "name": "gw.example.net", "rtt_ms": 0.4},
                            {"addr": "192.0.2.1", "name": "gw.example.net", "rtt_ms": 0.6},
                            {},
                        ],
                    },
                    {"n": 2, "probes": [{}, {}, {}]},
                    {
                        "n": 3,
                        "probes": [
                            {"addr": "192.0.2.9", "rtt_ms": 12.0},
                            {"addr": "192.0.2.17", "rtt_ms": 9.0, "flag": "!H"},
                        ],
                    },
                ],
            },
        ),
    ),
)


def sample(name: str) -> bytes:
    """Real output of the C clients."""
    return (Path(__file__).parents[1] / "samples" / f"{name}.txt").read_bytes()


def with_reports(receiver: Report | None, sender: Report | None) -> TestResult:
    """The good result with other reports."""
    return replace(
        GOOD, receiver=replace(RECEIVER, report=receiver), sender=replace(SENDER, report=sender)
    )


def report(**summary: Any) -> Report:
    """A report of these figures."""
    return Report(tool="iperf3", summary=summary)
