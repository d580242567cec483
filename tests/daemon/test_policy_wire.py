"""Every limit of a real daemon, at its bound, below and above, by what the wire answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from twisted.trial.unittest import SynchronousTestCase

from bwctl.limits.classes import LIMITS
from bwctl.values import Role
from bwctl.wire.fields import Mode
from tests.daemon import test_quotas
from tests.daemon.policy_case import ADDRESS, GRANTED, PolicyTestCase
from tests.daemon.policy_rows import PING, ROWS, TRACE, Row, rows_of_time
from tests.support.daemons import running

COUNTED = ("pending", "max_connections", "allow_open_mode")  # in test_policy_counts
WIDE = "limit root with allow_udp=on, allow_no_endpoint=on\n"


def all_rows() -> tuple[Row, ...]:
    return (*ROWS, *rows_of_time(datetime.now()))


def classes(number: int, row: Row) -> Iterator[str]:
    """A class with a limit, one below it, and one below that which says that it lifts it."""
    yield f"limit c{number} with parent=root, {row.line}"
    yield f"limit d{number} with parent=c{number}"
    yield f"limit e{number} with parent=d{number}, {row.below}"
    for level, name in enumerate("cde"):
        yield f"assign net 127.0.{71 + level}.{number} {name}{number}"


class TableTests(SynchronousTestCase):
    def test_complete(self) -> None:
        """Each limit that a file can have is driven through the wire."""
        quotas = {row[0].partition("=")[0] for row in test_quotas.QuotaTests.TABLE}
        self.assertEqual({row.name for row in all_rows()} | {*COUNTED} | quotas, set(LIMITS))


class FixedLimitTests(PolicyTestCase):
    """Limits that hold one request against one value."""

    def test_classes(self) -> None:
        """A limit holds in its class and in all below it, whatever those say."""
        rows = all_rows()
        lines = [line for number, row in enumerate(rows) for line in classes(number, row)]
        limits = WIDE + "\n".join([*lines, "assign default root\n"])
        with running(self.start(limits)) as (self.daemon,):
            for number, row in enumerate(rows):
                self.in_its_class(number, row)
                self.below_its_class(number, row)
            self.is_empty()

    def in_its_class(self, number: int, row: Row) -> None:
        """All requests of a row; neither a denial nor a lost connection costs anything."""
        source = f"127.0.71.{number}"
        client = self.client(source)
        for asked in row.passing:
            self.permits(client, asked)
        for asked, told in row.failing:
            reason = f"{row.limit} of class c{number} (asked: {told})"
            self.forbids(client, asked, [reason], row.busy)
            self.assertIn(f"{source} (open) refused: ", self.last("reservation.refused"))
            self.assertIn(f" (class c{number})", self.last("reservation.refused"))
            self.permits(client, row.passing[0])
        self.assertEqual(self.ask(client, row.passing[0]).accept, GRANTED)
        client.socket.close()  # with what it holds
        self.permits(self.client(source), row.passing[0])

    def below_its_class(self, number: int, row: Row) -> None:
        """A class below is bound as well, and the log names all that bind it."""
        for level, bound in ((72, "dc"), (73, "edc" if row.is_cut else "dc")):
            client = self.client(f"127.0.{level}.{number}")
            self.permits(client, row.passing[0])
            for asked, told in row.failing:
                reasons = [f"{row.limit} of class {one}{number} (asked: {told})" for one in bound]
                self.forbids(client, asked, reasons, row.busy)
            self.permits(client, row.passing[0])
            client.socket.close()

    def test_root(self) -> None:
        """A limit of the root binds everybody, from the moment when it is read."""
        with running(self.start(WIDE)) as (self.daemon,):
            client = self.client("127.0.71.1")
            for row in all_rows():
                self.reload(
                    f"limit top with {row.line}\nlimit middle with parent=top\n"
                    f"limit low with parent=middle, {row.below}\nassign default low\n"
                )
                self.permits(client, row.passing[0])
                for asked, told in row.failing:
                    answer = self.ask(client, asked)
                    self.assertNotEqual(answer.accept, GRANTED, (row.limit, asked))
                    line = self.last("reservation.refused")
                    self.assertIn(f"{row.limit} of class top (asked: {told})", line)
            self.is_empty()

    def test_all_that_fail(self) -> None:
        """One line names every limit that a request breaks, at each class, with the numbers."""
        limits = (
            "limit top with duration=20, max_streams=4, max_time_error=5, event_horizon=60,"
            " testers=thrulay, allow_no_endpoint=off, rate_tcp=1m, days=mon, hours=8-9\n"
            "limit low with parent=top, duration=10, allow_tcp=off, pending=1, tests_per_hour=1\n"
            "assign default low\n"
        )
        with running(self.start(limits)) as (self.daemon,):
            client = self.client("127.0.71.1")
            asked = {"duration": 21, "parallel": 9, "padding": 5.5, "ahead": 59, "bandwidth": 10**6}
            self.ask(client, asked, no_server_endpoint=True, role=Role.CLIENT)
            line = self.last("reservation.refused")
            for limit, told in (
                ("duration=10 of class low", "21"),
                ("duration=20 of class top", "21"),
                ("max_streams=4 of class low", "9"),
                ("max_streams=4 of class top", "9"),
                ("max_time_error=5 of class low", "6"),
                ("testers=thrulay of class top", "iperf3"),
                ("rate_tcp=1000000 of class top", "9000000"),
                ("allow_no_endpoint=off of class top", "on"),
                ("allow_tcp=off of class low", "on"),
            ):
                self.assertIn(f"{limit} (asked: {told})", line)
            self.assertNotIn("event_horizon", line)
            self.ask(client, {"ahead": 120.99, "duration": 11})
            line = self.last("reservation.refused")
            for limit, told in (
                ("duration=10 of class low", "11"),
                ("event_horizon=60 of class low", "121"),
                ("event_horizon=60 of class top", "121"),
            ):
                self.assertIn(f"{limit} (asked: {told})", line)
            self.assertIsNone(re.search(r"pending|tests_per_hour", line))

    def test_late_slot(self) -> None:
        """A start that the timetable moves beyond the horizon or the latest time says which."""
        limits = "limit top with\nlimit low with parent=top, event_horizon=60\nassign default low\n"
        limits += "assign user testuser top\n"
        with running(self.start(limits)) as (self.daemon,):
            holder, client = self.client("127.0.71.1"), self.client("127.0.71.2")
            held = self.ask(holder, {"ahead": 30, "duration": 50}, latest=0)
            self.assertEqual(held.accept, GRANTED)
            self.forbids(
                client, {"ahead": 31}, ["event_horizon=60 of class low (asked: 8"], busy=True
            )
            now = client.time().time
            asked = {"at": now + (31 << 32), "latest": now + (40 << 32)}
            self.forbids(client, asked, ["event_horizon=60 of class low (asked: 8"], busy=True)
            self.assertIn("busy until after the latest time; ", self.last("reservation.refused"))
            client = self.client("127.0.71.2", Mode.AUTHENTICATED)
            self.forbids(client, asked, [], busy=True)
            self.assertIn("busy until after the latest time (", self.last("reservation.refused"))
            self.assertEqual(self.ask(client, {**asked, "latest": 0}).accept, GRANTED)


class MovedTests(PolicyTestCase):
    """What an update may bring is held against the limits again."""

    def test_move(self) -> None:
        """A move with a larger error, or too far ahead, is refused and costs its own place."""
        limits = "limit top with max_time_error=5, event_horizon=100\nassign default top\n"
        with running(self.start(limits)) as (self.daemon,):
            client = self.client("127.0.71.1")
            for asked, reason, busy in (
                ({"padding": 5.5}, "max_time_error=5 of class top (asked: 6)", False),
                ({"padding": 2, "ahead": 102.5}, "event_horizon=100 of class top (asked:", True),
            ):
                held = self.ask(client, {"ahead": 50})
                self.assertEqual(held.accept, GRANTED)
                moved = self.ask(client, {"ahead": 70, "padding": 4.9}, sid=held.sid)
                self.assertEqual((moved.accept, moved.sid), (GRANTED, held.sid))
                self.forbids(client, {"ahead": 80, **asked}, [reason], busy, sid=held.sid)
                self.permits(client, {"ahead": 70})
            self.is_empty()


class TraceTests(PolicyTestCase):
    def test_first_ttl(self) -> None:
        """A trace that names no first TTL starts at the least one of the classes, for real."""
        limits = (
            "limit top with allow_no_endpoint=on, minimum_ttl=3\n"
            "limit low with parent=top, minimum_ttl=7\nassign default low\n"
        )
        with running(self.start(limits)) as (self.daemon,):
            client = self.client("127.0.71.1")
            asked = {"tool": TRACE, "role": Role.CLIENT, "no_server_endpoint": True}
            answer = self.ask(client, {**asked, "ahead": 0, "duration": 1, "verbose": True})
            self.assertEqual(answer.accept, GRANTED)
            self.assertEqual(client.start().accept, GRANTED)
            stopped = client.stop()
            self.assertRegex(stopped.output, rb"exec_line: .* -f ?7\b")
            self.assertEqual(stopped.accept, GRANTED, stopped.output)

    def test_local_client(self) -> None:
        """A client on this very host needs no allow_no_endpoint."""
        with running(self.start("limit top with\nassign default top\n")) as (self.daemon,):
            asked = {**PING, "role": Role.CLIENT, "no_server_endpoint": True}
            self.permits(self.client(ADDRESS), asked)
            reason = "allow_no_endpoint=off of class top (asked: on)"
            self.forbids(self.client("127.0.71.1"), asked, [reason])
