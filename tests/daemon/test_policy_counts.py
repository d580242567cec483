"""Limits on what is held at a time, and who gets which class, by what a real daemon answers."""

from __future__ import annotations

import time

from bwctl.values import seconds
from bwctl.wire.fields import Mode
from tests.daemon.policy_case import GRANTED, REJECT, PolicyTestCase
from tests.support.daemons import running, until
from tests.support.raw import Raw

SOME = "127.0.71.1"
KEYED = Mode.AUTHENTICATED | Mode.ENCRYPTED


class PendingTests(PolicyTestCase):
    LIMITS = (
        "limit root with duration=60\n"
        "limit all with parent=root, pending=3\n"
        "limit few with parent=all, pending=2\n"
        "limit lift with parent=all, pending=0\n"
        "assign default root\n"
        "assign net 127.0.71.0/24 few\nassign net 127.0.72.0/24 lift\n"
    )
    FEW = "pending=2 of class few (asked: 1, held: 2)"
    ALL = "pending=3 of class all (asked: 1, held: 3)"

    def setUp(self) -> None:
        super().setUp()
        self.held: dict[Raw, bytes] = {}

    def holders(self, *sources: str) -> list[Raw]:
        clients = [self.client(source) for source in sources]
        for one in clients:
            answer = self.ask(one, {})
            self.assertEqual(answer.accept, GRANTED)
            self.held[one] = answer.sid
        return clients

    def test_tree(self) -> None:
        """A class counts what the classes below it hold; the log names all that are full."""
        with running(self.start(self.LIMITS)) as (self.daemon,):
            few, third = self.client(SOME), self.client("127.0.71.9")
            self.holders("127.0.71.2", "127.0.71.3")
            self.forbids(few, {}, [self.FEW])
            lift = self.client("127.0.72.1")
            self.holders("127.0.72.2")
            self.forbids(lift, {}, [self.ALL])
            self.forbids(third, {"duration": 61}, [self.FEW, self.ALL, *self.too_long()])
            self.permits(self.client("127.0.0.73"), {})  # in the root class
            self.is_empty()

    def too_long(self) -> list[str]:
        return [f"duration=60 of class {name} (asked: 61)" for name in ("few", "all", "root")]

    def test_no_leak(self) -> None:
        """Denied, busy, cancelled, lost, refused to move, never confirmed: the place is free."""
        with running(self.start(self.LIMITS)) as (self.daemon,):
            one, two = self.holders("127.0.71.2", "127.0.71.3")
            client = self.client(SOME)

            def full() -> bool:
                answer = self.ask(client, {})
                if answer.accept is GRANTED:
                    self.cancel(client, answer)
                return answer.accept is REJECT

            for _ in range(5):
                self.forbids(client, {}, [self.FEW])
            now = client.time().time
            late = {"at": now + (900 << 32), "latest": now + (500 << 32)}
            for leave in (self.lose, self.cancel_it, self.move_beyond, self.forget):
                leave(two)
                self.assertTrue(until(lambda: not full(), 6), leave)
                for _ in range(3):
                    answer = self.ask(client, late)  # passes `pending`, fails at the timetable
                    self.assertEqual((answer.accept, answer.start != 0), (REJECT, True))
                self.assertFalse(full())
                [two] = self.holders("127.0.71.3")
                self.assertTrue(full(), leave)
            one.socket.close()
            self.is_empty()

    def lose(self, client: Raw) -> None:
        client.socket.close()

    def cancel_it(self, client: Raw) -> None:
        answer = self.ask(client, {"at": 0}, sid=self.held[client])
        self.assertEqual(answer.accept, REJECT)

    def move_beyond(self, client: Raw) -> None:
        now = client.time().time
        moved = self.ask(client, {"at": now + (900 << 32)}, latest=now, sid=self.held[client])
        self.assertEqual(moved.accept, REJECT)

    def forget(self, client: Raw) -> None:
        soon = self.ask(client, {"ahead": 0}, sid=self.held[client])
        self.assertEqual(soon.accept, GRANTED)
        time.sleep(max(0.0, seconds(soon.start - client.time().time)))


