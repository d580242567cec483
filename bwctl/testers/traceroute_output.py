"""Reader of the output of traceroute and paris-traceroute. Source: testers.md 11."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from bwctl.testers import trace
from bwctl.testers.oneended import target
from bwctl.testers.reading import clean, foreign_address, number
from bwctl.testers.trace import Probe
from bwctl.values import IPAddress, Report, TestSpec

_HEADER: Final = re.compile(r"^(?:\S{1,40} )?(?:trace\S*|mda) to \S+ \((?P<addr>[^)\s]{1,80})\)")
_HOP: Final = re.compile(r"^ {0,2}(?P<n>[0-9]{1,3}) {1,2}(?P<rest>[^\s].*)$")
_TIME: Final = re.compile(r"^([0-9]{1,12}(?:\.[0-9]{1,12})?)(ms)?$")
_MOST_WORDS: Final = 64  # of a hop; ten probes with five words each have fewer


def read(tool: str, lines: Iterable[str], spec: TestSpec) -> Report:
    """The Report of the sender."""
    targets = {target(spec)}
    hops: dict[int, list[Probe]] = {}
    others: list[str] = []
    for line in lines:
        header, hop = _HEADER.match(line), _HOP.match(line)
        probes = probes_of(hop["rest"].split()[:_MOST_WORDS]) if hop else []
        if header is not None:
            targets |= _addresses(header["addr"])
        elif hop is not None and probes and 0 < int(hop["n"]) < 256:
            hops[int(hop["n"])] = probes
        else:
            others.append(line)
    found = (one.get("addr", "") for probes in hops.values() for one in probes)
    reached = any(targets & _addresses(addr) for addr in set(found))
    return trace.report(tool, hops, reached=reached, lines=others)


def _addresses(text: str) -> set[IPAddress]:
    """The address in a text, without its zone; none if it is none."""
    try:
        return {ip_address(text.partition("%")[0])}
    except ValueError:
        return set()


def probes_of(words: Iterable[str]) -> list[Probe]:
    """The probes of one hop.

    A router stands before the first of its probes: `NAME (ADDR)`, or either alone. Behind a time
    may stand `ms`, and flags such as `!H`; paris-traceroute has a `!` alone in place of a time.
    """
    probes: list[Probe] = []
    addr: str | None = None
    name: str | None = None
    time: float | None = None
    for word in words:
        timed = _TIME.match(word)
        if word == "*":
            probes.append({})
        elif timed and timed[2]:
            probes.append(trace.probe(addr, name, number(timed[1])))
        elif word == "ms" and time is not None:
            probes.append(trace.probe(addr, name, time))
        elif word.startswith("!"):
            _flag(probes, word)
        elif word.startswith("(") and word.endswith(")"):
            addr = foreign_address(word[1:-1])
        elif not timed and not word.startswith("["):
            addr, name = foreign_address(word), clean(word) or None
        time = number(timed[1]) if timed else None
    return probes


def _flag(probes: list[Probe], word: str) -> None:
    """A flag belongs to the probe before it."""
    if word == "!" or not probes:
        probes.append({})
    probes[-1]["flag"] = clean(f"{probes[-1].get('flag', '')} {word}")
