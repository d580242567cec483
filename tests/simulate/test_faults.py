"""What goes wrong with one test, and what it leaves behind: nothing."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from bwctl.simulate.faults import Fault, Faults, Misfortune
from bwctl.simulate.record import Outcome, Record
from bwctl.simulate.settings import HostSettings, Settings
from tests.simulate.audit import Audit, mesh_of

ONE_WAY = {"pairs": {"list": [["a", "b"]]}}
HOUR = Settings(duration=600.0, rtt=0.04)


class OneFault:
    """The same misfortune for every test."""

    def __init__(self, misfortune: Misfortune | None) -> None:
        self._misfortune = misfortune

    def draw(self, length: float) -> Misfortune | None:
        return self._misfortune


class FaultTests(SynchronousTestCase):
    def run_one(self, misfortune: Misfortune | None) -> tuple[Record, Audit]:
        """One test of 10 s from a to b."""
        audit = Audit(mesh_of(2, ONE_WAY), HOUR)
        audit.simulation.faults = OneFault(misfortune)
        self.assertEqual(audit.run(), [])
        (record,) = audit.simulation.records
        return record, audit

    def near(self, one: float, other: float, most: float) -> None:
        self.assertLess(abs(one - other), most, f"{one}, not {other}")

    def test_no_fault(self) -> None:
        """The test is done, at the first time that both can meet, and 10 s of both are used."""
        record, audit = self.run_one(None)
        self.assertEqual((record.outcome, record.reason), (Outcome.DONE, ""))
        self.assertLess(record.wait or 9.0, 2.5)
        uses = [daemon.use for daemon in audit.simulation.daemons.values()]
        self.assertEqual([use.tested.total() for use in uses], [10, 10])
        self.assertEqual([use.connections for use in uses], [1, 1])
        for use in uses:
            self.near(use.held.total(), 10 + 1.5 + 0.1, 0.2)

    def test_unreachable(self) -> None:
        """A daemon that does not answer costs nobody any time."""
        for sends in (True, False):
            record, audit = self.run_one(Misfortune(Fault.UNREACHABLE, sends, 0.0))
            told = (record.outcome, record.reason, record.injected, record.start)
            self.assertEqual(told, (Outcome.FAILED, "unreachable", True, None))
            self.assertEqual([len(one.granted) for one in audit.brokers.values()], [0, 0])

    def test_client_lost_at_any_moment(self) -> None:
        """Whatever the client was at, both daemons have nothing of it when they notice."""
        reasons = set()
        for moment in (*(step * 0.01 for step in range(60)), 1.0, 2.0, 5.0, 11.9, 12.0, 30.0):
            record, _ = self.run_one(Misfortune(Fault.CLIENT_LOST, True, moment))
            reasons.add(record.reason)
        self.assertEqual(reasons, {"client lost", ""})

    def test_late_start(self) -> None:
        """A reservation that nobody confirms is released at its time; the late one is told so."""
        for sends in (True, False):
            record, audit = self.run_one(Misfortune(Fault.LATE_START, sends, 20.0))
            self.assertEqual((record.outcome, record.reason), (Outcome.FAILED, "could not start"))
            tested = [one.use.tested.total() for one in audit.simulation.daemons.values()]
            self.assertEqual(tested, [0, 0])

    def test_start_that_is_just_in_time(self) -> None:
        """Late by less than there is, it does no harm."""
        record, _ = self.run_one(Misfortune(Fault.LATE_START, False, 0.5))
        self.assertEqual((record.outcome, record.injected), (Outcome.DONE, False))

    def test_hung_tester(self) -> None:
        """It is killed one padding after its test, and so long it holds both hosts."""
        record, audit = self.run_one(Misfortune(Fault.HUNG_TESTER, True, 0.0))
        self.assertEqual((record.outcome, record.reason), (Outcome.FAILED, "tester hung"))
        for daemon in audit.simulation.daemons.values():
            self.near(daemon.use.held.total(), 10 + 2 * 1.58, 0.2)

    def test_clocks_that_disagree(self) -> None:
        """Clocks that are further apart than their errors allow make the peer agents refuse."""
        for offset, outcome in ((0.19, Outcome.DONE), (0.3, Outcome.FAILED)):
            hosts = {"a": HostSettings(clock_offset=offset)}
            audit = Audit(mesh_of(2, ONE_WAY), replace(HOUR, clock_error=0.1, hosts=hosts))
            self.assertEqual(audit.run(), [])
            (record,) = audit.simulation.records
            self.assertEqual(record.outcome, outcome)
        self.assertEqual(record.reason, "clocks disagree")

    def test_draws(self) -> None:
        """As often as the rate says, of every kind, at both ends, the same for the same seed."""
        draws = [[faults.draw(30.0) for _ in range(4000)] for faults in (_faults(7), _faults(7))]
        self.assertEqual(draws[0], draws[1])
        found = [one for one in draws[0] if one is not None]
        self.near(len(found) / 4000, 0.25, 0.03)
        self.assertEqual(
            {(one.fault, one.sender) for one in found},
            {(fault, sends) for fault in Fault for sends in (True, False)},
        )


def _faults(seed: int) -> Faults:
    return Faults(0.25, Random(seed))
