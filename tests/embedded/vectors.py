"""What C thrulay 0.9 said and did, recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).resolve().parents[1] / "vectors" / "thrulay-control.json"
VECTORS: dict[str, Any] = json.loads(_FILE.read_text())

REFUSED_BY_US = {
    "thrulay/2:t:4194304:65536": "not closed by '+'",
    "thrulay/2:t:4294967296:16+": "window out of range",
    "thrulay/2:t: 5: 16+": "blanks",
    "thrulay/2:t:+5:+16+": "signs",
    "thrulay/2:t:65536:8192+thrulay": "octets behind the '+'",
}
"""TCP proposals that C accepts and we do not (thrulay.md section 11)."""
