"""Readers of values of a JSON file: the value in, what it means out, ValueError with the rule."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from bwctl.limits.grammar import scaled_integer
from bwctl.mesh.units import span
from bwctl.values import IPAddress


def whole(low: int, high: int) -> Callable[[Any], int]:
    """A reader of whole numbers."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return read


def decimal(low: float, high: float) -> Callable[[Any], float]:
    """A reader of numbers."""

    def read(value: Any) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            raise ValueError(f"must be a number from {low:.10g} to {high:.10g}")
        return float(value)

    return read


def time_span(low: float, high: float) -> Callable[[Any], float]:
    """A reader of seconds: a number, or a text as `span` reads it."""

    def read(value: Any) -> float:
        found = span(value) if isinstance(value, str) else value
        number = isinstance(found, int | float) and not isinstance(found, bool)
        if not number or not low <= found <= high:
            raise ValueError(f"must be a time from {low:.10g} to {high:.10g} seconds")
        return float(found)

    return read


def whole_span(low: int, high: int) -> Callable[[Any], int]:
    """A reader of whole seconds: a number, or a text that means them."""
    read_span = time_span(low, high)

    def read(value: Any) -> int:
        seconds = read_span(value)
        if seconds != int(seconds):
            raise ValueError("must be whole seconds")
        return int(seconds)

    return read


def flag(value: Any) -> bool:
    """A reader of true and false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def text(value: Any) -> str:
    """A reader of texts of one line that are not empty."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("must be a text of one line")
    return value


def rate(value: Any) -> int:
    """A reader of bit/s: a number, or digits with k, m, g, t, p or e after them."""
    word = value if isinstance(value, str) else str(whole(0, (1 << 64) - 1)(value))
    try:
        return scaled_integer(word)
    except ValueError:
        raise ValueError("must be bit/s, digits with at most one of k m g t p e") from None


def address(value: Any) -> IPAddress:
    """A reader of IP addresses."""
    try:
        return ip_address(text(value))
    except ValueError:
        raise ValueError("must be an IP address") from None
