"""How a daemon ends, whatever its clients do, and for whom it does not start."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.session import Stopped
from bwctl.daemon.tap import Options
from bwctl.errors import AcceptType
from bwctl.net.control import ControlProtocol
from bwctl.net.factory import ControlFactory
from bwctl.net.host import Host
from bwctl.net.once import Once
from bwctl.net.timers import Timers
from tests.support.clocks import FakeClock
from tests.support.daemons import start_ours, until
from tests.support.faulty import FLOODS, Faulty, workers
from tests.support.raw import Raw, opened, peer, request
from tests.support.testers import need

ADDRESS, OTHER = "127.0.0.84", "127.0.0.85"
ENDS = {"server": ADDRESS, "client": OTHER}


class StopTests(SynchronousTestCase):
    def test_stop_after_a_test(self) -> None:
        """TERM just after a test: its results go out, its hook is ended, nothing is left."""
        need("iperf3")
        tester = Faulty("iperf3")
        self.addCleanup(tester.remove)
        tester.does(FLOODS)
        hook = tester.path.with_name("hook")
        hook.write_text(
            '#!/bin/sh\n[ "$1" = --validate ] && exec echo Status: OK\n'
            "cat >/dev/null\nexec sleep 120\n"
        )
        hook.chmod(0o755)
        daemon = start_ours(ADDRESS, f"{tester.option}post_hook {hook}\n")
        self.addCleanup(daemon.kill)
        with opened(ADDRESS, daemon.ports.control) as client:
            first, other = self.in_test(client)
            self.assertEqual(first.stop().accept, AcceptType.FAILURE)
            other.stop_only()  # now both ends are done, and the hook is told
            self.assertTrue(until(lambda: workers(daemon, "sleep"), 5), daemon.log())

            with opened(ADDRESS, daemon.ports.control) as slow:
                slow.socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16
                )  # less than a segment would starve it
                self.in_test(slow)
                ended = until(lambda: daemon.log().count(" test.ended ") == 2, 10)
                self.assertTrue(ended, daemon.log())
                daemon.process.send_signal(signal.SIGTERM)
                slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
                stopped = slow.next(Stopped)
            self.assertGreater(len(stopped.output), 4_000_000)
            self.assertEqual(daemon.process.wait(8), -signal.SIGTERM)
            self.assertEqual(daemon.testers(), {})
            self.assertIn("stopped: the daemon stops", daemon.log())  # said of the hook
            self.assertNotIn("Traceback", daemon.log())

    def in_test(self, client: Raw) -> tuple[Raw, Raw]:
        granted = client.ask(request(client.time().time, duration=1, **ENDS))
        other = peer(ADDRESS, client.start().peer_port, granted.sid)
        self.addCleanup(other.socket.close)
        return client, other

    def test_stop_has_a_limit(self) -> None:
        """A test end that never comes to its end does not keep the daemon."""
        reactor = Clock()
        clock = FakeClock(reactor)
        host = Host(
            reactor=reactor, clock=clock, timers=Timers(reactor, clock), testers={}, die_by=3.0
        )
        factory = ControlFactory(host)
        stuck = StuckProtocol()
        factory.connections.open.add(cast(ControlProtocol, stuck))
        drained: list[object] = []
        Deferred.fromCoroutine(factory.drain()).addCallback(drained.append)
        reactor.pump([0.5] * 5)
        self.assertEqual((stuck.calls, drained), ([], []))
        reactor.pump([0.5] * 2)
        self.assertEqual((stuck.calls, drained), (["abort"], []))
        reactor.pump([0.5] * 10)
        self.assertEqual((stuck.calls, drained), (["abort", "finish"], [None]))
        self.assertEqual(reactor.getDelayedCalls(), [])


class StuckProtocol:
    """A control connection whose test does not end."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.agent = self
        self.ran = True
        self.finished: Once[Any] = Once()
        self.gone: Once[None] = Once()

    def abort(self) -> None:
        self.calls.append("abort")

    def finish(self) -> None:
        self.calls.append("finish")
        self.gone.fire(None)


class PrivilegeTests(SynchronousTestCase):
    def refusal(self, *arguments: str) -> str:
        """Why `twistd bwctld` does not start for root."""
        self.patch(os, "getuid", lambda: 0)
        place = Path(self.mktemp())
        place.mkdir(parents=True)
        (place / "bwctl-server.conf").write_text("allow_unsync\nsrc_node 127.0.0.84:0\n")
        said = io.StringIO()
        self.patch(sys, "stderr", said)
        try:
            Options().parseOptions(["-c", str(place), *arguments])
        except usage.UsageError as error:
            return str(error)
        except SystemExit as end:
            self.assertEqual(end.code, 0 if "--check" in arguments else 1)
        else:
            self.fail(f"it starts with {arguments}")
        return said.getvalue()

    def test_root(self) -> None:
        """Root by name, by number or by silence has to be asked for; nobody has to exist."""
        for arguments in ((), ("-U", "root")):
            self.assertIn("not run as root", self.refusal(*arguments), arguments)
            told = self.refusal("--check", *arguments)
            self.assertIn("warning: as root, as now: it does not run as root", told)
        self.assertNotIn("as root", self.refusal("--check", "-f"))
        for user in ("nosuchuser", "0"):
            self.assertIn(f"there is no user {user}", self.refusal("-U", user))
        refused = self.refusal("-U", "nobody", "-G", "nosuchgroup")
        self.assertIn("there is no group nosuchgroup", refused)
