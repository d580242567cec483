"""What `bwctl-simulate` prints: tables with a verdict, or JSON (schema bwctl.simulation/1)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from bwctl import __version__
from bwctl.cli.simulateprogram import SIMULATE
from bwctl.mesh.units import span_text
from bwctl.mesh.values import MeshTest
from bwctl.results import Failure
from bwctl.simulate.bottleneck import Bottleneck
from bwctl.simulate.report import HostReport, Report, Tally, Waits
from bwctl.simulate.settings import Settings
from bwctl.simulate.simulation import Simulation
from bwctl.simulate.verdict import Verdict
from bwctl.text import sanitise
from bwctl.values import tool_name

SCHEMA: Final = "bwctl.simulation/1"
_SHOWN_HOSTS: Final = 10
_SHOWN_REASONS: Final = 5

_COUNTS: Final = ("planned", "done", "late", "busy", "denied", "failed")
_TEST_HEADS: Final = ("test", "pairs", "every", *_COUNTS, "wait p50", "p95", "max")
_HOST_HEADS: Final = ("host", *_COUNTS, "wait p95", "testing", "taken", "clients")


def text_report(found: Report, verdict: Verdict, *, everything: bool = False) -> str:
    """Two tables, the verdict and advice.

    Args:
        everything: all hosts, not just the busiest.
    """
    lines = [
        f"{len(found.hosts)} hosts, {found.series} pairs, {found.total.planned:,} tests planned "
        f"in {span_text(found.duration)}",
        "",
        *_table(_TEST_HEADS, [_test_row(test, tally) for test, tally in found.tests]),
        "",
    ]
    hosts = found.busiest if everything else found.busiest[:_SHOWN_HOSTS]
    lines += _table(_HOST_HEADS, map(_host_row, hosts))
    if len(hosts) < len(found.hosts):
        lines.append(f"and {len(found.hosts) - len(hosts)} hosts that are less busy")
    lines += ["", *_reasons(found.total), *_verdict(verdict)]
    return "".join(f"{sanitise(line)}\n" for line in lines)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The first column to the left, numbers to the right."""
    table = [heads, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in table
    ]


def _test_row(test: MeshTest, tally: Tally) -> list[str]:
    waits = tally.waits
    seconds = [waits.p50, waits.p95, waits.most] if waits else []
    shown = [f"{one:.1f} s" for one in seconds] or ["-"] * 3
    return [test.name, str(len(test.pairs)), span_text(test.interval), *_counts(tally), *shown]


def _host_row(host: HostReport) -> list[str]:
    waits = host.tally.waits
    return [
        host.name,
        *_counts(host.tally),
        f"{waits.p95:.1f} s" if waits else "-",
        f"{100 * host.tested:.1f} %",
        f"{100 * host.held:.1f} %",
        str(host.connections),
    ]


def _counts(tally: Tally) -> list[str]:
    return [f"{getattr(tally, name):,}" for name in _COUNTS]


def _reasons(total: Tally) -> list[str]:
    """Why tests were denied or failed, the most frequent first."""
    lines = [f"{count:,} {reason}" for reason, count in total.reasons.items()]
    lines = lines[:_SHOWN_REASONS] + ["..."] * (len(lines) > _SHOWN_REASONS)
    if total.injected:
        faults = ", ".join(f"{count:,} {reason}" for reason, count in total.faults.items())
        lines.append(f"by faults of the simulation: {faults}")
    return [*lines, ""] if lines else []


def _verdict(verdict: Verdict) -> list[str]:
    told: Sequence[str] = verdict.advice
    head = "fits" if verdict.fits else f"does not fit: {'; '.join(verdict.reasons)}"
    if verdict.bottleneck is not None:
        what = "busiest" if verdict.fits else "bottleneck"
        told = [f"{what}: {verdict.bottleneck.sentence}", *told]
    return [head, *(f"* {one}" for one in told)]


# -- JSON ----------------------------------------------------------------------------------------


def json_report(simulation: Simulation, found: Report, verdict: Verdict) -> str:
    """The object in one line, with its line feed."""
    return _line(
        status="ok",
        fits=verdict.fits,
        reasons=list(verdict.reasons),
        advice=list(verdict.advice),
        bottleneck=_bottleneck(verdict.bottleneck),
        parameters=_parameters(simulation.settings),
        total=_tally(found.total),
        tests=[_test(test, tally) for test, tally in found.tests],
        hosts=[_host(host) for host in found.hosts],
    )


def json_failure(failure: Failure) -> str:
    """The object where there is no simulation."""
    values = {"code": failure.code, "exit_status": failure.exit_status, "message": failure.message}
    return _line(status="failed", error=values | ({"hint": failure.hint} if failure.hint else {}))


def _line(**values: Any) -> str:
    head = {"schema": SCHEMA, "program": SIMULATE.name, "program_version": __version__}
    return json.dumps(head | values, allow_nan=False) + "\n"


def _bottleneck(found: Bottleneck | None) -> dict[str, Any] | None:
    if found is None:
        return None
    told = {
        "hosts": list(found.hosts),
        "asked_share": round(found.asked, 6),
        "taken_share": round(found.taken, 6),
        "busy": found.refused,
    }
    return told | ({"wait_p95_seconds": round(found.wait, 6)} if found.wait is not None else {})


def _parameters(settings: Settings) -> dict[str, Any]:
    daemon = settings.daemon
    return {
        "duration_seconds": settings.duration,
        "seed": settings.seed,
        "rtt_seconds": settings.rtt,
        "clock_offset_seconds": settings.clock_offset,
        "clock_error_seconds": settings.clock_error,
        "sync_fuzz_seconds": settings.sync_fuzz,
        "failure_rate": settings.failure_rate,
        "setup_margin_seconds": daemon.setup_margin,
        "overrun_seconds": daemon.overrun,
        "guard": daemon.guard.value,
    }


def _test(test: MeshTest, tally: Tally) -> dict[str, Any]:
    return {
        "name": test.name,
        "tool": tool_name(test.tool),
        "pairs": len(test.pairs),
        "duration_seconds": test.seconds,
        "interval_seconds": test.interval,
        "latest_seconds": test.latest,
    } | _tally(tally)


def _host(host: HostReport) -> dict[str, Any]:
    return {
        "name": host.name,
        **_tally(host.tally),
        "testing_share": round(host.tested, 6),
        "taken_share": round(host.held, 6),
        "overlaps": host.overlaps,
        "connections": host.connections,
    }


def _tally(tally: Tally) -> dict[str, Any]:
    counts = {name: getattr(tally, name) for name in (*_COUNTS, "injected")}
    told = {"reasons": dict(tally.reasons), "faults": dict(tally.faults)}
    return counts | told | ({"wait_seconds": _waits(tally.waits)} if tally.waits else {})


def _waits(waits: Waits) -> dict[str, float]:
    return {"p50": round(waits.p50, 6), "p95": round(waits.p95, 6), "max": round(waits.most, 6)}
