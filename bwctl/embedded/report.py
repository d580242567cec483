"""Text of both roles, close to that of C thrulay, and the line for programs. Pure.

Lines are separated by white space; `#` begins all but interval lines of streams.
Source: thrulay.md sections 6.1 and 6.2.
"""

from __future__ import annotations

import json
from typing import Any

from bwctl.embedded.stats import Histogram

SCHEMA = "thrulay/1"
JSON_PREFIX = "#json "
ALL = "**"  # in the place of a stream's number

_TOPOLOGIES = {
    65535: "Hyperchannel",
    17914: "16 MB/s Token Ring",
    16436: "Linux Loopback device",
    9000: "Ethernet, jumbo-frames",
    8166: "802.4 Token Bus",
    4464: "4 MB/s Token Ring",
    4352: "FDDI",
    1500: "Ethernet (or PPP)",
    1492: "IEEE 802.3",
    1006: "SLIP",
    576: "X.25 & ISDN",
}


def rate(octets: int, seconds: float) -> float:
    """Bits per second; 0 for no time."""
    return octets * 8 / seconds if seconds > 0 else 0.0


def client_header(facts: dict[str, Any], asked_block: int, interval: float) -> list[str]:
    """The client's first lines, from the facts of `#json`."""
    block = facts["block"]
    size = f"block size = {block}B"
    if block != asked_block:
        size = f"requested block size = {asked_block}B; actual block size = {block}B"
    topology = _TOPOLOGIES.get(facts["mtu"], "unknown")
    every = f"reporting interval = {interval:g}s" if interval else "intermediate reporting disabled"
    return [
        f"# local window = {facts['window_local']}B; remote window = {facts['window_remote']}B",
        f"# {size}",
        f"# MTU: {facts['mtu']}B; MSS: {facts['mss']}B; Topology guess: {topology}",
        "# MTU = getsockopt(IP_MTU); MSS = getsockopt(TCP_MAXSEG)",
        f"# test duration = {facts['duration']:g}s; {every}",
        "# delay (median) and jitter (interquartile spread of delay) are reported in ms",
        "#(ID) begin, s   end, s   Mb/s  RTT delay,ms jitter     min      avg      max",
    ]


def client_line(stream: int | str, entry: dict[str, Any], times: Histogram, final: bool) -> str:
    """One stream's figures, for an interval or for the whole test."""
    low, middle, high = times.quartiles()
    delays = (middle, high - low, times.lowest, times.mean, times.highest)
    columns = "".join(f" {delay / 1e6:8.3f}" for delay in delays)
    return _figures(stream, entry, final) + columns


def server_line(entry: dict[str, Any], final: bool) -> str:
    """All streams' figures at the receiver."""
    return _figures(ALL, entry, final)


def udp_header() -> str:
    """Names of the columns of a UDP test's lines."""
    return "#(ID) begin, s   end, s   Mb/s  packets     lost  jitter,ms"


def udp_client_header(facts: dict[str, Any], rate: int, seconds: float) -> list[str]:
    """A UDP client's first lines, from the facts of `#json`; rate in packets per 1000 s."""
    return [
        f"# packet size = {facts['packet_size']}B; UDP send buffer = {facts['buffer']}B",
        f"# {facts['planned']} packets, {rate / 1000:g} in a second; {facts['schedule']} schedule",
        f"# test duration = {seconds:g}s",
        "#(ID) begin, s   end, s   Mb/s  packets sent",
    ]


def udp_client_line(entry: dict[str, Any], final: bool) -> str:
    """A span of a UDP test at the client."""
    return _figures(ALL, entry, final) + f" {entry['packets']:8}"


def udp_line(entry: dict[str, Any], final: bool) -> str:
    """A span of a UDP test at the server: packets sent, as far as it knows, and lost."""
    jitter = entry["jitter_us"]
    spread = "inf" if jitter is None else f"{jitter / 1000:.3f}"
    return _figures(ALL, entry, final) + f" {entry['packets']:8} {entry['lost']:8} {spread:>10}"


def _figures(stream: int | str, entry: dict[str, Any], final: bool) -> str:
    mbps = entry["bits_per_second"] / 1e6
    mark = "#" if final else " "
    return f"{mark}({stream:>2}) {entry['start']:8.3f} {entry['end']:8.3f} {mbps:8.3f}"


def server_stream_line(seconds: float, octets: int, user: float, system: float) -> str:
    """One stream's end, as the C server logs it."""
    return (
        f"TCP test duration = {seconds:.3f}s, "
        f"average throughput = {rate(octets, seconds) / 1e6:.3f}Mb/s, "
        f"CPU user/sys time = {user:.3f}/{system:.3f}s"
    )


def entry(start: float, end: float, octets: int, **more: Any) -> dict[str, Any]:
    """Figures of a span of time for `#json`; start and end in seconds of the test."""
    return {
        "start": round(start, 6),
        "end": round(end, 6),
        "bytes": octets,
        "bits_per_second": round(rate(octets, end - start), 3),
        **more,
    }


def times_us(times: Histogram) -> dict[str, float] | None:
    """Round-trip times in microseconds for `#json`; None if there are none."""
    if not times.count:
        return None
    low, middle, high = times.quartiles()
    values = {
        "min": times.lowest,
        "mean": times.mean,
        "max": times.highest,
        "p25": low,
        "p50": middle,
        "p75": high,
    }
    return {name: round(value / 1000, 3) for name, value in values.items()}


def json_line(facts: dict[str, Any]) -> str:
    """The last line of the output."""
    return JSON_PREFIX + json.dumps({"schema": SCHEMA, **facts}, separators=(",", ":"))
