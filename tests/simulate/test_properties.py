"""What holds of every mesh, whatever its clocks, ways and faults."""

from __future__ import annotations

from hypothesis import Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.broker.reservation import Demand
from bwctl.broker.timetable import Timetable
from bwctl.simulate import simulation as module
from bwctl.simulate.record import Outcome, Record
from bwctl.simulate.settings import Settings
from bwctl.values import SID, Kind, NTPTime
from tests.simulate.audit import Audit, at_once, mesh_of
from tests.wire.strategies import quiet

# No shrinking: an example is a whole simulation, and its seed makes it again.
few = profile(quiet, max_examples=60, phases=(Phase.explicit, Phase.generate))

tests = st.fixed_dictionaries(
    {
        "tool": st.sampled_from(["iperf3", "iperf3", "nuttcp", "ping", "traceroute"]),
        "duration": st.integers(6, 40),
        "interval": st.integers(60, 400),
        "randomize": st.sampled_from([0, 10, 50]),
    },
    optional={"latest": st.integers(1, 300)},
)


@st.composite
def settings(draw: st.DrawFn) -> Settings:
    """Clocks are off by no more than their daemons know."""
    error = draw(st.sampled_from([0.0, 0.001, 0.1, 1.0]))
    return Settings(
        duration=900.0,
        seed=draw(st.integers(0, 1000)),
        rtt=draw(st.sampled_from([0.0, 0.001, 0.02, 0.3, 1.5])),
        clock_error=error,
        clock_offset=error,
        failure_rate=draw(st.sampled_from([0.0, 0.0, 0.2, 1.0])),
        tail=draw(st.sampled_from([0.0, 0.1, 1.4])),
    )


class PropertyTests(SynchronousTestCase):
    @few
    @given(st.integers(2, 5), st.lists(tests, min_size=1, max_size=3), settings())
    def test_nothing_overlaps_and_nothing_is_lost(
        self, hosts: int, definitions: list[dict[str, object]], settings: Settings
    ) -> None:
        """No host has two tests that exclude each other, ever; all that was reserved is given back.

        That is so by the daemons' clocks and by the true one, with faults and without.
        """
        named = [one | {"name": f"t{number}"} for number, one in enumerate(definitions)]
        audit = Audit(mesh_of(hosts, *named), settings)
        self.assertEqual(audit.run(), [])
        self.check_done(audit)

    def check_done(self, audit: Audit) -> None:
        """A test that was done had the same time at both of its hosts, and only such tests had."""
        records = audit.simulation.records
        done = [one for one in records if one.outcome is Outcome.DONE]
        for record in done:
            at_sender, at_receiver = (self.granted(audit, name) for name in record.series.pair)
            clock = audit.simulation.reached[record.series.pair.receiver].clock
            agreed = {clock.virtual(start) for _, start in at_sender & at_receiver}
            self.assertIn(record.start, agreed, record)
        if not audit.simulation.settings.failure_rate:
            others = {one.outcome for one in records} - {Outcome.DONE, Outcome.BUSY}
            self.assertEqual(others, set(), "without faults nothing fails")
            uses = [daemon.use for daemon in audit.simulation.daemons.values()]
            used = sum(use.tested.total() for use in uses)
            self.assertAlmostEqual(used, 2 * sum(map(_length, done)), places=3)

    def granted(self, audit: Audit, name: str) -> set[tuple[SID, NTPTime]]:
        return {(one.sid, one.start) for one in audit.brokers[name].granted}

    @few
    @given(
        st.sampled_from([0.0, 0.001, 0.02, 0.3, 1.5]),
        st.floats(0.0, 3.0),
        st.integers(2, 5),
        st.integers(0, 1000),
    )
    def test_no_livelock(self, rtt: float, apart: float, hosts: int, seed: int) -> None:
        """Clients that ask the same daemons at the same time, in opposite order, all finish.

        With two hosts these are two clients, from a to b and from b to a; with more every daemon is
        asked first by some and second by others.

        Args:
            apart: by how much one asks after the other, round trips.
        """
        self.patch(module, "plan", at_once(apart * rtt))
        settings = Settings(duration=3600.0, seed=seed, rtt=rtt)
        audit = Audit(mesh_of(hosts, {"interval": 7200}), settings)
        self.assertEqual(audit.run(), [])
        records = audit.simulation.records
        self.assertEqual([one.outcome for one in records], [Outcome.DONE] * len(records))
        self.assertEqual(len(records), hosts * (hosts - 1))
        longest = 100.0 * len(records)  # a test takes 12 s, and each needs its moment once
        self.assertLess(max(one.wait or 0.0 for one in records), longest)

    def test_the_audit_finds_overlaps(self) -> None:
        """The audit can fail: it does with a timetable that books blindly."""

        def blind(
            timetable: Timetable, demand: Demand, kind: Kind, earliest: int, twin: object
        ) -> NTPTime:
            return NTPTime(earliest)

        self.patch(Timetable, "_first_fit", blind)
        audit = Audit(mesh_of(3, {"interval": 60}), Settings(duration=600.0))
        problems = audit.run()
        self.assertTrue(any("too near" in one for one in problems))
        self.assertTrue(any("tests beside others" in one for one in problems))


def _length(record: Record) -> int:
    test = record.series.test
    return test.seconds if test.kind is Kind.THROUGHPUT else 0
