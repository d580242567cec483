"""Classic stdout, result files and --parsable. Source: clients.md 10."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from bwctl.results import EndResult, Side, TestResult
from bwctl.text import sanitise
from bwctl.values import NTPTime, Role

_FILE_ENDING = {Side.RECEIVER: ".recv.bw", Side.SENDER: ".send.bw"}

_REMARK = re.compile(
    rb"^(?:bwctl|warning|WARNING): ([^\n]*)\n?"
    # a line of the daemon starts in mid-line where the tester's last line has no end
    rb"|(?<=[}\]0-9])bwctl: ([^\n]*)",
    re.MULTILINE,
)
_JSON = re.compile(rb"^\{.*^[{}][^\n]*\n?|^\{[^\n]*\n?", re.MULTILINE | re.DOTALL)


def shown_ends(result: TestResult, both: bool) -> list[tuple[Side, EndResult]]:
    """The ends whose output the user gets, server role first.

    Without -x it is the end that the tester's results come from; if it sent none, the other.
    """
    without_server = result.spec is not None and result.spec.no_server_endpoint
    wanted = Role.CLIENT if without_server else result.results_role
    answered = [(side, end) for side, end in result.ends() if end.answered]
    chosen = [] if both else [item for item in answered if item[1].role is wanted]
    return sorted(chosen or answered, key=lambda item: item[1].role is not Role.SERVER)


def classic(
    result: TestResult,
    *,
    both: bool,
    parsable: bool = False,
    exact: bool = False,
    safe: bool = False,
) -> Iterator[bytes]:
    """What stdout gets of one test, in parts.

    Args:
        both: -x.
        parsable: --parsable; leaves out what `remarks_of` gives.
        exact: --classic; nothing is left out, as in C.
        safe: for a terminal; otherwise the tester's output goes out octet for octet.
    """
    for side, end in shown_ends(result, both):
        raw = _body(end, parsable, exact)
        yield from frame(side, _on_terminal(raw) if safe else (raw,))


def frame(side: Side, body: Iterable[bytes]) -> Iterator[bytes]:
    """One end's output between its START and END lines. Source: clients.md 10.2."""
    name = side.name.encode()
    yield b"\n%b START\n" % name
    yield from body
    yield b"\n%b END\n" % name


SHOWN = 1 << 20  # octets that anybody reads on a terminal
_PIECE = 1 << 14
MOST_REMARKS = 1000
LONGEST_REMARK = 1000  # octets
_MARGIN = 1 << 20  # octets in which remarks are looked for, at each end of an output

_FOR_PROGRAMS = b"#json "  # begins thrulay's last line; --json has what it says


def _body(end: EndResult, parsable: bool, exact: bool = False) -> bytes:
    if exact:
        return end.raw
    return machine_part(end.raw) if parsable else _for_people(end.raw)


def _for_people(raw: bytes) -> bytes:
    """An output without the line for programs."""
    start = raw.rfind(b"\n" + _FOR_PROGRAMS) + 1
    if not raw.startswith(_FOR_PROGRAMS, start):
        return raw
    end = raw.find(b"\n", start) + 1 or len(raw)
    return raw[:start] + raw[end:]


def _on_terminal(raw: bytes) -> Iterator[bytes]:
    """An output that cannot steer a terminal, and ends; in pieces, as escapes take room."""
    text = raw[:SHOWN].decode("utf-8", "replace").replace("\r\n", "\n")
    for start in range(0, len(text), _PIECE):
        yield sanitise(text[start : start + _PIECE]).encode()
    if len(raw) > SHOWN:
        rest = len(raw) - SHOWN
        yield b"\n[%d more octets; redirect stdout, or use -p]\n" % rest


def machine_part(raw: bytes) -> bytes:
    """A tester's output in its format for programs, without what else was written between."""
    data = _without_remarks(raw)
    json = _JSON.search(data)
    return json[0] if json else data


def remarks_of(raw: bytes) -> list[str]:
    """The lines that `machine_part` leaves out, fit for stderr; of very many the first.

    They are lines of the daemon, warnings, and all outside of JSON objects.
    """
    found = islice(chain(_around_json(raw), _remarks(raw)), MOST_REMARKS)
    return [sanitise(line[:LONGEST_REMARK]) for line in found]


def _around_json(raw: bytes) -> Iterator[bytes]:
    """iperf3 -J -V writes its segment size as text before the object."""
    data = _without_remarks(raw)
    json = _JSON.search(data)
    for text in (data[: json.start()], data[json.end() :]) if json else ():
        yield from filter(None, text.split(b"\n", MOST_REMARKS)[:MOST_REMARKS])


def _remarks(raw: bytes) -> Iterator[bytes]:
    head, _, tail = _parts(raw)
    for match in chain(_REMARK.finditer(head), _REMARK.finditer(tail)):
        yield match[1] or match[2] or b""


def _without_remarks(raw: bytes) -> bytes:
    head, middle, tail = _parts(raw)
    return b"".join((_REMARK.sub(b"", head), middle, _REMARK.sub(b"", tail)))


def _parts(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Beginning, middle and end, cut between lines; nobody but a tester writes in the middle."""
    if len(raw) <= 2 * _MARGIN:
        return raw, b"", b""
    first = raw.rfind(b"\n", 0, _MARGIN) + 1
    last = raw.find(b"\n", len(raw) - _MARGIN) + 1 or len(raw) - _MARGIN
    return raw[:first], raw[first:last], raw[last:]


def files(result: TestResult, *, both: bool, parsable: bool = False) -> Iterator[tuple[str, bytes]]:
    """Names, without directory, and contents of the files of -p. Source: clients.md 10.4."""
    if result.reserved_start is None:
        return
    for side, end in shown_ends(result, both):
        yield file_name(result.reserved_start, side), _body(end, parsable)


def file_name(start: NTPTime, side: Side) -> str:
    """The name of a result file."""
    return f"{start:020d}{_FILE_ENDING[side]}"
