"""Ports of one range, marked from the request until the end of the test."""

from __future__ import annotations

from random import Random


class PortPool:
    """The ports LOW to HIGH, both included, handed out in turn from a random start.

    Only one that comes back as it was is handed out again before its turn.

    Unlike the C daemon, which counts through the range without marks (daemon.md 4.5), a port is
    not given to two tests at a time. Whether another program holds it is not known here.

    Raises:
        ValueError: not 1 <= low <= high <= 65535. A range of 0-0, any free port, needs no pool.
    """

    def __init__(self, low: int, high: int, random: Random) -> None:
        if not 1 <= low <= high <= 65535:
            raise ValueError(f"not a range of ports: {low}-{high}")
        self.low = low
        self.high = high
        self._marks = bytearray(self.size)  # 1: in use
        self._unused: dict[int, None] = {}  # places given back as they were, the last one last
        self.used = 0  # how often ports came back that a tester, or another program, may have had
        self._next = random.randrange(self.size)

    @property
    def size(self) -> int:
        """How many ports there are, taken or not."""
        return self.high - self.low + 1

    @property
    def in_use(self) -> int:
        """How many ports are taken."""
        return self._marks.count(1)

    @property
    def taken(self) -> list[int]:
        """Those that are taken, the lowest first."""
        return [self.low + place for place, mark in enumerate(self._marks) if mark]

    def take(self, count: int = 1) -> int | None:
        """Mark that many neighbouring ports and return the first; None if there are none.

        Raises:
            ValueError: fewer than one port is asked for.
        """
        if count < 1:
            raise ValueError(f"{count} ports")
        if count == 1 and self._unused:
            place, _ = self._unused.popitem()
            self._marks[place] = 1
            return self.low + place
        first = self._marks.find(bytes(count), self._next)
        if first < 0:
            first = self._marks.find(bytes(count))
        if first < 0:
            return None
        self._marks[first : first + count] = b"\1" * count
        for place in range(first, first + count):
            self._unused.pop(place, None)
        self._next = (first + count) % self.size
        return self.low + first

    def release(self, port: int, count: int = 1, *, unused: bool = False) -> bool:
        """Free ports that were taken together; False, and nothing freed, if one was not taken.

        Args:
            unused: no tester has had them. A single one need not wait for its turn: nothing on its
                way from an earlier test can arrive there.
        """
        first = port - self.low
        taken = b"\1" * count
        if first < 0 or count < 1 or self._marks[first : first + count] != taken:
            return False
        self._marks[first : first + count] = bytes(count)
        if not unused:
            self.used += 1
        elif count == 1:
            self._unused[first] = None
        return True
