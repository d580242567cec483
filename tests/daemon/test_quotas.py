"""Quotas, hours and days of a real daemon, by what it answers on its control port."""

from __future__ import annotations

import signal
import sqlite3
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.legality import PEER
from bwctl.errors import AcceptType
from bwctl.limits.periods import DAYS
from bwctl.net.clock import local_time
from bwctl.values import NTPTime, ToolID, ntp_from_unix, ticks, unix_from_ntp
from bwctl.wire.fields import Mode
from bwctl.wire.messages import Ready, TestAccept
from tests.support.daemons import USER, Daemon, run_ours, running, start_ours, until
from tests.support.raw import Raw, request

ADDRESS, OTHER = "127.0.0.90", "127.0.0.91"
ONE, TWO = "127.0.0.92", "127.0.0.93"
GRANTED, REJECT = AcceptType.ACCEPT, AcceptType.REJECT


class QuotaTestCase(SynchronousTestCase):
    daemon: Daemon

    def start(self, limits: str, options: str = "", address: str = ADDRESS) -> Daemon:
        daemon = start_ours(address, options, limits=limits)
        self.addCleanup(daemon.kill)
        return daemon

    def client(self, source: str = ONE, mode: Mode = Mode.OPEN) -> Raw:
        raw = Raw(ADDRESS, self.daemon.ports.control, mode, source=source)
        self.addCleanup(raw.socket.close)
        raw.open()
        return raw

    def ask(self, client: Raw, start: int = 0, **fields: Any) -> TestAccept:
        """Ask for 5 s of the embedded tester, in a quarter of an hour unless said otherwise."""
        start = start or client.time().time + ticks(900)
        return client.ask(request(start, server=ADDRESS, **{"tool": ToolID.THRULAY, **fields}))

    def accepts(self, client: Raw, start: int = 0, **fields: Any) -> bool:
        return self.ask(client, start, **fields).accept is GRANTED

    def cancel(self, client: Raw, held: TestAccept) -> None:
        client.ask(request(0, sid=held.sid, server=ADDRESS, tool=ToolID.THRULAY))

    def refused(self) -> str:
        """The last line of the log about a refusal."""
        lines = [line for line in self.daemon.log().splitlines() if "reservation.refused" in line]
        return lines[-1]

    def status(self, text: str) -> None:
        """USR1 tells this."""
        seen = self.daemon.log().count("daemon.status")
        self.daemon.process.send_signal(signal.SIGUSR1)
        self.assertTrue(until(lambda: self.daemon.log().count("daemon.status") > seen, 5))
        line = [one for one in self.daemon.log().splitlines() if "daemon.status" in one][-1]
        self.assertIn(text, line)

    def comes(self, client: Raw, accept: AcceptType, **fields: Any) -> None:
        """An answer comes to be, and nothing is held of it."""

        def seen() -> bool:
            answer = self.ask(client, **fields)
            if answer.accept is GRANTED:
                self.cancel(client, answer)
            return answer.accept is accept

        self.assertTrue(until(seen, 5), self.daemon.log())


