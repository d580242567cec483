"""Plug-ins of a site: keys in a database, a rule of its own, results in a file.

Put the directory above `twisted` on PYTHONPATH, or install it, and write in bwctl-server.conf:

    key_store   database
    policy      known-users
    result_sink json-lines

BWCTL_KEYS names an SQLite file with a table `users (name, key)`, BWCTL_RESULTS the file of results.
"""

from __future__ import annotations

import json
import os

from twisted.application.service import Service
from twisted.enterprise.adbapi import ConnectionPool
from twisted.plugin import IPlugin
from zope.interface import implementer

from bwctl.interfaces import ClientFacts, IKeyStore, IPolicy, IResultSink, RequestFacts
from bwctl.results import TestEnded


@implementer(IPlugin, IKeyStore)
class Database(Service):
    """Keys in a database, looked up in threads. As a service it starts with the daemon."""

    name = "database"

    def startService(self) -> None:
        super().startService()
        path = os.environ["BWCTL_KEYS"]
        self._pool = ConnectionPool("sqlite3", path, check_same_thread=False)

    def stopService(self) -> None:
        super().stopService()
        self._pool.close()

    async def key(self, identity: str) -> bytes | None:
        if not identity.isprintable():  # a stranger may send anything
            return None
        rows = await self._pool.runQuery("select key from users where name = ?", (identity,))
        return rows[0][0] if rows else None


@implementer(IPlugin, IPolicy)
class KnownUsers:
    """UDP, which does not give way to others, is for users with a key."""

    name = "known-users"

    def limit_class(self, client: ClientFacts) -> str | None:
        return None  # what bwctl-server.limits says

    def denials(self, request: RequestFacts) -> list[str]:
        if request.spec.udp and request.client.user is None:
            return ["UDP is for users with a key"]
        return []


@implementer(IPlugin, IResultSink)
class JSONLines:
    """One line for every test."""

    name = "json-lines"

    def test_ended(self, ended: TestEnded) -> None:
        line = {
            "sid": ended.sid.hex(),
            "user": ended.user,
            "status": ended.status.name,
            "summary": dict(ended.summary),
        }
        with open(os.environ["BWCTL_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


database = Database()
known_users = KnownUsers()
json_lines = JSONLines()
