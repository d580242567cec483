"""Tests run by a program, in its own reactor, against real daemons; nothing may be left behind."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from bwctl.api import HERE, EndWish, Step, Tests, at, run_test
from bwctl.errors import AcceptType
from bwctl.results import ExitStatus
from tests.support.daemons import Daemon, running, start_ours, until
from tests.support.processes import descendants
from tests.support.raw import KEY

ONE, TWO = "127.0.0.93", "127.0.0.94"


def end(daemon: Daemon, **words: Any) -> EndWish:
    return at(daemon.address, daemon.ports.control, **words)


class ArgumentTests(SynchronousTestCase):
    def test_ends(self) -> None:
        """An end is a host, a port, and who we are to its daemon."""
        self.assertEqual(at("h").name, "h:4823")
        for words in ({"user": "u"}, {"key": KEY}, {"encrypted": True}, {"user": "u", "key": b"x"}):
            self.assertRaises(ValueError, at, "h", **words)
        self.assertNotIn(repr(KEY), repr(at("h", user="alice", key=KEY)))

    def test_nothing_is_sent(self) -> None:
        """A name that means nothing is told at once."""
        for words in ({"testers": ["no-such"]}, {"durration": 5}, {"tool": 1}, {"server": ONE}):
            self.assertRaises(ValueError, run_test, reactor, at(ONE), at(TWO), **words)


class ProgramTestCase(TestCase):
    """After each test no process and no connection is left, and signals are as before."""

    timeout = 60.0

    def setUp(self) -> Deferred[None]:
        self.before = descendants()
        return deferLater(reactor, 0)  # from here on the reactor's signal handlers are in place

    @contextmanager
    def daemons(self, *addresses: str, options: str = "") -> Iterator[list[Daemon]]:
        started = [start_ours(address, options) for address in addresses]
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        handlers = [signal.getsignal(number) for number in numbers]
        with running(*started):
            yield started
            self.assertEqual(handlers, [signal.getsignal(number) for number in numbers])
            # A tester of a daemon that dies between two looks at /proc would count as ours.
            self.assertTrue(until(lambda: not self.ours(*started), 2.0), self.ours(*started))
            for daemon in started:
                daemon.assert_idle()

    def ours(self, *daemons: Daemon) -> set[int]:
        """Processes that this program has started, without those of daemons."""
        pids = {daemon.process.pid for daemon in daemons}
        return descendants() - self.before - pids.union(*map(descendants, pids))

    async def cancelled(self, result: Deferred[Any]) -> None:
        result.cancel()
        with self.assertRaises(CancelledError):
            await result


class ResultTests(ProgramTestCase):
    async def test_result(self) -> None:
        """A test between two daemons, with keys, one step after the other."""
        steps: list[Step] = []
        with self.daemons(ONE, TWO, options="auth_mode E\n") as (one, two):
            who = {"user": "testuser", "key": KEY}
            result = await run_test(
                reactor,
                end(one, **who),
                end(two, **who, encrypted=True),
                testers=["thrulay"],
                duration=1,
                parallel=2,
                on_step=lambda step, delay: steps.append(step),
            )
        self.assertIsNone(result.failure)
        self.assertEqual(result.receiver.status, AcceptType.ACCEPT)
        self.assertGreater(result.summary["bits_per_second"], 1e6)
        self.assertEqual(steps, list(Step))

    async def test_failures(self) -> None:
        """A failure is a value, the same that the command line tells."""
        with self.daemons(ONE, options="auth_mode AE\n") as (one,):
            port = one.ports.control
            for wish, status in (
                (at("no-such-host.invalid"), ExitStatus.UNRESOLVED),
                (at(ONE, 9), ExitStatus.REFUSED),
                (at(ONE, port), ExitStatus.AUTHENTICATION),
                (at(ONE, port, user="testuser", key=bytes(16)), ExitStatus.AUTHENTICATION),
            ):
                result = await run_test(reactor, wish, wish, duration=1)
                assert result.failure is not None
                self.assertEqual(result.failure.exit_status, status, result.failure)

    async def test_two_tests(self) -> None:
        """Two tests in turn need one connection to each daemon; two at a time cannot be."""
        with self.daemons(ONE) as (one,):
            tests = Tests(reactor, end(one), end(one))
            for _ in range(2):
                result = tests.run(testers=["thrulay"], duration=1)
                self.assertRaises(RuntimeError, tests.run)
                self.assertIsNone((await result).failure)
            self.assertEqual(one.log().count(" connected, user"), 2)
            await tests.close()
            await tests.close()

    async def test_an_end_of_our_own(self) -> None:
        """The program can be an end itself, with no daemon on its host."""
        notes: list[str] = []
        with self.daemons(ONE) as (one,):
            for pair in ((HERE, end(one)), (end(one), HERE)):
                result = await run_test(
                    reactor, *pair, testers=["thrulay"], duration=1, note=notes.append
                )
                self.assertIsNone(result.failure)
        self.assertEqual(len(notes), 2, notes)


class CancelTests(ProgramTestCase):
    async def reached(self, wanted: Step, *ends: EndWish, later: float = 0.2) -> Deferred[Any]:
        """A test that has come to a step, and not much further."""
        there: Deferred[None] = Deferred()

        def on_step(step: Step, delay: float) -> None:
            if step is wanted:
                there.callback(None)

        words = {"testers": ["thrulay"], "duration": 20, "on_step": on_step}
        result = run_test(reactor, *ends, **words)
        await there
        await deferLater(reactor, later)
        return result

    async def test_every_step(self) -> None:
        """Whenever it is cancelled, the daemons are free at once."""
        with self.daemons(ONE, TWO) as (one, two):
            for step in (Step.NEGOTIATING, Step.WAITING, Step.RUNNING):
                later = 0.0 if step is Step.NEGOTIATING else 0.3
                result = await self.reached(step, end(one), end(two), later=later)
                await self.cancelled(result)
                self.assertTrue(until(lambda: not one.testers() and not two.testers(), 5))
            free = await run_test(reactor, end(one), end(two), testers=["thrulay"], duration=1)
            self.assertIsNone(free.failure)

    async def test_an_end_of_our_own(self) -> None:
        """Our own tester is gone when the Deferred fires."""
        with self.daemons(ONE) as (one,):
            result = await self.reached(Step.RUNNING, HERE, end(one), later=0.5)
            self.assertTrue(self.ours(one))
            await self.cancelled(result)

    async def test_connecting(self) -> None:
        """While a host does not answer, or says nothing."""
        with closing(socket.create_server((ONE, 0), backlog=0)) as silent:
            port = silent.getsockname()[1]
            for _ in range(4):  # then the backlog is full
                result = run_test(reactor, at(ONE, port), at(ONE, port))
                await deferLater(reactor, 0.1)
                await self.cancelled(result)

    async def test_close(self) -> None:
        """Closing gives up the test that runs."""
        with self.daemons(ONE) as (one,):
            tests = Tests(reactor, end(one), end(one))
            result = tests.run(testers=["thrulay"], duration=20)
            await deferLater(reactor, 0.5)
            failed = self.assertFailure(result, CancelledError)
            await tests.close()
            await failed
