"""Reader of owping output, as chosen by its format. Source: testers.md 12."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from bwctl.testers import latency, owamp_machine, owamp_raw, owamp_text
from bwctl.testers.reading import MAX_REPLIES, clean, lines_of, present, text_of
from bwctl.values import Report, TestSpec

_COMPLAINT: Final = re.compile(r"^owping: (?!NTP: )(.+)")


def read(output: bytes, spec: TestSpec) -> Report:
    """The Report of the client, in whatever of the three formats its output is."""
    lines = lines_of(text_of(output), MAX_REPLIES)
    rows = owamp_raw.rows(lines)
    if rows:
        summary = owamp_raw.summary(rows)
    else:
        summary = owamp_machine.summary(lines) or owamp_text.summary(lines)
    sent, received = summary.get("sent"), summary.get("received")
    error = latency.defect(spec, sent, received or 0, _reasons(lines))
    if error is None and owamp_machine.UNFINISHED in lines:
        error = "the session did not come to its end"
    return Report(
        tool="owamp",
        error=error,
        summary=present(summary),
        intervals=owamp_raw.intervals(rows),
    )


def _reasons(lines: Iterable[str]) -> list[str]:
    """What owping complains of, but for the clock."""
    return [clean(match[1]) for line in lines if (match := _COMPLAINT.match(line))]
