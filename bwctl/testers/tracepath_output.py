"""Reader of tracepath output. Source: testers.md 11."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from bwctl.testers import trace
from bwctl.testers.reading import clean, foreign_address, number
from bwctl.testers.trace import Probe
from bwctl.values import Report

_HOP: Final = re.compile(r"^ {0,2}(?P<n>[0-9]{1,3})\??: {1,4}(?P<rest>[^\s].*)$")
_WHO: Final = re.compile(r"^(?P<name>\S{1,260})(?: \((?P<addr>\S{1,80})\))? ")
_TIME: Final = re.compile(r" (?P<time>[0-9.]{1,20})ms(?P<flags>.*)$")
_FLAG: Final = re.compile(r" (!\S{1,10})")
_PMTU: Final = re.compile(r"\bpmtu (?P<pmtu>[0-9]{1,9})\b")
_NOBODY: Final = "???"  # its name cannot be found, and -b or -n was not given
_OURSELVES: Final = "[LOCALHOST]"


def read(lines: Iterable[str]) -> Report:
    """The Report of the sender. A hop stands there once or several times: the last time counts."""
    hops: dict[int, list[Probe]] = {}
    others: list[str] = []
    pmtu: int | None = None
    reached = False
    for line in lines:
        hop, mtu = _HOP.match(line), _PMTU.search(line)
        if mtu is not None:
            pmtu = int(mtu["pmtu"])
        if hop is None:
            others += [line] if mtu is None else []
        elif not hop["rest"].startswith(_OURSELVES) and 0 < int(hop["n"]) < 256:
            found = _probe(hop["rest"])
            hops[int(hop["n"])] = [found]
            others += [hop["rest"]] if not found and hop["rest"] != "no reply" else []
            reached = reached or hop["rest"].endswith(" reached")
    return trace.report("tracepath", hops, reached=reached, lines=others, pmtu=pmtu)


def _probe(rest: str) -> Probe:
    """The one probe of a hop's line; one without a time was not answered."""
    who, time = _WHO.match(rest), _TIME.search(rest)
    if who is None or time is None:
        return {}
    name: str | None = clean(who["name"])
    addr = foreign_address(who["addr"] or who["name"])
    found = trace.probe(addr, name if name != _NOBODY else None, number(time["time"]))
    flags = " ".join(_FLAG.findall(time["flags"]))
    return found | ({"flag": clean(flags)} if flags else {})
