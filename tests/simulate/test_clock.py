"""Virtual time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from bwctl.interfaces import IClock
from bwctl.net.timers import Timers
from bwctl.simulate.clock import HostClock, VirtualReactor
from bwctl.values import NTPTime, ntp_from_unix, ticks
from tests.wire.strategies import quiet

moments = st.integers(0, 20).map(float)


class ReactorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = VirtualReactor()
        self.made: list[object] = []

    def test_interfaces(self) -> None:
        """Twisted's timers can be built on it."""
        verifyObject(IReactorTime, self.reactor)
        verifyObject(IDelayedCall, self.reactor.callLater(1, print))
        verifyObject(IClock, HostClock(self.reactor, NTPTime(0)))

    def test_order(self) -> None:
        """Calls are made when they are due, those of the same time in the order of asking."""
        for delay, name in ((2.0, "c"), (1.0, "a"), (1.0, "b")):
            self.reactor.callLater(delay, lambda name: self.note(name), name)
        self.reactor.run()
        self.assertEqual(self.made, [("a", 1.0), ("b", 1.0), ("c", 2.0)])

    def note(self, name: str) -> None:
        self.made.append((name, self.reactor.seconds()))

    def test_calls_of_calls(self) -> None:
        """What a call asks for is made too, with keywords."""
        self.reactor.callLater(1, self.reactor.callLater, 2, self.note, name="late")
        self.reactor.run()
        self.assertEqual(self.made, [("late", 3.0)])

    def test_cancel_and_put_off(self) -> None:
        """A call can be given up, put off and brought forward, until it was made."""
        cancelled, reset, sooner, delayed = (
            self.reactor.callLater(5, self.note, name) for name in "abcd"
        )
        cancelled.cancel()
        reset.reset(7)
        sooner.reset(1)
        delayed.delay(1)
        self.assertEqual(len(self.reactor.getDelayedCalls()), 3)
        self.assertEqual((delayed.getTime(), cancelled.active()), (6.0, False))
        self.reactor.run()
        self.assertEqual(self.made, [("c", 1.0), ("d", 6.0), ("b", 7.0)])
        self.assertRaises(AlreadyCancelled, cancelled.cancel)
        self.assertRaises(AlreadyCalled, reset.delay, 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_no_time_machine(self) -> None:
        """A call in the past is a defect of the caller."""
        self.assertRaises(ValueError, self.reactor.callLater, -0.1, print)

    @quiet
    @given(st.lists(st.tuples(moments, st.sampled_from(["keep", "cancel", "reset"]), moments)))
    def test_as_task_clock(self, wishes: list[tuple[float, str, float]]) -> None:
        """The same calls at the same times as with Twisted's own clock for tests."""
        found: list[list[tuple[int, float]]] = []
        for reactor in (VirtualReactor(), Clock()):
            made: list[tuple[int, float]] = []
            for number, (delay, what, other) in enumerate(wishes):

                def note(number: int, made=made, reactor=reactor) -> None:
                    made.append((number, reactor.seconds()))

                call = reactor.callLater(delay, note, number)
                if what == "cancel":
                    call.cancel()
                elif what == "reset":
                    call.reset(other)
            if isinstance(reactor, VirtualReactor):
                reactor.run()
            else:
                reactor.pump([0.0, *[1.0] * 20])
            found.append(made)
        self.assertEqual(sorted(found[0]), sorted(found[1]))
        self.assertEqual([at for _, at in found[0]], sorted(at for _, at in found[0]))


class ClockTests(SynchronousTestCase):
    def test_offset(self) -> None:
        """A wrong clock is wrong by what was said, and can tell when it will show a moment."""
        reactor = VirtualReactor()
        clock = HostClock(reactor, ntp_from_unix(1000.0), offset=-0.5, error=0.25)
        reactor.callLater(3, lambda: None)
        reactor.run()
        self.assertEqual(clock.now(), ntp_from_unix(1002.5))
        self.assertEqual(clock.virtual(ntp_from_unix(1002.5)), 3.0)
        self.assertEqual(clock.mono(), 3.0)
        self.assertTrue(clock.synchronised())
        self.assertGreaterEqual(clock.error().ticks, ticks(0.25))

    def test_timers_without_heartbeat(self) -> None:
        """Timers on a clock that nobody can set wake for nothing but what they wait for."""
        reactor = VirtualReactor()
        clock = HostClock(reactor, ntp_from_unix(1000.0), offset=7.0)
        timers = Timers(reactor, clock, heartbeat=False)
        made: list[float] = []
        timers.at(ntp_from_unix(1012.0), lambda: made.append(reactor.seconds()))
        timers.after(9.0, lambda: made.append(reactor.seconds()))
        self.assertEqual(len(reactor.getDelayedCalls()), 2)
        reactor.run()
        self.assertEqual((made, len(timers)), ([5.0, 9.0], 0))