class QuotaTests(QuotaTestCase):
    UDP = {"tool": ToolID.IPERF3, "udp": True, "bandwidth": 1_000_000}
    # limit; fields of a request; how many of them fit; a larger one does not fit in their place
    TABLE = (
        ("tests_per_hour=2", {}, 2, None),
        ("tests_per_day=3", {}, 3, None),
        ("seconds_per_day=10", {}, 2, {"duration": 6}),
        ("seconds_per_day=14", {"duration": 5, "omit": 1, "tool": ToolID.IPERF3}, 2, None),
        ("bytes_per_day=1250k", UDP, 2, {**UDP, "bandwidth": 1_000_002}),
        ("bytes_per_day=1249999", UDP, 1, None),
    )

    def test_bounds(self) -> None:
        """Held and confirmed tests fill a quota to its bound; cancelled ones give it back."""
        root = "limit root with allow_udp=on\nassign default root\n"
        lines = [
            f"limit c{number} with parent=root, {limit}\nlimit d{number} with parent=c{number}\n"
            f"assign net 127.0.9.{number} d{number}\n"
            for number, (limit, *_) in enumerate(self.TABLE)
        ]
        with running(self.start("".join([root, *lines]))) as (self.daemon,):
            for number, (limit, fields, fit, larger) in enumerate(self.TABLE):
                self.bound(f"127.0.9.{number}", number, limit, dict(fields), fit, larger)
            self.daemon.assert_idle()

    def bound(
        self, source: str, number: int, limit: str, fields: Any, fit: int, larger: Any
    ) -> None:
        clients = [self.client(source) for _ in range(fit + 1)]
        *holders, last = clients
        held = [self.ask(one, **fields) for one in holders]
        self.assertEqual({one.accept for one in held}, {GRANTED}, limit)
        self.assertEqual(self.ask(last, **fields).accept, REJECT, limit)
        for name in (f"d{number}", f"c{number}"):  # the class and the one above it
            self.assertIn(f"{limit.replace('k', '000')} of class {name} (asked: ", self.refused())
        self.assertIn(", used: 0, held: ", self.refused())
        self.cancel(holders[0], held[0])
        if larger is not None:
            self.assertEqual(self.ask(last, **larger).accept, REJECT, limit)
        self.comes(last, GRANTED, **fields)
        if "bytes" in limit:
            return
        self.assertTrue(self.accepts(holders[0], **fields))
        for one in holders:
            self.assertEqual(one.start().accept, GRANTED)
        self.assertEqual(self.ask(last, **fields).accept, REJECT, limit)
        self.assertIn(", held: 0)", self.refused())
        for one in holders:
            one.socket.close()  # before its start; it was confirmed, so it counts
        self.daemon.assert_idle()
        self.assertEqual(self.ask(last, **fields).accept, REJECT, limit)

    def test_requesters(self) -> None:
        """A user is one requester from everywhere, each address is one, and all that fails is told.

        What nobody confirms costs nothing, whichever way it goes.
        """
        limits = (
            "limit root with tests_per_hour=1, tests_per_day=1\nassign default root\n"
            "limit user with parent=root, duration=9\nassign user testuser user\n"
        )
        with running(self.start(limits)) as (self.daemon,):
            one, two = self.client(ONE), self.client(TWO)
            self.assertTrue(self.accepts(one))
            self.assertTrue(self.accepts(two))
            self.assertFalse(self.accepts(self.client(ONE)))
            one.socket.close()
            again = self.client(ONE)
            self.comes(again, GRANTED)
            soon = self.ask(again, again.time().time)  # nobody confirms it
            self.assertEqual(soon.accept, GRANTED)
            self.assertFalse(self.accepts(self.client(ONE)))

            user = self.client(ONE, Mode.AUTHENTICATED)
            self.assertTrue(self.accepts(user))
            self.assertEqual(user.start().accept, GRANTED)
            other = self.client(TWO, Mode.ENCRYPTED)
            self.assertFalse(self.accepts(other, duration=10))
            for text in (
                "duration=9 of class user (asked: 10)",
                "tests_per_hour=1 of class user (asked: 1, used: 1, held: 0)",
                "tests_per_hour=1 of class root (asked: 1, used: 1, held: 0)",
                "tests_per_day=1 of class user (asked: 1, used: 1, held: 0)",
            ):
                self.assertIn(text, self.refused())

            time.sleep(max(0.0, unix_from_ntp(soon.start) - time.time()) + 0.2)
            self.assertTrue(self.accepts(self.client(ONE)))

    def test_updates(self) -> None:
        """A reservation that is moved is one test, wherever it goes."""
        limits = "limit root with tests_per_hour=1\nassign default root\n"
        with running(self.start(limits)) as (self.daemon,):
            client = self.client()
            held = self.ask(client)
            for minutes in (20, 40, 5):
                start = held.start + ticks(60 * minutes)
                held = self.ask(client, start, sid=held.sid)
                self.assertEqual((held.accept, held.start), (GRANTED, start))
            self.assertFalse(self.accepts(self.client()))
            self.assertEqual(client.start().accept, GRANTED)
            self.assertFalse(self.accepts(self.client()))


