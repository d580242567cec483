"""What requesters have used up, in a small SQLite file, so that a restart forgives nobody.

The ledger in memory answers; the file is read once, and written behind. A file that cannot be
used is logged and counted, and tried again: until then the daemon knows what it has seen itself.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bwctl.errors import BWCTLError
from bwctl.limits.quota import DAY_S, HOUR_S, Cost, Row
from bwctl.net.once import Once
from bwctl.net.quotas import Quotas
from bwctl.net.timers import Timer, Timers

LOAD_S: Final = 10.0  # how long a start waits for the file
RETRY_S: Final = 60.0
KEPT_S: Final = DAY_S + HOUR_S  # an hour more than counts, for clocks that are set
PRAGMAS: tuple[str, ...] = (
    "pragma busy_timeout = 5000",
    "pragma journal_mode = wal",
    "pragma synchronous = normal",
)
MIGRATIONS: Final = (
    """
    create table used(
        account text not null, minute integer not null, at real not null,
        tests integer not null, seconds integer not null, bytes integer not null,
        primary key (account, minute)
    ) without rowid;
    """,
)
"""What brings a file from each version, its `user_version`, to the next one."""

_READ = "select account, at, tests, seconds, bytes from used"
_WRITE = """
    insert into used values (?, ?, ?, ?, ?, ?) on conflict (account, minute) do update set
    at = max(at, excluded.at), tests = tests + excluded.tests,
    seconds = seconds + excluded.seconds, bytes = bytes + excluded.bytes
"""


class QuotaFileError(BWCTLError):
    """The file is not one of ours."""


_TROUBLES: Final = (
    *(sqlite3.Error, sqlite3.Warning, OSError, ValueError, TypeError, QuotaFileError),
    RuntimeError,  # no thread is to be had
)


class QuotaFile:
    """Keeps a ledger in a file. All of SQLite happens in one thread of its own.

    Args:
        path: made when there is something to write, readable for the daemon's user only.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, path: str, quotas: Quotas, timers: Timers, reactor: Any) -> None:
        self.path = path
        self.failures = 0
        self._quotas = quotas
        self._timers = timers
        self._reactor = reactor
        self._pool: ConnectionPool | None = None
        self._unsaved: dict[tuple[str, int], Row] = {}
        self._loaded = False
        self._failing = False
        self._pruned = 0.0
        self._ready: Once[None] = Once()
        self._work: Once[None] | None = None  # what goes on now
        self._retry: Timer | None = None
        self._patience: Timer | None = None

    def begin(self) -> Deferred[None]:
        """Read the file; fires when the ledger has it, or it failed, or takes too long."""
        self._quotas.keep = self.keep
        self._patience = self._timers.after(LOAD_S, self._ready.fire, None)
        self._start()
        return self._ready.wait()

    def keep(self, row: Row) -> None:
        """Write a row behind; nothing is awaited."""
        self._add([row])
        if self._retry is None:
            self._start()

    async def stop(self) -> None:
        """Write what is left, and close the file."""
        for timer in filter(None, (self._patience, self._retry)):
            timer.cancel()
        if self._work is not None:
            await self._work.wait()
        if self._unsaved:
            self._start()
            if self._work is not None:
                await self._work.wait()
        if self._retry is not None:
            self._retry.cancel()
        if self._unsaved:
            self._tell_failure("{count} entries are lost", count=len(self._unsaved))
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    # -- one piece of work at a time -------------------------------------------------------------

    def _start(self) -> None:
        if self._work is None:
            work = self._work = Once()
            Deferred.fromCoroutine(self._run()).addErrback(self._broken).addCallback(work.fire)

    async def _run(self) -> None:
        try:
            if not self._loaded:
                await self._load()
            while self._unsaved:
                await self._save()
        except _TROUBLES as error:
            self._failed(error)
        else:
            self._works()
        finally:
            self._work = None
            if self._patience is not None:
                self._patience.cancel()
            self._ready.fire(None)

    def _broken(self, failure: Failure) -> None:
        self.log.failure("quota file failed", failure=failure, event="quota.broken")

    async def _load(self) -> None:
        """Take over what the file has; none is made just to be read."""
        if os.path.exists(self.path):
            rows = await self._do(_read, self._quotas.now())
            self._quotas.ledger.restore(rows, self._quotas.now())
            self.log.info(
                "quotas: {count} entries of the last day from {path}",
                count=len(rows),
                path=self.path,
                event="quota.loaded",
            )
        elif not os.access(os.path.dirname(self.path), os.W_OK | os.X_OK):
            raise QuotaFileError("its directory may not be written")
        self._loaded = True

    async def _save(self) -> None:
        now = self._quotas.now()
        rows, self._unsaved = self._unsaved, {}
        old = now - KEPT_S if not 0 <= now - self._pruned < HOUR_S else None
        try:
            await self._do(_write, list(rows.values()), old)
        except BaseException:
            self._add(rows.values())
            raise
        if old is not None:
            self._pruned = now

    def _do(self, work: Any, *args: Any) -> Deferred[Any]:
        if self._pool is None:
            self._pool = _Pool(self.path, self._reactor)
        done: Deferred[Any] = self._pool.runInteraction(work, *args)
        return done

    def _add(self, rows: Iterable[Row]) -> None:
        """What is of one account and minute goes into one row."""
        for row in rows:
            known = self._unsaved.get((row.account, row.cell))
            if known is not None:
                row = Row(row.account, max(row.at, known.at), row.cost.plus(known.cost))
            self._unsaved[row.account, row.cell] = row

    # -- trouble ---------------------------------------------------------------------------------

    def _failed(self, error: Exception) -> None:
        """Count, tell the first time, and try again later; what is too old by then is dropped."""
        self.failures += 1
        if not self._failing:
            self._tell_failure("{error}; counting goes on in memory", error=str(error))
        self._failing = True
        least = self._quotas.now() - KEPT_S
        self._unsaved = {key: row for key, row in self._unsaved.items() if row.at >= least}
        self._retry = self._timers.after(RETRY_S, self._again)

    def _tell_failure(self, text: str, **fields: object) -> None:
        self.log.warn(
            "quota file {path}: " + text,
            path=self.path,
            failures=self.failures,
            event="quota.file_failed",
            **fields,
        )

    def _again(self) -> None:
        self._retry = None
        self._start()

    def _works(self) -> None:
        if self._failing:
            self.log.info("quota file {path} works again", path=self.path, event="quota.file_works")
        self._failing = False


