"""What the traces share: the shape of their results, and what makes one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from bwctl.testers.common import Range
from bwctl.testers.reading import clean, hint, lines_of, present, text_of
from bwctl.values import Report, TestSpec

NUMERIC: Final = "a"  # the output format for addresses without names
LAST_TTL: Final = 30  # where a test does not say
FIRST_RANGE: Final = Range("first_ttl", "-F", 1, 255)
LAST_RANGE: Final = Range("last_ttl", "-M", 1, 255)

MAX_LINES: Final = 1000  # that are looked at; 255 hops have three each at most

Probe = dict[str, Any]  # {addr, name, rtt_ms, flag}; {} without an answer
Hops = Mapping[int, list[Probe]]  # by the number of the hop


def lines_of_trace(output: bytes) -> list[str]:
    """The lines that are looked at."""
    return lines_of(text_of(output))[:MAX_LINES]


def probe(addr: str | None, name: str | None, rtt_ms: float | None) -> Probe:
    """A probe with what is known of it; a name that only repeats the address is none."""
    return present({"addr": addr, "name": name if name != addr else None, "rtt_ms": rtt_ms})


def order_problem(name: str, spec: TestSpec) -> list[str]:
    """A sentence if a trace would end before it begins."""
    last = spec.last_ttl or LAST_TTL
    if spec.first_ttl <= last:
        return []
    return [f"{name} would begin at hop {spec.first_ttl} (-F), beyond the last one, {last} (-M)"]


def report(
    tool: str,
    hops: Hops,
    *,
    reached: bool,
    lines: Iterable[str],
    pmtu: int | None = None,
) -> Report:
    """The Report of a trace: a result as soon as one hop has answered, reached or not.

    Args:
        lines: those that are neither header nor hop; searched for the reason where none answered.
    """
    answered = any(any(one.values()) for probes in hops.values() for one in probes)
    summary = present(
        {
            "reached": reached if hops else None,
            "hops": [{"n": n, "probes": probes} for n, probes in sorted(hops.items())] or None,
            "pmtu": pmtu,
        }
    )
    error = None if answered else _reason([*lines], hops)
    return Report(tool=tool, error=error, summary=summary)


def _reason(lines: Sequence[str], hops: Hops) -> str:
    """Why no hop answered."""
    if hops:
        return hint(lines) or "no hop has answered"
    said = (clean(line) for line in lines if not line.startswith("bwctl: "))
    return next(filter(None, said), None) or hint(lines) or "no hop found in the output"
