"""A real daemon with many classes, and control clients from addresses that lead to them."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.timing import OVERRUN
from bwctl.errors import AcceptType
from bwctl.values import NO_SID, ErrorEstimate, NTPTime, Role, ToolID, ticks
from bwctl.wire.fields import Mode
from bwctl.wire.messages import TestAccept
from tests.daemon.policy_rows import Ask
from tests.support.daemons import Daemon, start_ours, until
from tests.support.raw import Raw, request
from tests.support.testers import need

ADDRESS = "127.0.0.70"
GRANTED, REJECT = AcceptType.ACCEPT, AcceptType.REJECT
SID = b"a sid of someone"


class PolicyTestCase(SynchronousTestCase):
    """Speaks to `self.daemon` and reads in its log why it refuses."""

    daemon: Daemon

    def setUp(self) -> None:
        self.clients: list[Raw] = []

    def start(self, limits: str, options: str = "") -> Daemon:
        """A daemon that offers a tester of every kind."""
        need("iperf3", "ping", "traceroute")
        daemon = start_ours(ADDRESS, options, limits=limits)
        self.addCleanup(daemon.kill)
        return daemon

    def raw(self, source: str, mode: Mode = Mode.OPEN, **options: Any) -> Raw:
        """A client that has only read the greeting."""
        raw = Raw(ADDRESS, self.daemon.ports.control, mode, source=source, **options)
        self.addCleanup(raw.socket.close)
        self.clients.append(raw)
        return raw

    def client(self, source: str, mode: Mode = Mode.OPEN) -> Raw:
        """A client that may ask."""
        raw = self.raw(source, mode)
        raw.open()
        return raw

    def ask(self, client: Raw, asked: Ask, **more: Any) -> TestAccept:
        """Ask for a place; the answer. See `Ask` for what is asked."""
        now = client.time()
        fields: dict[str, Any] = {"server": ADDRESS, "client": "127.0.0.71", **asked, **more}
        start = fields.pop("at", NTPTime(now.time + ticks(fields.pop("ahead", 900))))
        fields.pop("ahead", None)
        if fields.pop("own", False):
            fields["client"] = client.socket.getsockname()[0]
        padding = fields.pop("padding", 0)
        if padding:
            error = ticks(padding) - OVERRUN - now.error.ticks
            fields["error"] = ErrorEstimate.from_ticks(error)
        if fields.get("role") is Role.CLIENT:
            fields = {"sid": SID, "server": "127.0.0.71", "client": ADDRESS, **fields}
            fields |= {"server": "127.0.0.71", "client": ADDRESS}
        return client.ask(request(start, **fields))

    def cancel(self, client: Raw, held: TestAccept) -> None:
        """Give a place back."""
        client.ask(request(0, sid=held.sid, server=ADDRESS, tool=ToolID.THRULAY))

    def permits(self, client: Raw, asked: Ask, **more: Any) -> None:
        """The request gets its time to the bit; the place is given back."""
        answer = self.ask(client, asked, **more)
        self.assertEqual(answer.accept, GRANTED, (asked, self.last("reservation.refused")))
        if "at" in asked:
            self.assertEqual(answer.start, asked["at"])
        self.cancel(client, answer)

    def forbids(
        self, client: Raw, asked: Ask, reasons: Sequence[str], busy: bool = False, **more: Any
    ) -> None:
        """The request is refused, for these reasons and no other; the answer says nothing."""
        answer = self.ask(client, asked, **more)
        self.assertEqual((answer.accept, answer.port, answer.sid), (REJECT, 0, NO_SID), asked)
        self.assertEqual(answer.start != 0, busy, asked)
        line = self.last("reservation.refused")
        for reason in reasons:
            self.assertIn(reason, line)
        self.assertEqual(line.count(" (asked: "), len(reasons), line)

    def last(self, event: str) -> str:
        """The last line of the log about an event."""
        lines = [line for line in self.daemon.log().splitlines() if f" {event} " in line]
        return lines[-1] if lines else ""

    def signalled(self, number: int, event: str) -> str:
        """Send a signal; the line of an event that comes of it."""
        seen = self.daemon.log().count(f" {event} ")
        self.daemon.process.send_signal(number)
        in_time = until(lambda: self.daemon.log().count(f" {event} ") > seen, 10)
        self.assertTrue(in_time, self.daemon.log())
        return self.last(event)

    def reload(self, limits: str) -> None:
        """Put other limits into force."""
        (self.daemon.directory / "bwctl-server.limits").write_text(limits)
        self.signalled(signal.SIGHUP, "daemon.reloaded")

    def is_empty(self) -> None:
        """When all clients are gone nothing is reserved, and nobody is connected."""
        for client in self.clients:
            client.socket.close()

        def seen() -> bool:
            line = self.signalled(signal.SIGUSR1, "daemon.status")
            return "status: 0 connections, 0 reservations, 0 confirmed" in line

        self.assertTrue(until(seen, 5, 0.1), self.last("daemon.status"))
        self.daemon.assert_idle()
