"""What the latency testers share: how many packets, how often, and what makes a result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bwctl.testers.common import Range
from bwctl.values import TestSpec

PACKETS: Final = 10  # where a test does not say, as C's client
SPACING_MS: Final = 1000
DIGITS: Final = 6  # of milliseconds: no clock tells less than a nanosecond
SHORT_RUN: Final = 0.9  # part of the packets that has to be sent

FIELDS: Final = ("packet_count", "packet_spacing_ms")
RANGES: Final = (
    Range("packet_count", "-N", 1, 65_535),
    Range("packet_spacing_ms", "-i", 1, 65_535),
)


def packets(spec: TestSpec) -> int:
    """How many packets are sent."""
    return spec.packet_count or PACKETS


def spacing_ms(spec: TestSpec) -> int:
    """Milliseconds from one packet to the next."""
    return spec.packet_spacing_ms or SPACING_MS


def sending_s(spec: TestSpec) -> float:
    """Seconds from the first packet to the last."""
    return (packets(spec) - 1) * spacing_ms(spec) / 1000


def time_problems(name: str, spec: TestSpec) -> list[str]:
    """A sentence if the packets do not fit into the duration."""
    needed = sending_s(spec)
    if needed <= spec.duration:
        return []
    return [
        f"{name} sends {packets(spec)} packets (-N) every {spacing_ms(spec) / 1000:g} s (-i) in "
        f"{needed:g} s, longer than the test of {spec.duration} s"
    ]


def defect(spec: TestSpec, sent: int | None, received: int, reasons: Iterable[str]) -> str | None:
    """Why counts are not a result, None if they are. Source: testers.md 13.

    Args:
        sent: None if the output does not say, as it was cut off.
        reasons: complaints that the output has, the best first.
    """
    reason = next(iter(reasons), "")
    if sent is None:
        return reason or "no statistics found in the output"
    if not sent:
        return "no packet was sent"
    if not received:
        return f"no packet came back: {reason}" if reason else "no packet came back"
    if sent < SHORT_RUN * packets(spec):
        return f"sent {sent} of {packets(spec)} packets"
    return None


def loss(sent: int | None, received: int) -> dict[str, int | float | None]:
    """The keys of a summary that count packets."""
    if not sent:
        return {"sent": sent, "received": received}
    lost = max(0, sent - received)
    return {"sent": sent, "received": received, "lost": lost, "loss_percent": 100 * lost / sent}
