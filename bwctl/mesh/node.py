"""A value out of a JSON file that knows where it stands, for messages such as tests[2].tool: ..."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final, TypeVar

from bwctl.errors import ConfigurationError, Problem
from bwctl.limits.grammar import hint, shown

T = TypeVar("T")

MAX_PROBLEMS: Final = 20  # more are not told: they are mostly one mistake many times
_LONGEST_SHOWN: Final = 60
_KINDS: Final = {bool: "true or false", str: "a text", list: "a list", dict: "an object"}


class Node:
    """A value, its path, and the list of problems of its file."""

    def __init__(self, value: Any, path: str, file: str, problems: list[Problem]) -> None:
        self.value = value
        self.path = path
        self._file = file
        self._problems = problems

    def problem(self, message: str) -> None:
        """Note that this value cannot be used."""
        if len(self._problems) < MAX_PROBLEMS:
            where = f"{self.path}: " if self.path else ""
            self._problems.append(Problem(self._file, 0, f"{where}{message}"))

    @property
    def problems(self) -> int:
        """How many were found so far in the whole file."""
        return len(self._problems)

    def finish(self) -> None:
        """Raise ConfigurationError if there were problems anywhere in the file."""
        if self._problems:
            raise ConfigurationError(self._problems)

    # -- objects and lists -----------------------------------------------------------------------

    def at(self, key: str) -> Node | None:
        """The value of a key of an object; None where there is none."""
        if not isinstance(self.value, dict) or key not in self.value:
            return None
        path = f"{self.path}.{key}" if self.path else key
        return Node(self.value[key], path, self._file, self._problems)

    def needed(self, key: str) -> Node | None:
        """As `at`, but it is a problem if an object has none."""
        found = self.at(key)
        if found is None and isinstance(self.value, dict):
            self.problem(f"{shown(key)} is missing")
        return found

    def keys(self, known: Collection[str] | None = None) -> list[str]:
        """The keys of an object; those that are not known are problems."""
        if not self.is_a(dict):
            return []
        for key in self.value:
            if known is not None and key not in known:
                self.problem(f"unknown key {shown(key)}{hint(key, known)}")
        return list(self.value)

    def items(self) -> Iterator[Node]:
        """The values of a list."""
        if self.is_a(list):
            for number, value in enumerate(self.value):
                yield Node(value, f"{self.path}[{number}]", self._file, self._problems)

    # -- plain values ----------------------------------------------------------------------------

    def is_a(self, kind: type) -> bool:
        """Whether it is a text, a list, an object or true/false; a problem if not."""
        if isinstance(self.value, kind):
            return True
        self.problem(f"must be {_KINDS[kind]}, not {self._shown()}")
        return False

    def read(self, reader: Callable[[Any], T], default: T) -> T:
        """What a reader makes of the value; its ValueError is a problem."""
        try:
            return reader(self.value)
        except ValueError as error:
            self.problem(f"{error}, not {self._shown()}")
            return default

    def _shown(self) -> str:
        text = json.dumps(self.value)
        return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."

    def get(self, key: str, reader: Callable[[Any], T], default: T) -> T:
        """What a reader makes of a key's value; the default where there is none."""
        found = self.at(key)
        return default if found is None else found.read(reader, default)


def parse_json(text: str, file: str) -> Node:
    """The root of a JSON file.

    Raises:
        ConfigurationError: it is no JSON, or has a key twice or a number that JSON does not have.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise ConfigurationError([Problem(file, error.lineno, f"no JSON: {error.msg}")]) from None
    except RecursionError:
        raise ConfigurationError([Problem(file, 0, "nested too deeply")]) from None
    except ValueError as error:
        raise ConfigurationError([Problem(file, 0, str(error))]) from None
    return Node(value, "", file, [])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object with the key {shown(twice)} twice")
    return found


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is no number in JSON")
