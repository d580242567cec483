"""Reader of ping output: iputils, busybox, BSD. Source: testers.md 10."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from bwctl.testers import latency
from bwctl.testers.reading import MAX_REPLIES, clean, hint, lines_of, number, present, text_of
from bwctl.values import Report, TestSpec

_STAMP: Final = r"^(?:\[[0-9.]{1,30}\] )?"
_REPLY: Final = re.compile(
    _STAMP + r"[0-9]{1,9} bytes from .{1,300}?[:,] (?:icmp_)?seq=(?P<seq>[0-9]{1,9})"
    r"(?: (?:ttl|hlim)=(?P<ttl>[0-9]{1,3}))?(?: time[=<](?P<rtt>[0-9.]{1,20}) ms)?(?P<rest>.*)"
)
_REFUSAL: Final = re.compile(_STAMP + r"From .{1,300}?[: ] ?icmp_seq=[0-9]{1,9} (?P<reason>.+)")
_STATISTICS: Final = re.compile(r"^[0-9]{1,12} packets transmitted, ")
_COUNT: Final = re.compile(
    r"\+?([0-9]{1,12}) (?:packets )?(transmitted|received|duplicates|corrupted|errors)\b"
)
_TIMES: Final = re.compile(
    r"^(?:rtt|round-trip) min/avg/max(?:/(?:mdev|stddev|std-dev))? = "
    r"([0-9.]{1,20})/([0-9.]{1,20})/([0-9.]{1,20})(?:/([0-9.]{1,20}))? ms"
)
_COMPLAINT: Final = re.compile(r"^(?:ping6?: |(?=connect: ))(?!warning)(?P<text>.+)", re.IGNORECASE)


def read(output: bytes, spec: TestSpec) -> Report:
    """The Report of the sender."""
    lines = lines_of(text_of(output), MAX_REPLIES)
    replies = [reply for line in lines if (reply := _reply(line))]
    counts = _counts(lines)
    sent = counts.get("transmitted")
    received = counts.get("received", sum("duplicate" not in reply for reply in replies))
    reasons = _reasons(lines) or ([] if counts else _hints(lines))
    error = latency.defect(spec, sent, received, reasons)
    if not counts and not replies:
        return Report(tool="ping", error=error)
    summary = {
        **latency.loss(sent, received),
        "duplicates": counts.get("duplicates", 0 if counts else len(replies) - received),
        "errors": counts.get("errors", 0 if counts else None),
        "rtt_ms": _times(lines) or _times_of(replies),
        **_hops(replies),
        "reordering": _reordered(replies),
    }
    return Report(tool="ping", error=error, summary=present(summary), intervals=replies)


def _reply(line: str) -> dict[str, Any] | None:
    """One packet that came back; a very short one (-l below 16) has no time in it."""
    match = _REPLY.match(line)
    if match is None:
        return None
    duplicate = "(DUP!)" in match["rest"] or None
    return present(
        {
            "seq": int(match["seq"]),
            "rtt_ms": number(match["rtt"]),
            "ttl": int(match["ttl"]) if match["ttl"] else None,
            "duplicate": duplicate,
        }
    )


def _counts(lines: Iterable[str]) -> dict[str, int]:
    """What the statistics count; empty without them."""
    line = next((line for line in lines if _STATISTICS.match(line)), "")
    return {word: int(amount) for amount, word in _COUNT.findall(line)}


def _reasons(lines: Sequence[str]) -> list[str]:
    """Why packets did not come back: what routers said, then what ping itself said."""
    refusals = (match["reason"] for line in lines if (match := _REFUSAL.match(line)))
    complaints = (match["text"] for line in lines if (match := _COMPLAINT.match(line)))
    found = [*_first(refusals), *_first(complaints)]
    return [text for one in found if (text := clean(one))]


def _hints(lines: Sequence[str]) -> list[str]:
    """What else may be the reason; beside statistics a daemon's remarks only repeat them."""
    return [found] if (found := hint(lines)) else []


def _first(texts: Iterable[str]) -> list[str]:
    first = next(iter(texts), None)
    return [] if first is None else [first]


def _times(lines: Iterable[str]) -> dict[str, float] | None:
    """The round trips of the statistics."""
    match = next((match for line in lines if (match := _TIMES.match(line))), None)
    if match is None:
        return None
    names = ("min", "mean", "max", "mdev")
    found = {name: number(text) for name, text in zip(names, match.groups(), strict=True)}
    return present(found) or None


def _times_of(replies: Iterable[dict[str, Any]]) -> dict[str, float] | None:
    """The round trips of single replies, where the statistics are missing."""
    times = [reply["rtt_ms"] for reply in replies if "rtt_ms" in reply]
    if not times:
        return None
    return {"min": min(times), "mean": sum(times) / len(times), "max": max(times)}


def _hops(replies: Iterable[dict[str, Any]]) -> dict[str, int]:
    found = [reply["ttl"] for reply in replies if "ttl" in reply]
    return {"ttl_min": min(found), "ttl_max": max(found)} if found else {}


def _reordered(replies: Sequence[dict[str, Any]]) -> int | None:
    """How many replies came after one to a later packet."""
    highest, late = -1, 0
    for reply in replies:
        if "duplicate" not in reply:
            late += reply["seq"] < highest
            highest = max(highest, reply["seq"])
    return late if replies else None
