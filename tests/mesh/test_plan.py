"""When a mesh tests."""

from __future__ import annotations

from itertools import permutations
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.mesh.plan import Series, plan, rounds
from bwctl.mesh.spec import spec_of
from bwctl.mesh.units import span, span_text
from bwctl.mesh.values import Mesh, MeshHost, MeshTest, Pair
from bwctl.values import IPAddress, ToolID
from tests.wire.strategies import quiet

hosts = st.sampled_from("abcdefg")
some_pairs = st.lists(
    st.tuples(hosts, hosts).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: Pair(*pair)),
    unique=True,
)


def full(count: int) -> list[Pair]:
    return [Pair(*pair) for pair in permutations([f"h{number}" for number in range(count)], 2)]


def one_test(pairs: list[Pair], **more: object) -> MeshTest:
    given = {"name": "x", "tool": ToolID.IPERF3, "duration": 10, "interval": 600, "latest": 300}
    return MeshTest(pairs=tuple(pairs), **(given | more))


class RoundsTests(SynchronousTestCase):
    def test_full_meshes(self) -> None:
        """They take the fewest rounds that there can be: every host is in each, but one if odd."""
        for count in range(2, 40):
            found = rounds(full(count))
            self.assertEqual(len(found), 2 * (count - 1 + count % 2), count)
            self.assertEqual({len(one) for one in found}, {count // 2}, count)

    @quiet
    @given(some_pairs)
    def test_any_pairs(self, pairs: list[Pair]) -> None:
        """Each pair is in one round, no host is twice in a round, and no round is empty."""
        found = rounds(pairs)
        self.assertEqual(sorted(pair for one in found for pair in one), sorted(pairs))
        for one in found:
            ends = [host for pair in one for host in pair]
            self.assertTrue(ends)
            self.assertEqual(len(set(ends)), len(ends))


class PlanTests(SynchronousTestCase):
    def test_even(self) -> None:
        """The first starts of a definition lie evenly in its interval, round after round."""
        names = {f"h{number}": MeshHost(f"h{number}", "x") for number in range(4)}
        mesh = Mesh(hosts=names, tests=(one_test(full(4)),))
        found = plan(mesh)
        self.assertEqual([one.phase for one in found], [50.0 * number for number in range(12)])
        ends = [
            {*one.pair, *other.pair} for one, other in zip(found[::2], found[1::2], strict=True)
        ]
        self.assertEqual({len(one) for one in ends}, {4})

    def test_definitions_alternate(self) -> None:
        """Two definitions with the same interval do not begin together."""
        mesh = Mesh(hosts={}, tests=(one_test(full(3)), one_test(full(3), name="y")))
        phases = [one.phase for one in plan(mesh)]
        self.assertEqual(sorted(phases), [50.0 * number for number in range(12)])

    def test_starts(self) -> None:
        """One in each interval."""
        series = Series(one_test(full(2)), Pair("h0", "h1"), 60.0)
        self.assertEqual(list(series.starts(2000.0, Random(1))), [60.0, 660.0, 1260.0, 1860.0])
        self.assertEqual(list(series.starts(60.0, Random(1))), [])

    def test_randomised_starts(self) -> None:
        """They vary by as much as is allowed, do not drift, and never lie before the beginning."""
        series = Series(one_test(full(2), randomize=50), Pair("h0", "h1"), 60.0)
        found = list(series.starts(600_000.0, Random(1)))
        offsets = [start - (60.0 + 600 * number) for number, start in enumerate(found)]
        self.assertLessEqual(max(map(abs, offsets)), 300.0)
        self.assertLess(min(offsets), -250.0)
        self.assertGreater(max(offsets), 250.0)
        self.assertGreaterEqual(min(found), 0.0)

    def test_spec(self) -> None:
        """The sender has the tester's client; latency tests send a packet a second."""
        from ipaddress import ip_address

        ends: list[IPAddress] = [ip_address("192.0.2.1"), ip_address("192.0.2.2")]
        spec = spec_of(one_test([], parallel=4, omit=2), *ends)
        told = (spec.client, spec.server, spec.seconds, spec.parallel, spec.packet_count)
        self.assertEqual(told, (*ends, 12, 4, 0))
        spec = spec_of(one_test([], tool=ToolID.PING), *ends)
        self.assertEqual((spec.duration, spec.packet_count, spec.packet_spacing_ms), (10, 5, 1000))


class UnitTests(SynchronousTestCase):
    def test_spans(self) -> None:
        """Seconds, or a number with a unit."""
        texts = {"30": 30, "1.5s": 1.5, "40ms": 0.04, "2m": 120, "6h": 21_600, "7d": 604_800}
        for text, seconds in (texts | {"1w": 604_800, "0": 0}).items():
            self.assertEqual(span(text), seconds, text)
        for text in ("", "s", "-1", "1e3", "1 s", "1sec", "\u0661", "1.", ".5", "9" * 13, "1S"):
            self.assertRaises(ValueError, span, text)

    def test_shown(self) -> None:
        """The largest unit that needs no fraction."""
        texts = {0: "0s", 59: "59s", 90: "90s", 120: "2m", 5400: "90m", 86_400: "1d", 1.5: "1.5s"}
        for seconds, text in texts.items():
            self.assertEqual(span_text(seconds), text)
            self.assertEqual(span(text), seconds)
