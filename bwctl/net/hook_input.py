"""What a post-hook reads on its standard input. No reactor in here.

The text is C's, in C's order and with C's names, so that hooks written for C go on working:

    <TEST_CONFIG>
    name: value                 C's twenty lines, then ours
    </TEST_CONFIG>
    <RECV_OUTPUT>
    output of the end that receives
    </RECV_OUTPUT>
    <SEND_OUTPUT>
    output of the end that sends
    </SEND_OUTPUT>

Both outputs come octet for octet, with two exceptions that keep them apart from the frame:

* One that does not end in a newline gets one, so that a closing tag always begins a line; one
  that ends in a backslash too, as a shell's `read` would join the closing tag to it.
* Where an output (or a value) has one of the six tags, anywhere in a line and in any case, its
  "<" becomes "&lt;". C's hooks look for a tag anywhere in a line and take every `<TEST_CONFIG>`
  for the start of parameters: hostile output would otherwise make up a user or a limits class.
  Octets that some readers drop (NUL and backslash in a shell, carriage returns, what is not
  UTF-8) do not hide a tag. No tester writes such text by itself.

A value is one line for certain: NULs are left out, other characters that do not print become "?".

Source: daemon.md 1.8; bwctld/bwctld.c, BWLDExecPostHookScript.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from bwctl.results import TestEnded
from bwctl.values import NTP_UNIX_OFFSET, IPAddress, NTPTime, tool_name

PIECE = 64 * 1024  # octets handed on at once

_DROPPED = bytes(octet for octet in range(256) if not 0x21 <= octet <= 0x7E or octet == 0x5C)
_TAGS = (b"TEST_CONFIG", b"RECV_OUTPUT", b"SEND_OUTPUT")
_TAG_OCTETS = bytes(sorted({*b"/".join(_TAGS), *b"".join(_TAGS).lower()}))
_MAYBE_TAG = re.compile(b"<([" + re.escape(_TAG_OCTETS + _DROPPED) + b"]*)>")
_HOST_NAME = re.compile(r"[A-Za-z0-9._:-]{1,255}")


HookEvent = TestEnded


def hook_input(event: HookEvent, name: Callable[[IPAddress], str] = str) -> Iterator[bytes]:
    """The text for one event, in pieces of 1 to `PIECE` octets.

    Args:
        name: of a host; what is no host name gives way to the address.
    """
    own, other = event.output, event.other_output or b""
    received, sent = (other, own) if event.sends else (own, other)
    yield b"<TEST_CONFIG>\n" + defused(_configuration(event, name)) + b"</TEST_CONFIG>\n"
    yield from _section(b"RECV_OUTPUT", received)
    yield from _section(b"SEND_OUTPUT", sent)


# -- parameters ----------------------------------------------------------------------------------


def _configuration(event: HookEvent, name: Callable[[IPAddress], str]) -> bytes:
    lines = [*_lines_of_c(event, name), *_lines_of_ours(event)]
    return "".join(f"{key}: {_one_line(str(value))}\n" for key, value in lines).encode()


def _lines_of_c(event: HookEvent, name: Callable[[IPAddress], str]) -> list[tuple[str, object]]:
    spec = event.spec
    return [
        ("tool", event.tester or tool_name(spec.tool)),
        ("user", event.user or ""),
        ("limit_class", event.limit_class),
        ("start_time", _unix(event.start)),
        ("is_host_sender", _yes_no(event.sends)),
        ("tos", spec.tos),
        ("client", _host(event.client, name)),
        ("sender", _host(spec.address(spec.sender), name)),
        ("receiver", _host(spec.address(spec.sender.other), name)),
        ("duration", spec.duration),
        ("use_udp", _yes_no(spec.udp)),
        ("bandwidth", spec.bandwidth),
        ("window", spec.window),
        ("len_buffer", spec.buffer_length),
        ("mss", spec.mss),
        ("report_interval", spec.report_interval_ms),
        ("parallel_streams", spec.parallel),
        ("units", spec.units),
        ("output_format", spec.output_format),
        ("use_dynamic_window_sizing", _yes_no(spec.dynamic_window)),
    ]


def _lines_of_ours(event: HookEvent) -> list[tuple[str, object]]:
    """Not in C; all of them always, 0 where the tester has its default or knows no such thing."""
    spec = event.spec
    return [
        ("sid", event.sid.hex()),
        ("end_time", _unix(event.end)),
        ("status", event.status.name.lower()),
        ("peer_status", "" if event.other_status is None else event.other_status.name.lower()),
        ("omit", spec.omit),
        ("packet_count", spec.packet_count),
        ("packet_spacing", spec.packet_spacing_ms),
        ("packet_size", spec.packet_size),
        ("ttl", spec.ttl),
        ("first_ttl", spec.first_ttl),
        ("last_ttl", spec.last_ttl),
    ]


def _unix(moment: NTPTime) -> int:
    return (moment >> 32) - NTP_UNIX_OFFSET


def _yes_no(value: bool) -> str:
    return "YES" if value else "NO"


def _host(address: IPAddress, name: Callable[[IPAddress], str]) -> str:
    """A name from the DNS is as hostile as any other input."""
    found = name(address)
    return found if _HOST_NAME.fullmatch(found) else str(address)


def _one_line(text: str) -> str:
    shown = "".join(one if one.isprintable() else "?" for one in text.replace("\0", ""))
    return shown[:-1] + "?" if shown.endswith("\\") else shown  # read would join the next line


# -- outputs -------------------------------------------------------------------------------------


def _section(tag: bytes, output: bytes) -> Iterator[bytes]:
    yield b"<" + tag + b">\n"
    for part in _parts(output):
        safe = defused(part)
        yield from (safe[at : at + PIECE] for at in range(0, len(safe), PIECE))
    if output and not output.endswith(b"\n"):
        yield b"\n"
    if b"\\" in output[len(output.rstrip(_DROPPED)) :]:
        yield b"\n"
    yield b"</" + tag + b">\n"


def _parts(output: bytes) -> Iterator[bytes]:
    """The output cut before a "<", where no tag is cut through: small steps for the reactor."""
    at = 0
    while at < len(output):
        cut = output.find(b"<", at + PIECE)
        until = len(output) if cut < 0 else cut
        yield output[at:until]
        at = until


def defused(octets: bytes) -> bytes:
    """The same octets without any of the six tags."""
    return _MAYBE_TAG.sub(_defused_tag, octets)


def _defused_tag(found: re.Match[bytes]) -> bytes:
    inside = found[1].translate(None, _DROPPED).upper()
    return b"&lt;" + found[0][1:] if inside.removeprefix(b"/") in _TAGS else found[0]
