"""Foreign JSON: any text becomes a value of the expected shape or nothing, in linear time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final


def _integer(digits: str) -> int | None:
    """A JSON integer; one of more than 64 bits is no measurement, and slow to convert."""
    return int(digits) if len(digits) <= 20 else None


_DECODER: Final = json.JSONDecoder(parse_int=_integer, parse_constant=lambda name: None)


def decoded(text: str, start: int = 0) -> dict[str, Any] | None:
    """The JSON object at an index of a text; what follows it does not matter."""
    try:
        value, _ = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def mapping(value: object) -> Mapping[str, Any]:
    """A value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> Sequence[Any]:
    """A value if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []
