"""The file of quotas: what it brings back, and what happens where it cannot be used."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.task import Clock, deferLater
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from bwctl.daemon import quota_file
from bwctl.daemon.config import Settings
from bwctl.daemon.quota_file import KEPT_S, RETRY_S, QuotaFile
from bwctl.daemon.service import quota_path
from bwctl.limits.quota import QUOTAS, Cost, Ledger
from bwctl.net.quotas import Quotas
from bwctl.net.timers import Timers
from tests.support.clocks import FakeClock

NAMES = tuple(QUOTAS)


class Trial:
    """A ledger and its file; the clock is turned by hand, the database is a real one."""

    def __init__(self, path: Path, unix: float = 1_800_000_000.0) -> None:
        self.turned = Clock()
        self.clock = FakeClock(self.turned, unix)
        self.quotas = Quotas(self.clock)
        timers = Timers(self.turned, self.clock)
        self.file = QuotaFile(str(path), self.quotas, timers, reactor)

    def spend(self, who: str, tests: int = 0, seconds: int = 0, octets: int = 0) -> None:
        cost = Cost(tests, seconds, octets)
        self.quotas.keep(self.quotas.ledger.spend(who, cost, self.quotas.now()))

    def used(self, who: str) -> tuple[int, ...]:
        now = self.quotas.now()
        return tuple(self.quotas.ledger.used(who, quota, now) for quota in QUOTAS.values())

    async def idle(self) -> None:
        while self.file._work is not None:
            await deferLater(reactor, 0.005)


class QuotaFileTests(TestCase):
    timeout = 20

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir(parents=True)
        self.path = self.directory / "quota"

    def rows(self) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute("select * from used order by 1, 2").fetchall()
        finally:
            connection.close()

    async def test_restart(self) -> None:
        """What was used up is known after a restart, and what is older than a day is not."""
        one = Trial(self.path)
        await one.file.begin()
        self.assertFalse(self.path.exists())
        one.spend("user:joe", 1, 30)
        one.turned.advance(10)
        one.spend("user:joe", 1, 30)
        one.spend("user:joe", octets=5000)
        one.spend("net:2001:db8::/64", 1, 7)
        await one.file.stop()
        self.assertEqual(sorted(os.listdir(self.directory)), ["quota"])
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(len(self.rows()), 2)
        for later, joe in [
            (3600 + 9, (2, 2, 60, 5000)),
            (3600 + 10, (0, 2, 60, 5000)),
            (86400 + 9, (0, 2, 60, 5000)),
            (86400 + 10, (0, 0, 0, 0)),
        ]:
            two = Trial(self.path, 1_800_000_000.0 + later)
            await two.file.begin()
            self.assertEqual(two.used("user:joe"), joe, later)
            two.spend("user:joe", 0)
            await two.file.stop()

    async def test_pruned(self) -> None:
        """Rows that count no longer leave the file, at the start and while it runs."""
        one = Trial(self.path)
        await one.file.begin()
        one.spend("a", 1)
        await one.idle()
        one.turned.advance(KEPT_S - 1)
        one.spend("b", 1)
        await one.idle()
        self.assertEqual([row[0] for row in self.rows()], ["a", "b"])
        one.turned.advance(3601)
        one.spend("c", 1)
        await one.file.stop()
        self.assertEqual([row[0] for row in self.rows()], ["b", "c"])
        two = Trial(self.path, 1_800_000_000.0 + 3 * KEPT_S)
        await two.file.begin()
        await two.file.stop()
        self.assertEqual(self.rows(), [])

    async def test_future(self) -> None:
        """What a wrong clock wrote counts for a day from the start, however often one starts."""
        one = Trial(self.path, 4_000_000_000.0)
        await one.file.begin()
        one.spend("a", 1)
        await one.file.stop()
        for hours, used in ((0, 1), (23, 1), (24, 0)):
            again = Trial(self.path, 1_800_000_000.0 + hours * 3600)
            await again.file.begin()
            self.assertEqual(again.used("a")[1], used, hours)
            await again.file.stop()

    async def test_many(self) -> None:
        """A burst is written in few pieces, and nothing is lost."""
        one = Trial(self.path)
        await one.file.begin()
        for number in range(5000):
            one.spend(f"net:{number % 1000}", 1, 2, 3)
        await one.file.stop()
        two = Trial(self.path)
        await two.file.begin()
        self.assertEqual(two.used("net:7"), (5, 5, 10, 15))
        self.assertEqual(len(two.quotas.ledger), 1000)
        await two.file.stop()

    async def troubled(self, trial: Trial, text: str) -> None:
        """The file cannot be used: one warning, counting goes on, and a stop tells what is lost."""
        with capturedLogs() as events:
            await trial.file.begin()
            trial.spend("a", 1, 5)
            await trial.idle()
            self.assertEqual(trial.used("a"), (1, 1, 5, 0))
            for _ in range(3):
                trial.turned.advance(RETRY_S)
                await trial.idle()
            await trial.file.stop()
        told = [event for event in events if event.get("event") == "quota.file_failed"]
        self.assertEqual(len(told), 2)
        self.assertIn(text, told[0]["error"])
        self.assertEqual(told[1]["count"], 1)
        self.assertGreaterEqual(trial.file.failures, 4)
        self.assertFalse(trial.turned.getDelayedCalls())

    async def test_no_directory(self) -> None:
        """A directory that is not there."""
        await self.troubled(Trial(self.directory / "no" / "quota"), "may not be written")

    async def test_directory_in_its_place(self) -> None:
        """A directory where the file should be."""
        self.path.mkdir()
        await self.troubled(Trial(self.path), "directory")

    async def test_damaged(self) -> None:
        """A file that is no database is left as it is."""
        self.path.write_bytes(b"not a database, " * 99)
        await self.troubled(Trial(self.path), "not a database")
        self.assertEqual(self.path.read_bytes(), b"not a database, " * 99)

    async def test_newer(self) -> None:
        """A file of a later version is left as it is."""
        connection = sqlite3.connect(self.path)
        connection.execute("pragma user_version = 99")
        connection.close()
        await self.troubled(Trial(self.path), "newer")

    async def test_full_disk(self) -> None:
        """A full disk costs nothing but the rows that do not fit; once there is room they go in."""
        self.patch(quota_file, "PRAGMAS", (*quota_file.PRAGMAS, "pragma max_page_count = 8"))
        one = Trial(self.path)
        with capturedLogs() as events:
            await one.file.begin()
            for number in range(2000):
                one.spend(f"net:{number}", 1)
            await one.idle()
            self.assertEqual((one.used("net:0")[0], one.used("net:1999")[0]), (1, 1))
            self.assertIn("full", [event.get("error", "") for event in events][-1])
            one.file._pool.close()  # room again: another connection without the bound
            one.file._pool = None
            self.patch(quota_file, "PRAGMAS", quota_file.PRAGMAS[:-1])
            one.turned.advance(RETRY_S)
            await one.idle()
            await one.file.stop()
        names = [event.get("event") for event in events]
        self.assertEqual(names.count("quota.file_failed"), 1)
        self.assertIn("quota.file_works", names)
        self.assertEqual(len(self.rows()), 2000)

    async def test_locked(self) -> None:
        """A file that somebody else has locked is read and written when it is free again."""
        first = Trial(self.path)
        await first.file.begin()
        first.spend("a", 3)
        await first.file.stop()
        self.patch(quota_file, "PRAGMAS", ("pragma busy_timeout = 20", *quota_file.PRAGMAS[1:]))
        holder = sqlite3.connect(self.path)
        holder.execute("begin exclusive")
        two = Trial(self.path)
        with capturedLogs() as events:
            await two.file.begin()
            two.spend("a", 1)
            self.assertEqual(two.used("a")[0], 1)
            holder.rollback()
            holder.close()
            two.turned.advance(RETRY_S)
            await two.idle()
        self.assertEqual(two.used("a")[0], 4)
        self.assertEqual(
            [event.get("event") for event in events if "quota" in event.get("event", "")],
            ["quota.file_failed", "quota.loaded", "quota.file_works"],
        )
        await two.file.stop()
        self.assertEqual(sum(row[3] for row in self.rows()), 4)

    async def test_slow(self) -> None:
        """A start does not wait for ever for a file that does not answer."""
        one = Trial(self.path)
        self.path.touch()
        begun = one.file.begin()
        one.turned.advance(quota_file.LOAD_S)
        await begun
        await one.file.stop()

    async def test_nonsense(self) -> None:
        """Rows with nonsense in them are a file that cannot be used, or count as nothing."""
        one = Trial(self.path)
        await one.file.begin()
        one.spend("a", 1)
        await one.file.stop()
        connection = sqlite3.connect(self.path)
        connection.execute("update used set tests = -5")
        connection.commit()
        two = Trial(self.path)
        await two.file.begin()
        self.assertEqual(two.used("a")[0], 0)
        await two.file.stop()
        connection.execute("update used set tests = 'many'")
        connection.commit()
        connection.close()
        await self.troubled(Trial(self.path), "many")


class PathTests(TestCase):
    def test_path(self) -> None:
        """Its own option, else in var_dir, else memory alone."""
        here = os.getcwd()
        for settings, path in [
            (Settings(), None),
            (Settings(var_dir="/var/x"), "/var/x/bwctl-server.quota"),
            (Settings(var_dir="x"), f"{here}/x/bwctl-server.quota"),
            (Settings(var_dir="/var/x", quota_file="/q"), "/q"),
            (Settings(quota_file="q"), f"{here}/q"),
        ]:
            self.assertEqual(quota_path(settings), path)

    def test_shared(self) -> None:
        """A ledger may be given, to be shared."""
        ledger = Ledger()
        self.assertIs(Quotas(FakeClock(Clock()), ledger).ledger, ledger)