class ConnectionTests(PolicyTestCase):
    def test_max_connections(self) -> None:
        """One connection too many is turned away, whoever is below; the others go on."""
        limits = (
            "limit root with\nlimit all with parent=root, max_connections=3\n"
            "limit few with parent=all, max_connections=2\nassign default root\n"
            "assign net 127.0.71.0/24 few\nassign net 127.0.72.0/24 all\n"
        )
        with running(self.start(limits)) as (self.daemon,):
            first = self.client(SOME)
            self.client("127.0.71.2")
            self.turned_away(SOME, "max_connections=2 of class few (asked: 1, held: 2)", 1)
            third = self.client("127.0.72.1")
            self.turned_away("127.0.72.2", "max_connections=3 of class all (asked: 1, held: 3)", 1)
            self.turned_away("127.0.71.3", "max_connections=3 of class all (asked: 1, held: 3)", 2)
            self.permits(first, {})
            third.socket.close()
            self.assertTrue(until(lambda: self.gets_in("127.0.72.3"), 5))
            first.socket.close()
            self.assertTrue(until(lambda: self.gets_in("127.0.71.4"), 5))
            for _ in range(3):
                self.turned_away("127.0.71.3", "max_connections=2 of class few", 2)
            self.is_empty()

    def turned_away(self, source: str, reason: str, reasons: int) -> None:
        self.assertEqual(self.raw(source).refused(), REJECT)
        line = self.last("control.turned_away")
        self.assertIn(reason, line)
        self.assertEqual(line.count("(asked: "), reasons, line)

    def gets_in(self, source: str) -> bool:
        try:
            self.client(source)
        except AssertionError:  # TurnedAway came in place of Opened
            return False
        return True


class ModeTests(PolicyTestCase):
    def test_open_mode(self) -> None:
        """The open mode is neither offered nor served where a class up to the root forbids it."""
        limits = (
            "limit root with\nlimit keyed with parent=root, allow_open_mode=off\n"
            "limit low with parent=keyed\nlimit says with parent=low, allow_open_mode=on\n"
            "assign default root\nassign user testuser root\n"
            "assign net 127.0.71.0/24 keyed\nassign net 127.0.72.0/24 low\n"
            "assign net 127.0.73.0/24 says\n"
        )
        with running(self.start(limits)) as (self.daemon,):
            self.assertEqual(self.raw("127.0.0.73").greeting.modes, KEYED | Mode.OPEN)
            self.permits(self.client("127.0.0.73"), {})
            for source, names in (("127.0.71.1", "k"), ("127.0.72.1", "lk"), ("127.0.73.1", "slk")):
                client = self.raw(source)
                self.assertEqual(client.greeting.modes, KEYED)
                client.send(bytes([6, 0, 0, int(Mode.OPEN)]) + bytes(64))
                answer = client.socket.recv(100)
                self.assertEqual((answer[15], len(answer)), (REJECT, 48))
                self.assertTrue(client.is_closed())
                line = self.last("control.turned_away")
                self.assertIn("the mode was not offered (allow_open_mode=off of class ", line)
                self.assertEqual(line.count("allow_open_mode=off"), len(names), line)
                self.permits(self.client(source, Mode.ENCRYPTED), {})
            self.is_empty()

    def test_no_mode_is_left(self) -> None:
        """Who could come in the open mode alone is greeted with no mode; the log says why."""
        limits = (
            "limit root with\nlimit keyed with parent=root, allow_open_mode=off\n"
            "assign default root\nassign net 127.0.71.0/24 keyed\n"
        )
        with running(self.start(limits, "auth_mode O\n")) as (self.daemon,):
            client = self.raw(SOME)
            self.assertEqual(client.greeting.modes, Mode.NONE)
            self.assertTrue(client.is_closed())
            reason = "no service for this address: allow_open_mode=off of class keyed (asked: on)"
            self.assertIn(reason, self.last("control.no_service"))
            self.permits(self.client("127.0.0.73"), {})
            self.is_empty()


class AssignmentTests(PolicyTestCase):
    def test_who_gets_which(self) -> None:
        """The user's class, else that of the longest prefix, else the default."""
        limits = (
            "limit root with\n"
            + "".join(f"limit t{most} with parent=root, duration={most}\n" for most in range(1, 6))
            + "assign default t1\nassign net 127.0.0.0/8 t2\nassign net 127.0.71.0/24 t3\n"
            "assign net 127.0.71.5 t4\nassign user testuser t5\n"
        )
        with running(self.start(limits)) as (self.daemon,):
            for source, mode, most in (
                ("127.9.9.9", Mode.OPEN, 2),
                ("127.0.71.4", Mode.OPEN, 3),
                ("127.0.71.5", Mode.OPEN, 4),
                ("127.0.71.5", Mode.AUTHENTICATED, 5),
                ("127.9.9.9", Mode.ENCRYPTED, 5),
            ):
                client = self.client(source, mode)
                self.permits(client, {"duration": most})
                reason = f"duration={most} of class t{most} (asked: {most + 1})"
                self.forbids(client, {"duration": most + 1}, [reason])
            self.reload(limits.replace("assign user", "# ").replace("127.0.0.0/8", "10.0.0.0/8"))
            client = self.client("127.0.71.4", Mode.AUTHENTICATED)
            self.permits(client, {"duration": 3})  # a user without a rule: his address counts
            self.forbids(client, {"duration": 4}, ["duration=3 of class t3 (asked: 4)"])
            other = self.client("127.9.9.9")
            self.forbids(other, {"duration": 2}, ["duration=1 of class t1 (asked: 2)"])
            self.is_empty()
