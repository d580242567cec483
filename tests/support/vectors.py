"""Recorded sessions of C programs: protocol octets only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).resolve().parent.parent / "vectors"


@dataclass(frozen=True)
class Connection:
    """One recorded connection: its messages in order, and the key of its token."""

    scenario: str
    name: str
    kind: str
    token_key: bytes
    messages: list[dict[str, Any]]

    def stream(self, direction: str) -> bytes:
        """All octets of one direction ("c2s" or "s2c")."""
        return b"".join(
            bytes.fromhex(m["hex"]) for m in self.messages if m["direction"] == direction
        )

    def first(self, message: str) -> bytes:
        """Octets of the first message of a name, b"" if there is none."""
        for entry in self.messages:
            if entry["message"] == message:
                return bytes.fromhex(entry["hex"])
        return b""


def connections() -> Iterator[Connection]:
    """Every connection of every scenario."""
    for path in sorted(VECTORS.glob("*.json")):
        data = json.loads(path.read_text())
        if "messages" not in data:  # another set, with its own format
            continue
        for entry in data["connections"]:
            yield Connection(
                data["scenario"],
                entry["id"],
                entry["kind"],
                bytes.fromhex(entry.get("token_key", "")),
                [m for m in data["messages"] if m["connection"] == entry["id"]],
            )
