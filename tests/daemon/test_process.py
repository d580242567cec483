"""The daemon as an administrator handles it: reload, status, stop, pid files."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.wire.fields import Mode
from tests.support.daemons import Daemon, client_ours, running, start_ours, until
from tests.support.raw import opened, request

ONE, TWO = "127.0.0.7", "127.0.0.8"


class SignalTests(SynchronousTestCase):
    def start(self, options: str = "", address: str = ONE) -> Daemon:
        daemon = start_ours(address, options)
        self.addCleanup(daemon.kill)
        return daemon

    def signalled(self, daemon: Daemon, number: int, event: str) -> str:
        """Send a signal; the log's new line of an event."""
        before = daemon.log().count(f" {event} ")
        daemon.process.send_signal(number)
        seen = until(lambda: daemon.log().count(f" {event} ") > before, 10)
        self.assertTrue(seen, daemon.log())
        return [line for line in daemon.log().splitlines() if f" {event} " in line][-1]

    def accepts(self, daemon: Daemon, duration: int, mode: Mode = Mode.OPEN) -> bool:
        with opened(daemon.address, daemon.ports.control, mode) as client:
            now = client.time().time
            answer = client.ask(request(now, duration=duration, server=daemon.address))
            return answer.accept is AcceptType.ACCEPT

    def test_reload(self) -> None:
        """HUP puts new limits and keys into force; with an error the old ones stay."""
        with running(self.start()) as (daemon,):
            limits = daemon.directory / "bwctl-server.limits"
            held = opened(ONE, daemon.ports.control)
            now = held.time().time
            slot = held.ask(request(now + (60 << 32), duration=20, server=ONE))
            self.assertEqual(slot.accept, AcceptType.ACCEPT)

            limits.write_text("limit root with duration=10\nassign default root\n")
            self.signalled(daemon, signal.SIGHUP, "daemon.reloaded")
            self.assertFalse(self.accepts(daemon, 11))
            self.assertTrue(self.accepts(daemon, 10))
            # A reservation made before stays, and its connection sees the new limits too.
            moved = held.ask(request(now + (80 << 32), sid=slot.sid, server=ONE, duration=20))
            self.assertEqual(moved.accept, AcceptType.ACCEPT)
            held.ask(request(0, sid=slot.sid))
            self.assertEqual(
                held.ask(request(now, duration=20, server=ONE)).accept, AcceptType.REJECT
            )
            held.socket.close()

            keys = daemon.directory / "bwctl-server.keys"
            good = keys.read_text()
            keys.write_text("half a li")
            limits.write_text("limit root with duration=99\nassign defualt root\n")
            line = self.signalled(daemon, signal.SIGHUP, "daemon.not_reloaded")
            self.assertIn("stays in force", line)
            self.assertNotIn("\\n", line)
            self.assertIn("; ", line)
            self.assertFalse(self.accepts(daemon, 11))
            self.assertTrue(self.accepts(daemon, 5, Mode.ENCRYPTED))
            daemon.forgive_errors()
            keys.write_text(good)

    def test_revoked(self) -> None:
        """Who would not be let in any more is sent away, at once or when his test is over."""
        with running(self.start()) as (daemon,):
            limits = daemon.directory / "bwctl-server.limits"
            port = daemon.ports.control
            by_key, free = opened(ONE, port, Mode.ENCRYPTED), opened(ONE, port)
            testing = opened(ONE, port)
            testing.ask(request(testing.time().time, server=ONE, client=ONE, duration=1))
            testing.start()
            slot = by_key.ask(request(by_key.time().time + (60 << 32), server=ONE))
            self.assertEqual(slot.accept, AcceptType.ACCEPT)
            limits.write_text("limit root with allow_open_mode=off\nassign default root\n")
            self.signalled(daemon, signal.SIGHUP, "daemon.reloaded")
            self.assertTrue(free.is_closed())
            self.assertIs(testing.next(Stopped).accept, AcceptType.REJECT)  # it had not begun
            self.assertTrue(testing.is_closed())
            self.assertGreater(by_key.time().time, 0)
            (daemon.directory / "bwctl-server.keys").write_text("")
            self.signalled(daemon, signal.SIGHUP, "daemon.reloaded")
            self.assertTrue(by_key.is_closed())
            for one in (by_key, free, testing):
                one.socket.close()
            self.assertIn("control.revoked", daemon.log())
            line = self.signalled(daemon, signal.SIGUSR1, "daemon.status")
            self.assertIn("0 connections, 0 reservations", line)

    def test_reloads_in_turn(self) -> None:
        """Files that are read later win, however long the hooks of earlier ones are looked at."""
        with running(self.start()) as (daemon,):
            configuration = daemon.directory / "bwctl-server.conf"
            before = configuration.read_text()
            hook = daemon.directory / "slow"
            hook.write_text("#!/bin/sh\nsleep 2\necho Status: OK\n")
            hook.chmod(0o755)
            configuration.write_text(before + f"post_hook {hook}\n")
            daemon.process.send_signal(signal.SIGHUP)
            time.sleep(0.7)  # it has been read, and its hook is asked
            configuration.write_text(before)
            limits = daemon.directory / "bwctl-server.limits"
            limits.write_text("limit root with duration=10\nassign default root\n")
            daemon.process.send_signal(signal.SIGHUP)
            self.assertTrue(until(lambda: daemon.log().count("daemon.reloaded") == 2, 15))
            self.assertFalse(self.accepts(daemon, 11))

    def test_reload_under_load(self) -> None:
        """A reload every 50 ms disturbs no test."""
        with running(self.start(), self.start(address=TWO)) as (one, two):
            client = client_ours("-c", one.node, "-s", two.node, "-T", "thrulay", "-t", "2", "-q")
            while client.process.poll() is None:
                one.process.send_signal(signal.SIGHUP)
                two.process.send_signal(signal.SIGHUP)
                time.sleep(0.05)
            ran = client.wait()
            self.assertEqual(ran.status, 0, ran.report)

    def test_what_needs_a_restart(self) -> None:
        """A reload names the options that it could not change."""
        with running(self.start()) as (daemon,):
            conf = daemon.directory / "bwctl-server.conf"
            conf.write_text(conf.read_text() + "guard sum\n")
            self.assertIn("guard", self.signalled(daemon, signal.SIGHUP, "daemon.reloaded"))

    def test_status(self) -> None:
        """USR1 tells connections, reservations and the next start."""
        with running(self.start()) as (daemon,), opened(ONE, daemon.ports.control) as client:
            client.ask(request(client.time().time + (90 << 32), server=ONE))
            line = self.signalled(daemon, signal.SIGUSR1, "daemon.status")
            self.assertIn("1 connections, 1 reservations, 0 confirmed", line)
            self.assertRegex(line, "next start in (8[0-9]|90)")

    def test_stop_while_a_test_runs(self) -> None:
        """TERM lets the running test come to its end, and takes no new clients."""
        one, two = self.start(), self.start(address=TWO)
        client = client_ours("-c", one.node, "-s", two.node, "-T", "thrulay", "-t", "4", "-q")
        self.assertTrue(until(two.testers, 20), two.log())
        time.sleep(1)
        one.process.send_signal(signal.SIGTERM)
        ran = client.wait(30)
        self.assertEqual(ran.status, 0, ran.report)
        self.assertEqual(one.process.wait(10), -signal.SIGTERM)
        one.assert_idle()
        self.assertNotIn("Traceback", one.log())
        two.stop()

    def test_stop_has_a_limit(self) -> None:
        """After `die_by` the test is ended; nothing of it is left."""
        one, two = self.start("die_by 1\n"), self.start(address=TWO)
        client = client_ours("-c", one.node, "-s", two.node, "-T", "thrulay", "-t", "50", "-q")
        self.assertTrue(until(two.testers, 20), two.log())
        began = time.monotonic()
        one.process.send_signal(signal.SIGTERM)
        one.process.wait(20)
        self.assertLess(time.monotonic() - began, 10)
        one.assert_idle()
        self.assertNotEqual(client.wait(30).status, 0)
        two.assert_idle()


