"""Demands for tests, in small numbers."""

from __future__ import annotations

from bwctl.broker.reservation import Demand
from bwctl.values import SID, NTPTime, Role, ToolID


def sid(number: int) -> SID:
    return SID(number.to_bytes(16, "big"))


def wish(
    number: int = 0,
    *,
    earliest: int = 100,
    length: int = 10,
    fuzz: int = 2,
    tool: ToolID = ToolID.IPERF3,
    role: Role = Role.SERVER,
    latest: int | None = None,
    rtt: int = 0,
) -> Demand:
    """A demand with the SID of a number."""
    return Demand(
        sid=sid(number),
        role=role,
        tool=tool,
        earliest=NTPTime(earliest),
        latest=None if latest is None else NTPTime(latest),
        length=length,
        fuzz=fuzz,
        rtt=rtt,
    )
