"""Small parts of what is shown: numbers with their units, moments, names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, TypeGuard

from bwctl.results import TestResult
from bwctl.text import sanitise
from bwctl.values import Kind, NTPTime, TestSpec, tool_name

LARGEST = 1e30
PREFIXES = ("", "k", "M", "G", "T", "P", "E")
_EPOCH = datetime(1900, 1, 1, tzinfo=timezone.utc)
_LATEST = NTPTime(int((datetime.max - datetime(1900, 1, 1)).total_seconds()) << 32)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number, of a size that a measurement can have."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -LARGEST < value < LARGEST


def figure(figures: object, *path: str) -> float | None:
    """A number in nested mappings that come from a parser; None where there is none."""
    for key in path:
        figures = figures.get(key) if isinstance(figures, Mapping) else None
    return figures if is_number(figures) else None


def digits(value: float) -> str:
    """A number with three digits, large ones in whole."""
    return f"{value:.0f}" if 999.5 <= abs(value) < 1e9 else f"{value:.3g}"


def scaled(value: float, unit: str) -> str:
    """A number with three digits and the prefix of SI that fits: `16.6 Gbit/s`."""
    power = 0
    while abs(value) >= 999.5 and power < len(PREFIXES) - 1:
        value /= 1000
        power += 1
    shown = f"{value:#.3g}".rstrip(".") if power else f"{value:.3g}"
    return f"{shown} {PREFIXES[power]}{unit}"


def span(seconds: float) -> str:
    """A length of time in whole seconds, with minutes and hours where it is long: `2 min 05 s`."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 120:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def rfc3339(moment: NTPTime) -> str:
    """A moment in UTC, to the microsecond."""
    when = _EPOCH + timedelta(microseconds=(min(moment, _LATEST) * 1_000_000) >> 32)
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")


def tester_name(result: TestResult) -> str:
    """The tester's name as -T takes it; "" before one was chosen."""
    return result.tester or (tool_name(result.spec.tool) if result.spec else "")


def what_is_tested(result: TestResult) -> str:
    """Tester, protocol, time and direction of a test in a few words; "" before they are known."""
    spec = result.spec
    if spec is None:
        return ""
    sender, receiver = spec.address(spec.sender), spec.address(spec.sender.other)
    parts = [tester_name(result) + protocol(spec)]
    if spec.kind is Kind.LATENCY and spec.packet_count:
        parts.append(f"{spec.packet_count} packets")
    elif spec.kind is not Kind.TRACE:
        parts.append(span(spec.duration))
    return ", ".join([*parts, f"{sender} -> {receiver}"])


def protocol(spec: TestSpec) -> str:
    """` TCP` or ` UDP`, where the test has the choice."""
    if spec.kind is not Kind.THROUGHPUT:
        return ""
    return " UDP" if spec.udp else " TCP"


def one_line(text: object, longest: int = 300) -> str:
    """Foreign text fit for one line of a terminal, of bounded length."""
    shown = " ".join(sanitise(str(text)[: 2 * longest]).split())
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."


def known(**values: Any) -> dict[str, Any]:
    """The values that are known."""
    return {key: value for key, value in values.items() if value not in (None, {}, [], (), "")}
