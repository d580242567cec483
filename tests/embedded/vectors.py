"""What C thrulay 0.9 said, did and computed, recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_DIRECTORY = Path(__file__).resolve().parents[1] / "vectors"


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_DIRECTORY / f"thrulay-{name}.json").read_text())
    return found


VECTORS = _read("control")
METRICS = _read("metrics")
REACTIONS: list[dict[str, Any]] = _read("behaviour")["client_reaction"]
UDP_RUNS: list[dict[str, Any]] = _read("udp-10m")["runs"]

REFUSED_BY_US = {
    "thrulay/2:t:4194304:65536": "not closed by '+'",
    "thrulay/2:t:4294967296:16+": "window out of range",
    "thrulay/2:t: 5: 16+": "blanks",
    "thrulay/2:t:+5:+16+": "signs",
    "thrulay/2:t:65536:8192+thrulay": "octets behind the '+'",
}
"""TCP proposals that C accepts and we do not (thrulay.md section 11)."""

UDP_REFUSED_BY_US = {
    "thrulay/2:u:6000:10:1000:10+": "smaller than its headers",
    "thrulay/2:u:6000:1500:0:10+": "no rate",
    "thrulay/2:u:99999:1500:1000:5+": "no such port",
}
"""The same for UDP."""


def control(run: dict[str, Any]) -> list[bytes]:
    """The control octets of a recorded UDP run, one item per message."""
    return [bytes.fromhex(message["hex"]) for message in run["control"]]
