"""What is kept of a tester's output: all of it up to a bound, of more its beginning and its end.

Testers print their totals last, and what went wrong first.
"""

from __future__ import annotations


def shortened(output: bytes, room: int, most: int) -> bytes:
    """An output in at most `room` octets; a line that names the bound stands where lines went."""
    if len(output) <= room:
        return output
    remark = (b"\nbwctl: output cut here: more than %d octets\n" % most)[:room]
    half = (room - len(remark)) // 2
    head, tail = output[:half], output[len(output) - half :]
    whole_head, _, _ = head.rpartition(b"\n")
    _, _, whole_tail = tail.partition(b"\n")
    return (whole_head or head) + remark + (whole_tail or tail)


class Kept:
    """An output as it comes in; it never holds more than twice the bound."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._octets = bytearray()

    def add(self, octets: bytes) -> None:
        """What comes next."""
        self._octets += octets
        if len(self._octets) > 2 * self._most:
            half = self._most // 2  # one octet more than the bound stays: it shows that some went
            del self._octets[half : len(self._octets) - (self._most + 1 - half)]

    @property
    def octets(self) -> bytes:
        """What is kept up to now."""
        return shortened(bytes(self._octets), self._most, self._most)
