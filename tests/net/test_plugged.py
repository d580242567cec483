"""Plug-ins that work, and plug-ins that do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from bwctl.errors import AcceptType
from bwctl.interfaces import (
    ClientFacts,
    IClock,
    IKeyStore,
    IPolicy,
    IResultSink,
    ITester,
    RequestFacts,
)
from bwctl.limits.classes import LimitClass, only_class
from bwctl.limits.keys import Key, parse_keys
from bwctl.net.host import Host
from bwctl.net.plugged import KEY_TIMEOUT_S, STOP_TIMEOUT_S, GuardedClock, Plugged, PluginFailure
from bwctl.net.readings import Readings
from bwctl.net.timers import Timers
from bwctl.results import TestEnded
from bwctl.testers.thrulay import Thrulay
from bwctl.values import NO_SID, ErrorEstimate, NTPTime, Role, TestSpec, ToolID
from tests.support.clocks import FakeClock

ALICE = ClientFacts(address=ip_address("192.0.2.1"), user="alice")
SPEC = TestSpec(
    tool=ToolID.THRULAY, client=ip_address("192.0.2.1"), server=ip_address("192.0.2.2"), duration=1
)
LIMITS = only_class(LimitClass(name="root"))
ENDED = TestEnded(
    spec=SPEC,
    role=Role.SERVER,
    sid=NO_SID,
    user="alice",
    limit_class="root",
    client=ALICE.address,
    start=NTPTime(1),
    end=NTPTime(2),
    output=b"",
    other_output=None,
    status=AcceptType.ACCEPT,
    other_status=None,
)


@implementer(IKeyStore, IPolicy, IResultSink)
class Site:
    """Whatever a test wants of a plug-in."""

    name = "site"

    def __init__(self, answer: Callable[..., Any]) -> None:
        self.key = self.limit_class = self.denials = self.test_ended = answer


def broken(*args: object) -> Any:
    raise ZeroDivisionError("a defect of the site")


class PluggedTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def failed(self, plugged: Plugged, times: int = 1) -> None:
        """It was logged with its traceback and counted, and nothing is left pending."""
        self.assertEqual(len(self.flushLoggedErrors()), times)
        self.assertEqual(sum(plugged.failures.values()), times)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class KeyStoreTests(PluggedTestCase):
    def asked(self, answer: Callable[..., Any]) -> tuple[Plugged, Deferred[Key | None]]:
        plugged = Plugged(key_store=Site(answer))
        return plugged, plugged.key("alice", self.clock)

    def test_answers(self) -> None:
        """A key comes soon, later, or from a coroutine; None is an answer too."""

        async def later(identity: str) -> bytes:
            return bytes(16)

        for answer in (lambda _: bytes(16), lambda _: succeed(bytes(16)), later):
            plugged, found = self.asked(answer)
            self.assertEqual(self.successResultOf(found), Key(bytes(16)))
            self.failed(plugged, 0)
        self.assertIsNone(self.successResultOf(self.asked(lambda _: None)[1]))

    def test_failures(self) -> None:
        """An exception, a wrong size, a wrong type: no key."""
        for answer in (broken, lambda _: b"short", lambda _: 16 * "x", lambda _: 5):
            plugged, found = self.asked(answer)
            self.assertIsNone(self.successResultOf(found))
            self.failed(plugged)

    def test_slow(self) -> None:
        """A store that does not answer in time has no key."""
        plugged, found = self.asked(lambda _: Deferred())
        self.clock.advance(KEY_TIMEOUT_S - 1)
        self.assertNoResult(found)
        self.clock.advance(1)
        self.assertIsNone(self.successResultOf(found))
        self.failed(plugged)

    def test_client_gone(self) -> None:
        """When the client is gone the store is told, and that is nobody's failure."""
        told: list[object] = []
        plugged, found = self.asked(lambda _: Deferred(told.append))
        found.cancel()
        self.assertIsNone(self.successResultOf(found))
        self.assertEqual(len(told), 1)
        self.failed(plugged, 0)

    def test_in_place_of_the_file(self) -> None:
        """The file is not asked where there is a store."""
        clock = FakeClock(self.clock)
        host = Host(reactor=self.clock, clock=clock, timers=Timers(self.clock, clock), testers={})
        host.keys = parse_keys(f"alice {bytes(16).hex()}\n", "keys")
        self.assertEqual(self.successResultOf(host.key("alice")), Key(bytes(16)))
        host.plugged = Plugged(key_store=Site(lambda _: None))
        self.assertIsNone(self.successResultOf(host.key("alice")))


class PolicyTests(PluggedTestCase):
    request = RequestFacts(
        client=ALICE,
        limit_class="root",
        spec=SPEC,
        role=Role.SERVER,
        earliest=NTPTime(1),
        latest=None,
        moves=False,
    )

    def test_class(self) -> None:
        """A class by name, or what the file says."""
        policy = Plugged(policy=Site(lambda client: "root"))
        self.assertIs(policy.limit_class(ALICE, LIMITS), LIMITS.root)
        self.assertIsNone(Plugged(policy=Site(lambda client: None)).limit_class(ALICE, LIMITS))
        self.assertIsNone(Plugged().limit_class(ALICE, LIMITS))

    def test_class_fails(self) -> None:
        """No class comes of an exception or an unknown name."""
        for answer in (broken, lambda client: "rot", lambda client: []):
            plugged = Plugged(policy=Site(answer))
            self.assertRaises(PluginFailure, plugged.limit_class, ALICE, LIMITS)
            self.failed(plugged)

    def test_denials(self) -> None:
        """Sentences deny; no sentence does not."""
        for said in ([], ["not on Sundays"], ("one", "two")):
            plugged = Plugged(policy=Site(lambda request, said=said: said))
            self.assertEqual(plugged.denials(self.request), list(said))
        self.assertEqual(Plugged().denials(self.request), [])

    def test_denials_fail(self) -> None:
        """A policy that fails denies; so does one that gives something else than sentences."""
        for answer in (
            broken,
            lambda _: "no",
            lambda _: None,
            lambda _: [1],
            lambda _: succeed([]),
        ):
            plugged = Plugged(policy=Site(answer))
            self.assertEqual(plugged.denials(self.request), ["plug-in site failed"])
            self.failed(plugged)


