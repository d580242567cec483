"""Figures, verdicts and advice."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from bwctl.mesh.plan import Series
from bwctl.mesh.values import Mesh, Pair
from bwctl.simulate.daemon import DaemonSettings
from bwctl.simulate.load import Load, loads, rounded_up, stretch
from bwctl.simulate.record import Outcome, Record
from bwctl.simulate.report import Report, report, tally
from bwctl.simulate.settings import HostSettings, Settings
from bwctl.simulate.simulation import Simulation
from bwctl.simulate.verdict import Verdict, judge
from tests.simulate.audit import mesh_of

HOUR = Settings(duration=3600.0)
MESH = mesh_of(2)
SERIES = Series(MESH.tests[0], Pair("a", "b"), 0.0)


def record(
    outcome: Outcome, wait: float | None = None, reason: str = "", injected: bool = False
) -> Record:
    start = None if wait is None else 100.0 + wait
    return Record(SERIES, 100.0, outcome, start=start, reason=reason, injected=injected)


def found(mesh: Mesh, settings: Settings) -> tuple[Report, Verdict]:
    simulation = Simulation(mesh, settings)
    simulation.run()
    figures = report(simulation)
    return figures, judge(mesh, settings, figures)


class TallyTests(SynchronousTestCase):
    def test_counts(self) -> None:
        """Everything planned is done or told why not; faults of the simulation apart."""
        records = [
            *(record(Outcome.DONE, wait) for wait in (1.0, 2.0, 3.0, 61.0)),
            record(Outcome.BUSY, reason="busy"),
            *(record(Outcome.DENIED, reason="duration=5") for _ in range(2)),
            record(Outcome.FAILED, 4.0, reason="clocks disagree"),
            record(Outcome.FAILED, 5.0, reason="tester hung", injected=True),
        ]
        one = tally(records, HOUR)
        counts = (one.planned, one.done, one.late, one.busy, one.denied, one.failed, one.injected)
        self.assertEqual(counts, (9, 4, 1, 1, 2, 2, 1))
        self.assertEqual(one.reasons, {"duration=5": 2, "clocks disagree": 1})
        self.assertEqual(one.faults, {"tester hung": 1})
        assert one.waits is not None
        self.assertEqual((one.waits.p50, one.waits.p95, one.waits.most), (4.0, 61.0, 61.0))

    def test_nothing(self) -> None:
        """Without a start there is no wait."""
        self.assertIsNone(tally([record(Outcome.BUSY)], HOUR).waits)

    def test_late(self) -> None:
        """By default a tenth of the interval, but at least a minute; else what was said."""
        hourly = mesh_of(2, {"interval": 3600}).tests[0]
        self.assertTrue(HOUR.is_late(MESH.tests[0], 60.1))
        self.assertFalse(HOUR.is_late(hourly, 360.0))
        self.assertTrue(HOUR.is_late(hourly, 360.1))
        self.assertTrue(replace(HOUR, late_after=5.0).is_late(hourly, 5.1))


class ReportTests(SynchronousTestCase):
    def test_shares(self) -> None:
        """Shares of time are what the tests have taken; each test counts at both of its hosts."""
        mesh = mesh_of(3, {"pairs": {"star": {"centre": "a", "leaves": "all"}}, "duration": 30})
        figures, verdict = found(mesh, HOUR)
        self.assertTrue(verdict.fits, verdict)
        planned = {host.name: host.tally.planned for host in figures.hosts}
        self.assertEqual(planned, {"a": 24, "b": 12, "c": 12})
        tested = {host.name: host.tested for host in figures.hosts}
        self.assertEqual(tested, {"a": 24 * 30 / 3600, "b": 0.1, "c": 0.1})
        self.assertEqual(figures.busiest[0].name, "a")
        held = [host.held for host in figures.busiest]
        self.assertTrue(all(0.1 < share < 0.25 for share in held), held)
        self.assertEqual((figures.total.planned, figures.series), (24, 4))

    def test_definitions_apart(self) -> None:
        """Each definition has its own figures."""
        mesh = mesh_of(2, {"name": "x"}, {"name": "y", "interval": 1200})
        figures, _ = found(mesh, HOUR)
        self.assertEqual(
            [(test.name, one.planned) for test, one in figures.tests], [("x", 12), ("y", 6)]
        )


class VerdictTests(SynchronousTestCase):
    def told(self, mesh: Mesh, settings: Settings) -> str:
        _, verdict = found(mesh, settings)
        return " / ".join([*verdict.reasons, "-", *verdict.advice])

    def test_fits(self) -> None:
        """A mesh with room to spare is told how much."""
        _, verdict = found(mesh_of(4), HOUR)
        self.assertEqual((verdict.fits, verdict.reasons), (True, ()))
        self.assertEqual(
            verdict.advice, ("shortest interval that should fit, estimated: 80s (test 1)",)
        )

    def test_busy(self) -> None:
        """One that cannot fit is told by how much, and what would."""
        told = self.told(mesh_of(4, {"duration": 40, "interval": 120}), HOUR)
        self.assertIn("found no time before their latest start", told)
        self.assertIn("shortest interval that should fit, estimated: 280s (test 1)", told)

    def test_bottleneck(self) -> None:
        """The host that is asked for the most time is told, and what that costs its tests."""
        star = {
            "duration": 40,
            "interval": 300,
            "pairs": {"star": {"centre": "b", "leaves": "all"}},
        }
        _, verdict = found(mesh_of(6, star), HOUR)
        most = verdict.bottleneck
        assert most is not None
        self.assertEqual(most.hosts, ("b",))
        self.assertGreater(most.asked, 1.3)
        self.assertTrue(0.8 < most.taken <= 1.0, most)
        self.assertGreater(most.refused, 10)
        self.assertRegex(
            most.sentence,
            r"^b, asked for 13\d\.\d % of its time; (100|[89]\d)\.\d % is taken; "
            r"one of twenty tests waits longer than \d+\.\d s; "
            r"\d+ find no time before their latest start$",
        )
        _, verdict = found(mesh_of(4), HOUR)
        assert verdict.bottleneck is not None
        self.assertTrue(verdict.bottleneck.sentence.startswith("a and 3 more, each asked"))

    def test_odd_number(self) -> None:
        """Of three hosts one is always idle: that is why two thirds of their time do not do."""
        told = self.told(mesh_of(3, {"duration": 60, "interval": 240}), HOUR)
        self.assertIn("of an odd number one is always without a partner", told)
        told = self.told(mesh_of(4, {"duration": 60, "interval": 240}), HOUR)
        self.assertNotIn("an odd number", told)

    def test_the_advice_holds(self) -> None:
        """A mesh at the interval that was advised fits."""
        for hosts in (2, 3, 5, 8):
            for duration, randomize in ((10, 0), (40, 0), (10, 20)):
                test = {"duration": duration, "interval": 3600, "randomize": randomize}
                _, verdict = found(mesh_of(hosts, test), HOUR)
                (advice,) = verdict.advice
                interval = advice.split("estimated: ")[1].split(" ")[0]
                tight = mesh_of(hosts, test | {"interval": interval})
                _, verdict = found(tight, replace(HOUR, duration=7200.0))
                self.assertTrue(verdict.fits, (hosts, duration, randomize, verdict))

    def test_late(self) -> None:
        """A mesh in which many start late does not fit, though all are done."""
        settings = replace(HOUR, late_after=3.0)
        mesh = mesh_of(4, {"interval": 90})
        figures, verdict = found(mesh, settings)
        self.assertEqual(figures.total.done, figures.total.planned)
        self.assertIn("started too late", verdict.reasons[0])

    def test_limits(self) -> None:
        """What the limits deny is told with the limit, and what to do about connections."""
        daemon = DaemonSettings(max_connections_per_host=1)
        mesh = mesh_of(4, {"duration": 40, "interval": 300})
        told = self.told(mesh, replace(HOUR, daemon=daemon))
        self.assertIn("were denied: more than 1 connections from one address", told)
        self.assertIn("raise max_connections_per_host", told)

    def test_clocks(self) -> None:
        """Clocks that disagree are told."""
        hosts = {"a": HostSettings(clock_offset=5.0)}
        told = self.told(mesh_of(2), replace(HOUR, hosts=hosts))
        self.assertIn("12 of 12 tests (100.0 %) failed: clocks disagree", told)
        self.assertIn("synchronise the clocks", told)

    def test_faults_are_not_the_meshs(self) -> None:
        """What fails by a fault of the simulation is not held against the mesh."""
        figures, verdict = found(mesh_of(3), replace(HOUR, failure_rate=1.0))
        self.assertEqual(figures.total.failed, figures.total.injected)
        self.assertGreater(figures.total.failed, 0)
        self.assertTrue(verdict.fits, verdict)

    def test_short_latest(self) -> None:
        """Where there is time, but starts may hardly move, that is told."""
        mesh = mesh_of(4, {"interval": 600, "randomize": 50, "latest": 1})
        told = self.told(mesh, HOUR)
        self.assertIn("let starts be moved further", told)

    def test_too_much_beside(self) -> None:
        """Where the other tests take the hosts' time, that is told."""
        pings = [
            {"name": f"p{number}", "tool": "ping", "duration": 50, "interval": 60}
            for number in range(4)
        ]
        told = self.told(mesh_of(2, {"duration": 20, "interval": 300}, *pings), HOUR)
        self.assertIn("make the tests other than throughput shorter", told)

    def test_nothing_planned(self) -> None:
        """A time in which nothing is planned says nothing."""
        mesh = mesh_of(2, {"interval": 86_400, "pairs": {"list": [["a", "b"], ["b", "a"]]}})
        late = Mesh(hosts=mesh.hosts, tests=mesh.tests[:0])
        _, verdict = found(late, replace(HOUR, duration=60.0))
        self.assertEqual(verdict.reasons, ("no test is planned within this time",))
        self.assertIsNone(verdict.bottleneck)


