"""The packets of a latency test one by one, those that were lost too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bwctl.render.wording import figure
from bwctl.results import TestResult

MOST_PACKETS = 65_536  # a request has 16 bits for their number


def replies(result: TestResult) -> list[tuple[int, float | None]]:
    """Number and delay of each packet that was sent, in milliseconds; None: it was lost.

    Returns:
        In the order of the numbers. Of a packet that came twice the first arrival counts.
    """
    packets = int(figure(result.summary, "sent") or 0)
    found: dict[int, float | None] = {}
    for place, one in enumerate(result.intervals[:MOST_PACKETS]):
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
