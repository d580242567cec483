"""What systemd is told."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from bwctl.daemon.notify import Notifier
from bwctl.net.timers import Timers
from bwctl.values import NTPTime, ntp_from_unix


class ReactorClock:
    """The clock that goes with a pretended reactor."""

    def __init__(self, reactor: Clock) -> None:
        self._reactor = reactor

    def now(self) -> NTPTime:
        return ntp_from_unix(1_800_000_000 + self._reactor.seconds())

    def mono(self) -> float:
        return self._reactor.seconds()


class NotifyTests(SynchronousTestCase):
    def receiver(self, name: str) -> socket.socket:
        """What systemd would have at the other end."""
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.settimeout(2.0)
        receiver.bind(name)
        return receiver

    def setUp(self) -> None:
        directory = tempfile.mkdtemp(prefix="bwctl-test-")  # short enough for a socket's name
        self.addCleanup(os.rmdir, directory)
        self.path = Path(directory, "notify")
        self.systemd = self.receiver(str(self.path))
        self.addCleanup(self.path.unlink)
        self.environ = {"NOTIFY_SOCKET": str(self.path)}

    def got(self) -> list[str]:
        return self.systemd.recv(4096).decode().split("\n")

    def assert_silent(self) -> None:
        self.systemd.setblocking(False)
        self.assertRaises(BlockingIOError, self.systemd.recv, 1)
        self.systemd.settimeout(2.0)

    def test_states(self) -> None:
        """Ready, status, stopping."""
        notifier = Notifier(self.environ)
        notifier.ready("listens on port 4823")
        self.assertEqual(self.got(), ["READY=1", "STATUS=listens on port 4823"])
        notifier.ready()
        self.assertEqual(self.got(), ["READY=1"])
        notifier.status("two\nlines\r\nREADY=1")
        self.assertEqual(self.got(), ["STATUS=two lines READY=1"])
        notifier.status("")
        self.assert_silent()
        notifier.stopping()
        self.assertEqual(self.got(), ["STOPPING=1"])

    def test_reloading(self) -> None:
        """With the monotonic time, which Type=notify-reload wants."""
        before = time.clock_gettime(time.CLOCK_MONOTONIC)
        Notifier(self.environ).reloading()
        first, second = self.got()
        self.assertEqual(first, "RELOADING=1")
        name, _, value = second.partition("=")
        self.assertEqual(name, "MONOTONIC_USEC")
        self.assertLess(before - 0.001, int(value) / 1e6)
        self.assertLess(int(value) / 1e6, before + 2.0)

    def test_abstract_socket(self) -> None:
        """A name that begins with @."""
        name = f"bwctl-test-{os.getpid()}"
        systemd = self.receiver(f"\0{name}")
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()
        self.assertEqual(systemd.recv(100), b"READY=1")

    def test_nobody_there(self) -> None:
        """No socket, one that is gone, one of another kind: nothing happens."""
        for name in ("", "/nonexistent/notify", "@gone", "vsock:2:1234", "relative"):
            Notifier({"NOTIFY_SOCKET": name}).ready("x")
        Notifier({}).stopping()

    def test_never_waits(self) -> None:
        """A reader that does not read does not hold up the daemon."""
        notifier = Notifier(self.environ)
        before = time.monotonic()
        for _ in range(2000):
            notifier.ready()
        self.assertLess(time.monotonic() - before, 2.0)

    def test_watchdog(self) -> None:
        """At once, then at half of the time; not after the end."""
        reactor = Clock()
        timers = Timers(reactor, ReactorClock(reactor))
        notifier = Notifier({**self.environ, "WATCHDOG_USEC": "30000000"})
        notifier.begin(timers)
        self.assertEqual(self.got(), ["WATCHDOG=1"])
        for _ in range(2):
            reactor.pump([1.0] * 14)
            self.assert_silent()
            reactor.pump([1.0])
            self.assertEqual(self.got(), ["WATCHDOG=1"])
        notifier.end()
        notifier.end()
        reactor.pump([1.0] * 60)
        self.assert_silent()
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_no_watchdog(self) -> None:
        """None wanted, wanted of another process, or nonsense."""
        reactor = Clock()
        timers = Timers(reactor, ReactorClock(reactor))
        for more in (
            {},
            {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid() + 1)},
            {"WATCHDOG_USEC": "soon"},
            {"WATCHDOG_USEC": "-5"},
        ):
            notifier = Notifier({**self.environ, **more})
            notifier.begin(timers)
            self.assertEqual(notifier.watchdog_s, 0.0, more)
        self.assert_silent()
        mine = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}
        self.assertEqual(Notifier(mine).watchdog_s, 1.0)
