"""What goes wrong with octets on their way, or on purpose: seeded changes of a message."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

Damage = Callable[[bytearray, random.Random], None]


def _range(octets: bytearray, dice: random.Random) -> slice:
    start, end = sorted(dice.randrange(len(octets) + 1) for _ in range(2))
    return slice(start, end)


def flip_a_bit(octets: bytearray, dice: random.Random) -> None:
    for place in dice.sample(range(len(octets)), min(1, len(octets))):
        octets[place] ^= 1 << dice.randrange(8)


def replace_octets(octets: bytearray, dice: random.Random) -> None:
    for place in dice.sample(range(len(octets)), min(4, len(octets))):
        octets[place] = dice.randrange(256)


def truncate(octets: bytearray, dice: random.Random) -> None:
    del octets[_range(octets, dice).start :]


def duplicate(octets: bytearray, dice: random.Random) -> None:
    where = _range(octets, dice)
    octets[where.stop : where.stop] = octets[where]


def lose(octets: bytearray, dice: random.Random) -> None:
    del octets[_range(octets, dice)]


def insert(octets: bytearray, dice: random.Random) -> None:
    start = _range(octets, dice).start
    octets[start:start] = dice.randbytes(dice.randint(1, 64))


def reverse(octets: bytearray, dice: random.Random) -> None:
    where = _range(octets, dice)
    octets[where] = octets[where][::-1]


DAMAGES: Final[list[Damage]] = [
    flip_a_bit,
    replace_octets,
    truncate,
    duplicate,
    lose,
    insert,
    reverse,
]


_EXTREMES: Final = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x8000, 0xFFFFFFFF, 0x80000000, (1 << 64) - 1)


def set_a_field(octets: bytearray, dice: random.Random) -> None:
    """A number of 1, 2, 4 or 8 octets becomes the least, the largest, or a negative one."""
    size = dice.choice([size for size in (1, 2, 4, 8) if size <= len(octets)] or [0])
    if size:
        place = dice.randrange(0, len(octets) - size + 1, size)
        octets[place : place + size] = (dice.choice(_EXTREMES) % (1 << 8 * size)).to_bytes(
            size, "big"
        )


def mutated(octets: bytes, dice: random.Random) -> bytes:
    """A message with something wrong in it: mostly one thing, in one of its fields."""
    changed = bytearray(octets)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        kind = set_a_field if dice.random() < 0.5 else dice.choice(DAMAGES)
        kind(changed, dice)
    return bytes(changed)
