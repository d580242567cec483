"""The values of limits as the file writes them. Source: daemon.md 2.2; hours, days, dates: ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from bwctl.limits.classes import LIMITS, Sense, Value
from bwctl.limits.grammar import hint, scaled_integer, shown
from bwctl.limits.periods import (
    read_date,
    read_days,
    read_hours,
    write_date,
    write_days,
    write_hours,
)
from bwctl.values import PLUGGED_TOOLS, ToolID, single_tools, tool_name

TESTERS: Final[Mapping[str, ToolID]] = MappingProxyType(
    {tool_name(tool): tool for tool in ToolID if tool}
)
"""Testers by the name that configuration keys and -T use."""

_PLUGGED: Final = {
    tool_name(tool): tool for tools in PLUGGED_TOOLS.values() for tool in single_tools(tools)
}
"""Bits for the testers of other packages, whose names are not known here: `0x10000`."""


def tester_names(tools: ToolID) -> str:
    """Names of testers as the limit `testers` writes them."""
    return "+".join(map(tool_name, single_tools(tools)))


def read_value(limit: str, word: str) -> Value:
    """The value of a limit from the word in the file; ValueError if it is none."""
    return _READERS[LIMITS[limit]](word)


def format_value(limit: str, value: Value) -> str:
    """The value of a limit as the file writes it; "" for one that stands for all."""
    return _WRITERS.get(LIMITS[limit], str)(value or 0)


def _read_on_off(word: str) -> bool:
    try:
        return _ON_OFF[word.lower()]
    except KeyError:
        raise ValueError(f"{shown(word)} is neither on nor off") from None


def _read_testers(word: str) -> ToolID:
    tools = ToolID.NONE
    for name in word.lower().split("+"):
        tool = TESTERS.get(name) or _PLUGGED.get(name)
        if tool is None:
            raise ValueError(f"unknown tester {shown(name)}{hint(name, TESTERS)}")
        tools |= tool
    return tools


_ON_OFF: Final = {"on": True, "off": False}
_READERS: Final[Mapping[Sense, Callable[[str], Value]]] = {
    Sense.AT_MOST: scaled_integer,
    Sense.HORIZON: scaled_integer,
    Sense.AT_LEAST: scaled_integer,
    Sense.PERMISSION: _read_on_off,
    Sense.CHOICE: _read_testers,
    Sense.HOURS: read_hours,
    Sense.DAYS: read_days,
    Sense.FIRST_DAY: read_date,
    Sense.LAST_DAY: read_date,
}
_WRITERS: Final[Mapping[Sense, Callable[[int], str]]] = {
    Sense.PERMISSION: lambda value: "on" if value else "off",
    Sense.CHOICE: lambda value: tester_names(ToolID(value)),
    Sense.HOURS: write_hours,
    Sense.DAYS: write_days,
    Sense.FIRST_DAY: write_date,
    Sense.LAST_DAY: write_date,
}
"""Where there is no other way than the number itself."""
