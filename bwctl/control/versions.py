"""What an older server cannot be asked for. Source: wire.md 7.1, 7.4."""

from __future__ import annotations

from collections.abc import Callable

from bwctl.values import Kind, TestSpec, ToolID

_WIDE = 0xFFFFFFFF

# (first version that has it, what it is called, whether a test needs it)
_FEATURES: tuple[tuple[int, str, Callable[[TestSpec], bool]], ...] = (
    (1, "any tester but iperf", lambda spec: spec.tool != ToolID.IPERF),
    (1, "an output format", lambda spec: bool(spec.output_format)),
    (1, "parallel streams", lambda spec: bool(spec.parallel)),
    (1, "units", lambda spec: bool(spec.units)),
    (1, "a rate above 4.29 Gbit/s", lambda spec: spec.bandwidth > _WIDE),
    (2, "omitted seconds", lambda spec: bool(spec.omit)),
    (4, "reverse flow (flip)", lambda spec: spec.server_sends),
    (4, "tests without a daemon at the server end", lambda spec: spec.no_server_endpoint),
    (4, "a rate for TCP", lambda spec: bool(spec.bandwidth) and not spec.udp),
    (
        4,
        "report intervals that are no whole seconds",
        lambda spec: spec.report_interval_ms % 1000 != 0,
    ),
    (5, "TOS for this tester", lambda spec: bool(spec.tos) and spec.kind is not Kind.THROUGHPUT),
    (6, "an MSS", lambda spec: bool(spec.mss)),
)


def unsupported(spec: TestSpec, version: int) -> list[str]:
    """What a test needs that a server of a protocol version does not have."""
    return [name for first, name, needed in _FEATURES if version < first and needed(spec)]