class RestartTests(QuotaTestCase):
    LIMITS = "limit root with tests_per_day=2\nassign default root\nassign user testuser root\n"

    def used_up(self, file: Path) -> dict[str, tuple[int, int, int]]:
        connection = sqlite3.connect(file)
        try:
            query = "select account, sum(tests), sum(seconds), sum(bytes) from used group by 1"
            return {name: tuple(rest) for name, *rest in connection.execute(query)}
        except sqlite3.Error:
            return {}
        finally:
            connection.close()

    def test_restart(self) -> None:
        """What was used up outlives a stop and a KILL; what was only held does not."""
        place = Path(self.mktemp()).absolute()
        place.mkdir(parents=True)
        file = place / "bwctl-server.quota"
        options = f"var_dir {place}\n"
        with running(self.start(self.LIMITS, options)) as (self.daemon,):
            self.assertFalse(file.exists())
            client = self.client(ONE, Mode.AUTHENTICATED)
            self.assertTrue(self.accepts(client))
            self.assertEqual(client.start().accept, GRANTED)
        self.assertEqual([path.name for path in place.iterdir()], [file.name])
        self.assertEqual(self.used_up(file), {f"user:{USER}": (1, 5, 0)})

        self.daemon = self.start(self.LIMITS, options)
        self.assertIn("quota.loaded", self.daemon.log())
        client, second = (self.client(ONE, Mode.ENCRYPTED) for _ in range(2))
        self.assertTrue(self.accepts(client))
        self.assertFalse(self.accepts(second))
        self.assertIn("(asked: 1, used: 1, held: 1)", self.refused())
        self.assertEqual(client.start().accept, GRANTED)
        written = until(lambda: self.used_up(file) == {f"user:{USER}": (2, 10, 0)}, 5)
        self.assertTrue(written, self.used_up(file))
        self.daemon.process.send_signal(signal.SIGKILL)
        self.daemon.process.wait()
        self.daemon.kill()

        with running(self.start(self.LIMITS, options)) as (self.daemon,):
            client = self.client(TWO, Mode.AUTHENTICATED)
            self.assertFalse(self.accepts(client))
            self.assertIn("(asked: 1, used: 2, held: 0)", self.refused())
            self.assertTrue(self.accepts(self.client(TWO)))

    def test_bad_file(self) -> None:
        """A file that cannot be used stops nothing, and quotas hold in memory."""
        limits = self.LIMITS.replace("=2", "=1")
        options = "quota_file /proc/no/such/place\n"
        with running(self.start(limits, options)) as (self.daemon,):
            client = self.client()
            self.assertTrue(self.accepts(client))
            self.assertEqual(client.start().accept, GRANTED)
            self.assertFalse(self.accepts(self.client()))
            log = self.daemon.log()
            self.assertIn("quota.file_failed", log)
            self.assertIn("quota file /proc/no/such/place: ", log)
            self.status(", failures of the quota file: ")

    def test_bytes(self) -> None:
        """What a finished test has moved counts at both ends, to the octet."""
        place = Path(self.mktemp()).absolute()
        place.mkdir(parents=True)
        open_limits = "limit root with duration=60\nassign default root\n"
        files = [place / "one", place / "two"]
        self.daemon = self.start(open_limits, f"quota_file {files[0]}\n")
        other = self.start(open_limits, f"quota_file {files[1]}\n", OTHER)
        with running(self.daemon, other):
            command = ("-c", self.daemon.node, "-s", other.node, "-T", "thrulay", "-t", "1", "-q")
            ran = run_ours("-B", ONE, *command)
            self.assertEqual(ran.status, 0, ran.report)
            moved = []
            for file in files:
                known = until(lambda f=file: sum(one[2] for one in self.used_up(f).values()), 5)
                self.assertTrue(known, self.used_up(file))
                ((name, (tests, seconds, octets)),) = self.used_up(file).items()
                self.assertEqual((name, tests, seconds), (f"net:{ONE}", 1, 1))
                moved.append(octets)
            self.assertGreater(moved[0], 1000)
            self.assertLess(abs(moved[0] - moved[1]), max(moved) / 2)
            for more, accept in ((1, GRANTED), (0, REJECT), (-1, REJECT)):
                self.reload(f"limit root with bytes_per_day={moved[0] + more}\n")
                self.comes(self.client(), accept)
                self.comes(self.client(TWO), GRANTED)

    def test_bytes_of_a_test_that_was_left(self) -> None:
        """Who hangs up before the end pays, whatever it says: UDP as booked, TCP what fits."""
        lie = b'#json {"bytes": 1, "seconds": 1, "streams": 1}\n'
        for fields, most in (({"udp": True, "bandwidth": 8_000_000}, 3_000_000), ({}, 1 << 50)):
            file = Path(self.mktemp()).absolute()
            file.parent.mkdir(parents=True, exist_ok=True)
            limits = "limit root with duration=60, allow_udp=on\nassign default root\n"
            with running(self.start(limits, f"quota_file {file}\n")) as (self.daemon,):
                client = self.client()
                start = client.time().time + ticks(1.5)
                ends = {"server": ADDRESS, "client": ONE, "duration": 3}
                held = client.ask(request(start, tool=ToolID.THRULAY, **ends, **fields))
                self.assertEqual(held.accept, GRANTED)
                key, port = held.sid, client.start().peer_port
                way = {"user": "endpoint", "key": key, "table": PEER, "extensions": 1}
                peer = Raw(ADDRESS, port, Mode.AUTHENTICATED, source=ONE, **way)
                self.addCleanup(peer.socket.close)
                peer.open()
                peer.time()
                peer.next(Ready, 20)
                self.assertTrue(until(self.daemon.testers, 10), self.daemon.log())
                time.sleep(0.5)
                peer.send(peer.session.stop(GRANTED, lie))
                client.socket.close()
                counted = until(lambda f=file: self.octets(f), 20)
                self.assertTrue(counted, self.daemon.log())
                self.assertTrue(100_000 < self.octets(file) <= most, self.octets(file))

    def octets(self, file: Path) -> int:
        return sum(octets for _, _, octets in self.used_up(file).values())

    def reload(self, limits: str) -> None:
        seen = self.daemon.log().count("daemon.reloaded")
        (self.daemon.directory / "bwctl-server.limits").write_text(limits)
        self.daemon.process.send_signal(signal.SIGHUP)
        in_time = until(lambda: self.daemon.log().count("daemon.reloaded") > seen, 10)
        self.assertTrue(in_time, self.daemon.log())


