"""Random octets for session ids, drawn from the system many at a time."""

from __future__ import annotations

import os
from typing import Final

_DRAWN: Final = 4096  # octets; a call of the system for each id costs a daemon 3 % of its time


class Entropy:
    """As `os.urandom`, of which it keeps what nobody has been given yet."""

    def __init__(self) -> None:
        self._octets = b""
        self._given = 0
        os.register_at_fork(after_in_child=self.forget)

    def __call__(self, count: int) -> bytes:
        """So many octets, which nobody is given again."""
        first, self._given = self._given, self._given + count
        if self._given > len(self._octets):
            self._octets = os.urandom(max(_DRAWN, count))
            first, self._given = 0, count
        return self._octets[first : self._given]

    def forget(self) -> None:
        """Draw anew: another process has the same octets."""
        self._octets, self._given = b"", 0


entropy: Final = Entropy()
