"""The published schema of results, and whether objects keep to it.

Read as published it allows keys that it does not name, as later releases may add some. The tests
hold the program to the strict reading: a key that the schema does not name is an error.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).parents[2] / "doc" / "schema" / "bwctl.result-1.json"
_CONDITIONS = ("if", "then", "else", "not", "allOf")


def strict(schema: Any) -> Any:
    """The schema with no other keys than those it names; conditions stay as they are."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: value if key in _CONDITIONS else strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


PUBLISHED: Any = json.loads(SCHEMA.read_text("utf-8"))
STRICT = Draft202012Validator(strict(PUBLISHED))


def problems(result: Any) -> list[str]:
    """What is wrong with an object of --json; none: it keeps to the schema."""
    return [f"{one.json_path}: {one.message[:300]}" for one in STRICT.iter_errors(result)]


def read_results(stdout: str) -> list[dict[str, Any]]:
    """The objects that a client printed with --json, one in each line.

    Raises:
        AssertionError: something else was printed, or an object does not keep to the schema.
    """
    results = []
    for line in stdout.splitlines():
        try:
            result = json.loads(line, parse_constant=_no_json)
        except ValueError as error:
            raise AssertionError(f"no JSON object: {line[:300]!r}") from error
        if wrong := problems(result):
            raise AssertionError("\n".join(wrong))
        results.append(result)
    return results


def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
