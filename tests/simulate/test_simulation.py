"""Whole meshes: what becomes of them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Address

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from bwctl.interfaces import ClientFacts
from bwctl.limits.parser import parse_limits
from bwctl.mesh.values import Mesh
from bwctl.simulate import simulation as module
from bwctl.simulate.daemon import DaemonSettings
from bwctl.simulate.record import Outcome
from bwctl.simulate.settings import HostSettings, Settings
from bwctl.simulate.simulation import Simulation
from tests.simulate.audit import Audit, at_once, mesh_of

HOUR = Settings(duration=3600.0)


def limited(text: str, **more: object) -> Settings:
    limits, _ = parse_limits(text, "limits", users=["noc"])
    return replace(HOUR, daemon=DaemonSettings(limits=limits), **more)


class SimulationTests(SynchronousTestCase):
    def outcomes(self, mesh: Mesh, settings: Settings) -> Counter[tuple[Outcome, str]]:
        audit = Audit(mesh, settings)
        self.assertEqual(audit.run(), [])
        return Counter((one.outcome, one.reason) for one in audit.simulation.records)

    def test_every_planned_test_is_told(self) -> None:
        """Six pairs, six times an hour."""
        found = self.outcomes(mesh_of(3), HOUR)
        self.assertEqual(found, {(Outcome.DONE, ""): 36})

    def test_nothing_is_logged(self) -> None:
        """Thousands of reservations a second are not for reading."""
        with capturedLogs() as events:
            self.outcomes(mesh_of(3), HOUR)
        self.assertEqual(events, [])

    def test_all_at_once(self) -> None:
        """Every pair of six hosts asks at the same moment, and every one gets its time."""
        self.patch(module, "plan", at_once(0.0))
        for rtt in (0.0, 0.02, 0.4):
            settings = replace(HOUR, rtt=rtt)
            found = self.outcomes(mesh_of(6, {"interval": 3600}), settings)
            self.assertEqual(found, {(Outcome.DONE, ""): 30}, rtt)

    def test_same_seed_same_records(self) -> None:
        """A run can be repeated; another seed is another run."""
        settings = replace(HOUR, failure_rate=0.3, clock_offset=0.01)
        mesh = mesh_of(4, {"randomize": 20})
        first, second, third = (
            Simulation(mesh, replace(settings, seed=seed)).run() for seed in (1, 1, 2)
        )
        self.assertEqual(first, second)
        self.assertNotEqual(first, third)

    def test_the_real_clock_does_not_matter(self) -> None:
        """Nothing of a simulation looks at the time of this machine."""
        before = Simulation(mesh_of(3), HOUR).run()
        self.patch(time, "time", lambda: 0.0)
        self.patch(time, "time_ns", lambda: 0)
        self.patch(time, "monotonic", lambda: 0.0)
        self.assertEqual(Simulation(mesh_of(3), HOUR).run(), before)

    def test_too_many_tests(self) -> None:
        """What finds no time before its latest start is told as busy."""
        found = self.outcomes(mesh_of(4, {"duration": 40, "interval": 120}), HOUR)
        self.assertEqual({outcome for outcome, _ in found}, {Outcome.DONE, Outcome.BUSY})

    def test_limits(self) -> None:
        """The daemons' own policy decides, and its reason is told."""
        quota = "limit root with tests_per_hour=20\nassign default root\n"
        found = self.outcomes(mesh_of(3), limited(quota))
        reason = "tests_per_hour=20 of class root"
        self.assertEqual(set(found), {(Outcome.DONE, ""), (Outcome.DENIED, reason)})
        found = self.outcomes(mesh_of(3), limited("limit root with duration=5\n"))
        self.assertEqual(found, {(Outcome.DENIED, "duration=5 of class root"): 36})

    def test_hours(self) -> None:
        """The first virtual day is a Monday, by the time of this host."""
        limits = "limit root with days=tue-sun\nassign default root\n"
        found = self.outcomes(mesh_of(2), replace(limited(limits), duration=48 * 3600.0))
        self.assertEqual(found[Outcome.DENIED, "days=tue-sun of class root"], 288)
        self.assertEqual(found[Outcome.DONE, ""], 288)

    def test_octets(self) -> None:
        """Quotas of octets count what tests would move: their rate, else 1 Gbit/s."""
        limits = "limit root with bytes_per_day=10g, rate_tcp=0\nassign default root\n"
        one_way = {"pairs": {"list": [["a", "b"]]}, "bandwidth": "800m", "duration": 10}
        found = self.outcomes(mesh_of(2, one_way), replace(limited(limits), duration=36_000.0))
        self.assertEqual(found[Outcome.DONE, ""], 10)

    def test_who_the_client_is(self) -> None:
        """Its class comes from its address or its user; without a key it may be turned away."""
        limits = (
            "limit root with\nlimit closed with parent=root, allow_open_mode=off\n"
            "assign default root\nassign net 192.0.2.0/24 closed\nassign user noc root\n"
        )
        address = IPv4Address("192.0.2.1")
        closed = self.outcomes(mesh_of(2), limited(limits, client=ClientFacts(address=address)))
        self.assertEqual({outcome for outcome, _ in closed}, {Outcome.DENIED})
        user = ClientFacts(address=address, user="noc")
        self.assertEqual(
            self.outcomes(mesh_of(2), limited(limits, client=user)), {(Outcome.DONE, ""): 12}
        )

    def test_connections(self) -> None:
        """One client for a mesh may have too many control connections."""
        daemon = DaemonSettings(max_connections_per_host=1)
        mesh = mesh_of(4, {"duration": 40, "interval": 300})
        found = self.outcomes(mesh, replace(HOUR, daemon=daemon))
        reason = "more than 1 connections from one address"
        self.assertGreater(found[Outcome.DENIED, reason], 0)

    def test_hosts_of_their_own(self) -> None:
        """A host that is far away, with a clock nobody trusts, makes its tests wait longer."""
        hosts = {"a": HostSettings(rtt=1.0, clock_error=2.0, clock_offset=-1.5)}
        audit = Audit(mesh_of(3), replace(HOUR, hosts=hosts))
        self.assertEqual(audit.run(), [])
        waits: dict[bool, float] = {}
        for record in audit.simulation.records:
            self.assertEqual(record.outcome, Outcome.DONE)
            far = "a" in record.series.pair
            waits[far] = max(waits.get(far, 0.0), record.wait or 0.0)
        self.assertGreater(waits[True], waits[False] + 1.0)

    def test_kinds(self) -> None:
        """Latency and trace tests share time, throughput tests do not."""
        mesh = mesh_of(3, {"name": "ping", "tool": "ping"}, {"name": "trace", "tool": "traceroute"})
        self.assertEqual(self.outcomes(mesh, HOUR), {(Outcome.DONE, ""): 72})

    def test_progress(self) -> None:
        """It is told how far it is."""
        told: list[float] = []
        Simulation(mesh_of(2), HOUR).run(told.append)
        self.assertEqual(told, [percent / 100 for percent in range(1, 101)])