class FileTests(SynchronousTestCase):
    def test_pid_files(self) -> None:
        """A var_dir has pid and info file while the daemon runs; a second one is refused."""
        place = Path(self.mktemp()).absolute()
        place.mkdir(parents=True)
        with running(start_ours(ONE, f"var_dir {place}\n")) as (daemon,):
            pid = (place / "bwctl-server.pid").read_text()
            self.assertEqual(pid, f"{daemon.process.pid}\n")
            self.assertRegex((place / "bwctl-server.info").read_text(), r"START=\d{20}\nPID=\d+")
            with self.assertRaises(AssertionError) as caught:
                start_ours(TWO, f"var_dir {place}\n")
            self.assertIn(pid.strip(), str(caught.exception))
            self.assertNotIn("Traceback", str(caught.exception))
        self.assertEqual(list(place.iterdir()), [])

    def test_json_log(self) -> None:
        """log_format json writes one object per line, with the event's name."""
        with running(start_ours(ONE, "log_format json\n")) as (daemon,):
            with opened(ONE, daemon.ports.control) as client:
                client.ask(request(client.time().time, latest=2, server=ONE))  # in 1900
            events = [json.loads(line)["event"] for line in daemon.log().splitlines()]
        self.assertIn("control.opened", events)
        self.assertIn("reservation.refused", events)
