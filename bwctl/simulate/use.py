"""What becomes of one host's time."""

from __future__ import annotations

from math import inf

from bwctl.values import Kind


class Spans:
    """Times at which something was so, each moment counted once."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []  # apart from each other, in order

    def add(self, begin: float, end: float) -> None:
        """One more, which ends no earlier than those before; none at all if it ends at once."""
        if end <= begin:
            return
        while self._spans and self._spans[-1][1] >= begin:
            begin = min(begin, self._spans.pop()[0])
        self._spans.append((begin, end))

    def total(self, until: float = inf) -> float:
        """Seconds before a moment."""
        return sum(min(end, until) - begin for begin, end in self._spans if begin < until)


class Use:
    """How a host's time was used, in true time, whatever its clock says."""

    def __init__(self) -> None:
        self.tested = Spans()  # a throughput test had the host
        self.held = Spans()  # taken by tests that were started, paddings included
        self.overlaps = 0  # tests that began beside one from which they should keep clear
        self.connections = 0  # most control connections at a time
        self._running: dict[object, tuple[Kind, float, float]] = {}  # since, at most until

    def begin(self, test: object, kind: Kind, now: float, length: float) -> None:
        """Data begin to flow, for so many seconds unless `end` comes before."""
        if self._running:
            self._running = {key: one for key, one in self._running.items() if one[2] > now}
            kinds = {kind, *(other for other, _, _ in self._running.values())}
            self.overlaps += bool(self._running) and Kind.THROUGHPUT in kinds
        self._running[test] = (kind, now, now + length)

    def end(self, test: object, now: float) -> None:
        """They flow no more, at the latest since their time was over."""
        kind, since, until = self._running.pop(test, _NONE)
        if kind is Kind.THROUGHPUT:
            self.tested.add(since, min(now, until))


_NONE = (Kind.TRACE, 0.0, 0.0)
