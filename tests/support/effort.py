"""How hard the abuse tests try, and with which dice: ABUSE=long, ABUSE_SEED=NUMBER."""

from __future__ import annotations

import os
import random
from typing import Final

SEED: Final = int(os.environ.get("ABUSE_SEED", "1"))
LONG: Final = os.environ.get("ABUSE") == "long"
SEEDED: Final = f"[ABUSE_SEED={SEED}{' ABUSE=long' if LONG else ''}] "
"""Begins the message of a failure, so that it can be made again."""


def times(short: int, long: int) -> int:
    """How often: in `make test`, or in `make abuse`."""
    return long if LONG else short


def dice(name: str) -> random.Random:
    """Dice of their own for each purpose, so that one test does not depend on another."""
    return random.Random(f"{SEED} {name}")
