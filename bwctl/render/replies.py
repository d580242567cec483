"""The packets of a latency test one by one, those that were lost too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bwctl.render.wording import figure

MOST_PACKETS = 65_536  # a request has 16 bits for their number


def replies(intervals: Sequence[Mapping[str, Any]], packets: int) -> list[tuple[int, float | None]]:
    """Number and delay of each packet, in milliseconds; None: it was lost.

    Args:
        packets: how many were sent, 0 if not known.
    Returns:
        In the order of the numbers. Of a packet that came twice the first arrival counts.
    """
    found: dict[int, float | None] = {}
    for place, one in enumerate(intervals[:MOST_PACKETS]):
        number = figure(one, "seq")
        found.setdefault(place if number is None else int(number), _delay(one))
    if not found:
        return []
    first = min(1, *found)  # ping counts from 1, owamp from 0
    last = max(first + packets - 1, *found)
    if first < 0 or last - first >= MOST_PACKETS:  # no numbers of packets
        return sorted(found.items())
    return [(number, found.get(number)) for number in range(first, last + 1)]


def _delay(one: Mapping[str, Any]) -> float | None:
    rtt = figure(one, "rtt_ms")
    return figure(one, "owd_ms") if rtt is None else rtt
