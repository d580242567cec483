"""The hops of a trace as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bwctl.render.wording import digits, figure, one_line

MOST_HOPS = 255  # a TTL has eight bits
MOST_PROBES = 16
_LONGEST = 60  # characters of a name

_NOBODY = ("", "")

Row = tuple[str, str, str, str]


def hop_table(summary: Mapping[str, Any]) -> list[str]:
    """Lines: hop, address, name, round trips. A probe without an answer is a star."""
    hops = list(_mappings(summary.get("hops")))
    rows: list[Row] = [("hop", "address", "name", "RTT, ms")]
    rows += [row for hop in hops[:MOST_HOPS] for row in _rows(hop)]
    if len(rows) == 1:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"{hop:>{widths[0]}}  {address:<{widths[1]}}  {name:<{widths[2]}}  {times}".rstrip()
        for hop, address, name, times in rows
    ]
    return [*lines, f"... {len(hops) - MOST_HOPS} more hops"] if len(hops) > MOST_HOPS else lines


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    """The mappings in a parser's list, whatever else is in it."""
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        yield from (one for one in value if isinstance(one, Mapping))


def _rows(hop: Mapping[str, Any]) -> Iterator[Row]:
    """A row for each address that answered at a distance."""
    distance = figure(hop, "n")
    label = "?" if distance is None else f"{distance:.0f}"
    found: list[tuple[tuple[str, str], list[str]]] = []
    for probe in list(_mappings(hop.get("probes")))[:MOST_PROBES]:
        who = _who(probe)
        if found and who in (found[-1][0], _NOBODY):
            found[-1][1].append(_answer(probe))
        elif found and found[-1][0] == _NOBODY:  # stars go to the first that answers
            found[-1] = (who, [*found[-1][1], _answer(probe)])
        else:
            found.append((who, [_answer(probe)]))
    for number, ((address, name), answers) in enumerate(found or [(_NOBODY, ["*"])]):
        yield ("" if number else label, address, name, "  ".join(answers))


def _who(probe: Mapping[str, Any]) -> tuple[str, str]:
    """Address and name of who answered."""
    address, name = (one_line(probe.get(key) or "", _LONGEST) for key in ("addr", "name"))
    if not address and not name:
        return _NOBODY
    return address or "?", "" if name == address else name


def _answer(probe: Mapping[str, Any]) -> str:
    rtt = figure(probe, "rtt_ms")
    flag = one_line(probe.get("flag") or "", 8)
    if rtt is None:
        return flag or "*"
    return f"{digits(rtt)} {flag}".rstrip()