class LoadTests(SynchronousTestCase):
    def most(self, hosts: int, *tests: dict[str, object], settings: Settings = HOUR) -> Load:
        return max(loads(mesh_of(hosts, *tests), settings), key=lambda one: one.total)

    def test_load(self) -> None:
        """The busiest host's share; with three hosts only two can test at a time."""
        plain = Settings(rtt=0.0, clock_error=0.0, daemon=DaemonSettings(overrun=0.0))
        test = {"duration": 10, "interval": 100}
        for hosts, share in ((2, 0.2), (3, 0.6), (4, 0.6), (5, 1.0)):
            found = self.most(hosts, test, settings=plain)
            self.assertEqual((round(found.exclusive, 9), found.shared), (share, 0.0), hosts)

    def test_paddings(self) -> None:
        """Clock errors, round trips and the overrun are part of what a test takes."""
        settings = Settings(
            rtt=0.5, clock_error=0.25, sync_fuzz=0.25, hosts={"a": HostSettings(clock_error=1.25)}
        )
        found = self.most(2, {"duration": 10, "interval": 100}, settings=settings)
        self.assertAlmostEqual(found.exclusive, 2 * (10 + 1.5 + 0.5 + 0.5 + 1.5) / 100)

    def test_shared(self) -> None:
        """Latency and trace tests may lie over each other, so they cover less than they last."""
        ping = {"name": "ping", "tool": "ping", "duration": 60, "interval": 100}
        trace = {"name": "trace", "tool": "traceroute", "duration": 60, "interval": 100}
        found = self.most(2, ping, trace)
        self.assertEqual(found.exclusive, 0.0)
        self.assertTrue(0.9 < found.shared < 1.0, found)
        self.assertIsNone(stretch(mesh_of(2, ping, trace), HOUR))

    def test_stretch(self) -> None:
        """Throughput tests get what the others leave."""
        alone = stretch(mesh_of(2, {"randomize": 10}), HOUR)
        ping = {"name": "ping", "tool": "ping", "duration": 10, "interval": 100}
        beside = stretch(mesh_of(2, {"randomize": 10}, ping), HOUR)
        assert alone is not None and beside is not None
        self.assertTrue(1.3 < beside / alone < 1.7, (alone, beside))
        crowded = [ping | {"name": name, "interval": 20} for name in ("one", "two")]
        self.assertIsNone(stretch(mesh_of(2, {}, *crowded), HOUR))

    def test_rounded(self) -> None:
        """Intervals that people would write, never less."""
        found = [rounded_up(one) for one in (1, 10, 599, 601, 7000, 7201)]
        self.assertEqual(found, [10, 10, 600, 660, 7020, 7500])