class StartTests(QuotaTestCase):
    def test_hours_and_days(self) -> None:
        """The start counts, asked for or found; a place beyond is given back, and it alone."""
        now = time.time()
        end = datetime.fromtimestamp(now + 180).replace(second=0, microsecond=0)
        begin = end - timedelta(hours=3)
        hours = f"hours={begin:%H:%M}-{end:%H:%M}"
        beyond = end + timedelta(days=2)
        days = f"days={DAYS[(beyond.weekday() + 1) % 7]}-{DAYS[(beyond.weekday() - 1) % 7]}"
        limits = (
            "limit root with duration=60\nassign user testuser root\n"
            f"limit timed with parent=root, {hours}\nassign default timed\n"
            f"limit week with parent=root, {days}\nassign net {TWO} week\n"
        )

        def moment(local: datetime, seconds: float = 0.0) -> NTPTime:
            return ntp_from_unix(local.timestamp() + seconds)

        with running(self.start(limits)) as (self.daemon,):
            client, week = self.client(), self.client(TWO)
            for seconds, accept in ((-1, GRANTED), (0, REJECT), (1, REJECT), (-0.01, GRANTED)):
                answer = self.ask(client, moment(end, seconds))
                self.assertEqual(answer.accept, accept, seconds)
                if accept is GRANTED:
                    self.assertEqual(answer.start, moment(end, seconds))
                    self.cancel(client, answer)
            asked = f"{local_time(moment(end, 1)):%H:%M}"
            self.assertIn(f" of class timed (asked: {asked})", self.refused())
            past = self.ask(client, NTPTime(1))  # means now, which is within
            self.assertEqual(past.accept, GRANTED)
            self.cancel(client, past)

            # Everything up to the end is taken, so the first free start is beyond.
            blocker = self.client(ONE, Mode.AUTHENTICATED)
            taken = self.ask(blocker, moment(end, -20), duration=40)
            self.assertEqual(taken.accept, GRANTED)
            answer = self.ask(client, moment(end, -10))
            self.assertEqual((answer.accept, answer.start), (REJECT, 0))
            self.assertRegex(self.refused(), "the first free start: hours=.* of class timed")
            self.status("1 reservations")
            # A move beyond loses its own place and no other.
            held = self.ask(client, moment(end, -90))
            self.assertEqual(held.accept, GRANTED)
            self.status("2 reservations")
            moved = self.ask(client, moment(end, -10), sid=held.sid)
            self.assertEqual((moved.accept, moved.start), (REJECT, 0))
            self.status("1 reservations")
            held = self.ask(client, moment(end, -90))
            moved = self.ask(client, moment(end, 3600), sid=held.sid)
            self.assertEqual(moved.accept, REJECT)
            self.status("1 reservations")

            self.assertFalse(self.accepts(week, moment(beyond)))
            day = DAYS[beyond.weekday()]
            self.assertIn(f"{days} of class week (asked: {day})", self.refused())
            midnight = beyond.replace(hour=0, minute=0) + timedelta(days=1)
            self.assertFalse(self.accepts(week, moment(midnight, -0.01)))
            self.assertTrue(self.accepts(week, moment(midnight)))