class SinkTests(PluggedTestCase):
    def tell(
        self, plugged: Plugged, ended: TestEnded = ENDED, tester: ITester | None = None
    ) -> None:
        """A test is over."""
        plugged.tell(ended, tester or Thrulay(), Readings(self.clock, plugged.failed))

    def test_all_are_told(self) -> None:
        """A sink that fails, soon or later, harms neither the others nor the daemon."""
        told: list[TestEnded] = []
        later: Deferred[None] = Deferred()
        sinks = [Site(broken), Site(lambda _: later), Site(told.append)]
        plugged = Plugged(sinks=sinks)
        self.tell(plugged)
        later.errback(ZeroDivisionError())
        self.assertEqual(len(told), 1)
        self.failed(plugged, 2)

    def test_reports(self) -> None:
        """Sinks get what the outputs say; of an end that did not tell, nothing."""
        told: list[TestEnded] = []
        self.tell(Plugged(sinks=[Site(told.append)]))
        self.tell(Plugged(sinks=[Site(told.append)]), replace(ENDED, other_output=b""))
        assert told[0].report is not None
        self.assertEqual(told[0].report.tool, "thrulay")
        self.assertIsNone(told[0].other_report)
        self.assertIsNotNone(told[1].other_report)
        self.assertEqual(told[0].summary, {})

    def test_parser_of_a_plugin(self) -> None:
        """A tester whose parser fails costs only the report."""

        class Tester(Thrulay):
            def parse(self, *args: object) -> Any:
                raise ZeroDivisionError

        told: list[TestEnded] = []
        plugged = Plugged(sinks=[Site(told.append)])
        self.tell(plugged, tester=Tester())
        self.assertIsNone(told[0].report)
        self.failed(plugged)


class ServiceTests(PluggedTestCase):
    @implementer(IResultSink)
    class Sink(Service):
        name = "sink"
        fails = False
        stopping: Deferred[None] | None = None

        def startService(self) -> None:
            super().startService()
            if self.fails:
                raise ZeroDivisionError

        def stopService(self) -> Deferred[None] | None:
            super().stopService()
            return self.stopping

        def test_ended(self, ended: TestEnded) -> None: ...

    def test_with_the_daemon(self) -> None:
        """A plug-in that is a service starts and stops with the daemon, unless it is another's."""
        ours, theirs = self.Sink(), self.Sink()
        theirs.startService()
        plugged = Plugged(sinks=[ours, theirs])
        plugged.start()
        self.assertTrue(ours.running)
        self.successResultOf(Deferred.fromCoroutine(plugged.stop(self.clock)))
        self.assertFalse(ours.running)
        self.assertTrue(theirs.running)
        self.failed(plugged, 0)

    def test_trouble(self) -> None:
        """One that cannot start is no reason not to; one that does not stop is left alone."""
        bad, slow = self.Sink(), self.Sink()
        bad.fails = True
        slow.stopping = Deferred()
        plugged = Plugged(sinks=[bad, slow])
        plugged.start()
        self.failed(plugged)
        stopping = Deferred.fromCoroutine(plugged.stop(self.clock))
        self.assertNoResult(stopping)
        self.clock.advance(STOP_TIMEOUT_S)
        self.successResultOf(stopping)


@implementer(IClock)
class SiteClock(FakeClock):
    name = "gps"
    fails: tuple[str, ...] = ()

    def __getattribute__(self, name: str) -> Any:
        if name in object.__getattribute__(self, "fails"):
            raise ZeroDivisionError(name)
        return super().__getattribute__(name)


class ClockTests(PluggedTestCase):
    def test_clock(self) -> None:
        """A plugged-in clock is asked, and sync_fuzz added."""
        site = SiteClock(self.clock, error_s=0.5)
        site.disciplined = True
        guarded = GuardedClock(site, 1.0, Plugged())
        self.assertEqual(guarded.now(), site.now())
        self.assertTrue(guarded.synchronised())
        self.assertAlmostEqual(guarded.error().ticks / (1 << 32), 1.6, 1)

    def test_failures(self) -> None:
        """One that fails is not synchronised until it answers again, and fills no log."""
        site = SiteClock(self.clock)
        site.disciplined = True
        plugged = Plugged()
        guarded = GuardedClock(site, 0.0, plugged)
        for question in ("now", "error", "synchronised"):
            plugged.failures.clear()
            site.fails = (question,)
            for _ in range(5):
                self.assertNotEqual(guarded.now(), 0)
                self.assertIsInstance(guarded.error(), ErrorEstimate)
                guarded.synchronised()
            self.assertFalse(guarded.synchronised(), question)
            self.assertFalse(guarded.error().synchronised)
            self.failed(plugged)
            site.fails = ()
            guarded.now(), guarded.error(), guarded.synchronised()
            self.assertTrue(guarded.synchronised())
