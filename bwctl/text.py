"""Text of others, fit to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final


def _unsafe() -> Iterator[int]:
    """Characters that steer a terminal, turn the line round, or cannot be written at all."""
    shown = {ord("\n"), ord("\t")}
    controls = chain(range(0x20), range(0x7F, 0xA0))
    others = chain(range(0x2028, 0x202F), range(0x2066, 0x206A), range(0xD800, 0xE000))
    return (one for one in chain(controls, others) if one not in shown)


_ESCAPES: Final = {one: chr(one).encode("unicode_escape").decode("ascii") for one in _unsafe()}


def sanitise(text: str | bytes) -> str:
    """A remote text fit for a terminal: what could steer it is shown as an escape.

    Line feed and tab stay.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").translate(_ESCAPES)
