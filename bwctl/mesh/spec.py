"""A mesh's test as the daemons are asked for it."""

from __future__ import annotations

from typing import Final

from bwctl.mesh.values import MeshTest
from bwctl.values import IPAddress, Kind, TestSpec

LATE_ANSWERS_S: Final = 5
"""Of a latency test's duration: left for answers after the last packet, as bwping does."""


def spec_of(test: MeshTest, sender: IPAddress, receiver: IPAddress) -> TestSpec:
    """What to ask both daemons for; the sender has the tester's client."""
    packets = 0
    if test.kind is Kind.LATENCY:
        packets = max(1, test.duration - LATE_ANSWERS_S)  # one a second
    return TestSpec(
        tool=test.tool,
        client=sender,
        server=receiver,
        duration=test.duration,
        omit=test.omit,
        udp=test.udp,
        bandwidth=test.bandwidth,
        parallel=test.parallel,
        packet_count=packets,
        packet_spacing_ms=1000 if packets else 0,
    )
