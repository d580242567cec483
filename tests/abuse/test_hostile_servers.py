"""Our client against daemons that say anything: it ends, in words, and with nothing left."""

from __future__ import annotations

from itertools import product
from typing import Any

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from bwctl.api import at, run_test
from bwctl.errors import AcceptType
from bwctl.results import ExitStatus, TestResult
from bwctl.text import sanitise
from bwctl.values import NTP_MAX, NTPTime
from bwctl.wire.messages import StopSession, TimeResponse, encode_stop
from tests.abuse.scenes import ERROR
from tests.abuse.servers import OUTPUT, STEPS, HostileFactory, foreign
from tests.support.daemons import Ran, run_ours
from tests.support.effort import SEEDED, dice, times
from tests.support.raw import KEY

SOUND, HOSTILE = "127.0.0.125", "127.0.0.126"
PATIENCE_S = 30.0
MOST = 64 << 20  # octets of results that a client takes
GIANT = b"bwctl: \x1b[31m\x01\n{[\xff" * 300
DEFECTS = {ExitStatus.INTERNAL, ExitStatus.USAGE}


class HostileTestCase(TestCase):
    """Two daemons in this process; one is to be trusted no more than it has to be."""

    timeout = 3600.0

    def setUp(self) -> None:
        self.dice = dice("servers")
        self.hostile = self.listens(HOSTILE)
        self.sound = self.listens(SOUND)

    def listens(self, address: str) -> HostileFactory:
        factory = HostileFactory(reactor, self.dice)
        listening: Any = reactor.listenTCP(0, factory, interface=address)  # type: ignore[attr-defined]
        self.addCleanup(listening.stopListening)
        factory.port = listening.getHost().port
        return factory


class ApiTests(HostileTestCase):
    """`bwctl.api`, on which the command line stands, in this process."""

    def end(self, factory: HostileFactory, encrypted: bool) -> Any:
        address = HOSTILE if factory is self.hostile else SOUND
        known = {"user": "testuser", "key": KEY} if encrypted else {}
        return at(address, factory.port, **known)  # type: ignore[arg-type]

    async def result(self, *, sends: bool, encrypted: bool) -> TestResult:
        ends = self.end(self.hostile, encrypted), self.end(self.sound, encrypted)
        receiver, sender = ends[::-1] if sends else ends
        running = run_test(reactor, receiver, sender, testers=["thrulay"], duration=1)
        return await running.addTimeout(PATIENCE_S, reactor)  # type: ignore[arg-type]

    async def test_damaged(self) -> None:
        """Every message of a daemon with something wrong in it, in both roles and two modes."""
        for number in range(times(6, 400)):
            for step, sends in product(STEPS, (False, True)):
                self.hostile.step = step
                await self.check(f"{number} {step}", sends, number % 2 == 0)

    async def test_out_of_place(self) -> None:
        """Messages that belong somewhere else."""
        for _ in range(times(2, 60)):
            for step, (name, octets) in product(STEPS, foreign().items()):
                self.hostile.step, self.hostile.instead = step, octets
                await self.check(f"{name} for {step}", False, False)

    async def check(self, what: str, sends: bool, encrypted: bool) -> None:
        result = await self.result(sends=sends, encrypted=encrypted)
        where = f"{SEEDED}{what}: {result.failure}"
        self.assertIsNotNone(result.failure, where)  # no daemon here makes a test
        assert result.failure is not None
        self.assertNotIn(result.failure.exit_status, DEFECTS, where)
        self.assertTrue(result.failure.message.isprintable(), where)
        self.assertEqual(self.flushLoggedErrors(), [], where)

    async def test_giant_results(self) -> None:
        """Results up to the bound are read in time, whatever is in them; beyond it they are not."""
        for size in (8 << 20, 1 << 30):
            octets = StopSession(AcceptType.ACCEPT, size).encode()
            if size < MOST:
                octets = encode_stop(AcceptType.ACCEPT, GIANT * (size // len(GIANT)))
            self.hostile.step, self.hostile.instead = "stop", octets
            self.hostile.damage = lambda octets, _: octets
            result = await self.result(sends=False, encrypted=False)
            assert result.failure is not None
            told = max(len(end.raw) for _, end in result.ends())
            if size < MOST:
                self.assertEqual(result.failure.exit_status, ExitStatus.TEST_FAILED)
                self.assertEqual(told, size - size % len(GIANT))
            else:
                self.assertNotIn(result.failure.exit_status, DEFECTS)
                self.assertLessEqual(told, len(OUTPUT))

    async def test_end_of_time(self) -> None:
        """A daemon that lives at the end of NTP's time is told of, not stumbled over."""
        for moment in (NTP_MAX, NTP_MAX - (60 << 32)):
            told = TimeResponse(NTPTime(moment), ERROR).encode()
            self.hostile.step, self.hostile.instead = "time", told
            self.hostile.damage = lambda octets, _: octets
            result = await self.result(sends=False, encrypted=False)
            assert result.failure is not None
            self.assertEqual(result.failure.exit_status, ExitStatus.CLOCK, result.failure)


class CommandTests(HostileTestCase):
    """The command line as a process of its own."""

    async def run_client(self, *words: str) -> Ran:
        ends = ("-c", f"{HOSTILE}:{self.hostile.port}", "-s", f"{SOUND}:{self.sound.port}")
        ran: Ran = await deferToThread(run_ours, *ends, "-T", "thrulay", "-t", "1", *words)
        return ran

    async def test_damaged(self) -> None:
        """It ends with a status of its own and a sentence, never with a traceback."""
        for number in range(times(2, 40)):
            for step in STEPS:
                self.hostile.step = step
                ran = await self.run_client(*(("--json",) if number % 2 else ()))
                self.check(ran)

    async def test_end_of_our_own(self) -> None:
        """A client that is one end itself leaves no process behind, whatever the other says."""
        for number in range(times(1, 20)):
            for step in STEPS[number % 2 :: 2]:
                self.hostile.step = step
                side = "-c" if number % 2 else "-s"
                words = (side, f"{HOSTILE}:{self.hostile.port}", "-T", "thrulay", "-t", "1")
                self.check(await deferToThread(run_ours, *words))

    async def test_results_that_steer_terminals(self) -> None:
        """Whatever results say, stderr has text alone; with a megabyte of it too."""
        for octets in (b"bwctl: \x1b]0;owned\x07\n\x1b[2J\x9b31m\r", GIANT * (1 << 8)):
            self.hostile.step = "stop"
            self.hostile.instead = encode_stop(AcceptType.FAILURE, octets)
            self.hostile.damage = lambda octets, _: octets
            for words in ((), ("-v", "-x"), ("--json",), ("--parsable", "-x")):
                self.check(await self.run_client(*words))

    def check(self, ran: Ran) -> None:
        where = f"{SEEDED}{self.hostile.step}: {ran.status}\n{ran.stderr[-3000:]}"
        self.assertNotIn(ran.status, {0, *DEFECTS}, where)
        self.assertNotIn("Traceback", ran.stderr, where)
        self.assertEqual(sanitise(ran.stderr), ran.stderr, where)
