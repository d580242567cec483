"""How a host's time was used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.simulate.use import Spans, Use
from bwctl.values import Kind
from tests.wire.strategies import quiet

spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=12)


class UseTests(SynchronousTestCase):
    @quiet
    @given(spans, st.integers(0, 50))
    def test_spans(self, given: list[tuple[int, int]], until: int) -> None:
        """Each moment counts once, whatever lies over each other, and none after the end."""
        found = Spans()
        ended = sorted((begin + length, begin) for begin, length in given)
        for end, begin in ended:
            found.add(float(begin), float(end))
        moments = {moment for end, begin in ended for moment in range(begin, end)}
        self.assertEqual(found.total(), len(moments))
        self.assertEqual(found.total(until), sum(moment < until for moment in moments))

    def test_overlaps(self) -> None:
        """A throughput test beside any other is one; a test that is over is none."""
        for kinds, overlaps in (
            ((Kind.THROUGHPUT, Kind.THROUGHPUT), 1),
            ((Kind.LATENCY, Kind.THROUGHPUT), 1),
            ((Kind.THROUGHPUT, Kind.TRACE), 1),
            ((Kind.LATENCY, Kind.TRACE), 0),
        ):
            use, apart = Use(), Use()
            for number, kind in enumerate(kinds):
                use.begin(number, kind, 5.0 * number, 10.0)
                apart.begin(number, kind, 10.0 * number, 10.0)
            self.assertEqual((use.overlaps, apart.overlaps), (overlaps, 0), kinds)

    def test_tested(self) -> None:
        """Throughput tests take the host until they end, or until they are stopped."""
        use = Use()
        use.begin("a", Kind.THROUGHPUT, 0.0, 10.0)
        use.end("a", 10.5)
        use.begin("b", Kind.THROUGHPUT, 20.0, 10.0)
        use.end("b", 24.0)
        use.begin("c", Kind.LATENCY, 40.0, 10.0)
        use.end("c", 50.0)
        self.assertEqual(use.tested.total(), 14.0)