# In the pool's thread


class _Pool(ConnectionPool):
    """One connection in one thread."""

    noisy = False

    def __init__(self, path: str, reactor: Any) -> None:
        super().__init__(
            "sqlite3",
            path,
            check_same_thread=False,  # it is closed by another thread than uses it
            cp_reactor=reactor,
            cp_min=1,
            cp_max=1,
            cp_openfun=_set_up,
        )
        self._path = path

    def connect(self) -> Any:
        """The connection; a new file is for our user alone, which SQLite would not see to."""
        if not self.connections:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            os.close(os.open(self._path, flags, 0o600))
        return super().connect()


def _set_up(connection: sqlite3.Connection) -> None:
    try:
        for pragma in PRAGMAS:
            connection.execute(pragma)
        _migrate(connection)
    except BaseException:
        connection.close()
        raise


def _migrate(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("pragma user_version").fetchone()
    if not 0 <= version <= len(MIGRATIONS):
        raise QuotaFileError(f"version {version} is of a newer bwctld")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"begin; {script}; pragma user_version = {number}; commit;")


def _read(cursor: Any, now: float) -> list[Row]:
    """All that counts. What a clock that was wrong wrote into the future is of now."""
    cursor.execute("update used set at = ? where at > ?", (now, now))
    cursor.execute("delete from used where at < ?", (now - KEPT_S,))
    cursor.execute(_READ)
    return [
        Row(str(account), float(at), _cost(*values)) for account, at, *values in cursor.fetchall()
    ]


def _cost(*values: Any) -> Cost:
    return Cost(*(max(0, int(value)) for value in values))


def _write(cursor: Any, rows: list[Row], old: float | None) -> None:
    if old is not None:
        cursor.execute("delete from used where at < ?", (old,))
    cursor.executemany(_WRITE, [(row.account, row.cell, row.at, *row.cost) for row in rows])
