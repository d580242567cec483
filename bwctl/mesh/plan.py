"""Who tests when: the starts of a mesh's tests, spread over each interval.

A runner of meshes and their simulation both follow this plan. Within one test definition the pairs
are put into rounds in which no host is twice, and start one after the other, evenly: a host's own
tests are then about as far apart as can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from random import Random

from bwctl.mesh.values import Mesh, MeshTest, Pair


@dataclass(frozen=True, slots=True)
class Series:
    """One pair's tests of one definition."""

    test: MeshTest
    pair: Pair
    phase: float  # seconds from the mesh's beginning to the first planned start

    def starts(self, until: float, random: Random) -> Iterator[float]:
        """Planned starts before a time, seconds from the mesh's beginning.

        Randomised ones move about fixed points, so that they do not drift (clients.md 9.2).
        """
        spread = self.test.interval * self.test.randomize / 100
        number, point = 0, self.phase
        while point < until:
            yield max(0.0, point + random.uniform(-spread, spread)) if spread else point
            number += 1
            point = self.phase + number * self.test.interval


def plan(mesh: Mesh) -> list[Series]:
    """All series of a mesh, each definition's spread evenly over its interval."""
    found: list[Series] = []
    for number, test in enumerate(mesh.tests):
        ordered = [pair for one in rounds(test.pairs) for pair in one]
        step = test.interval / max(1, len(ordered))
        # Definitions with the same interval would else begin together.
        ahead = step * number / len(mesh.tests)
        found += [Series(test, pair, ahead + step * i) for i, pair in enumerate(ordered)]
    return found


def rounds(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The pairs in rounds in which no host is twice.

    Each pair goes into the first round that it fits, in the order of the circle method of
    tournaments: a full mesh of n hosts takes the least that there can be, 2(n - 1) rounds, or 2n
    for an odd number.
    """
    made: list[list[Pair]] = []
    busy: dict[str, int] = {}  # host -> bit mask of the rounds that it is in
    for pair in _circle(pairs):
        taken = busy.get(pair.sender, 0) | busy.get(pair.receiver, 0)
        free = (~taken & (taken + 1)).bit_length() - 1  # the lowest bit that is not set
        if free == len(made):
            made.append([])
        made[free].append(pair)
        for host in pair:
            busy[host] = busy.get(host, 0) | 1 << free
    return made


def _circle(pairs: Sequence[Pair]) -> list[Pair]:
    """Sorted so that pairs of the same sum of numbers, modulo an odd number, stand together."""
    numbers = {host: number for number, host in enumerate(dict.fromkeys(chain(*pairs)))}
    last = len(numbers) - 1
    modulus = max(1, last | 1)  # the last of an even number of hosts stands in the middle

    def place(pair: Pair) -> tuple[int, bool, int]:
        one, other = sorted(numbers[host] for host in pair)
        middle = other == last and last % 2
        total = 2 * one if middle else one + other
        return total % modulus, numbers[pair.sender] > numbers[pair.receiver], one

    return sorted(pairs, key=place)
