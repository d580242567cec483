"""Tells systemd, or whoever started the daemon, how it is. Source: sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from bwctl.net.timers import Timer, Timers


class Notifier:
    """Sends states to NOTIFY_SOCKET; without one, or with one that is gone, does nothing.

    Args:
        environ: the environment; that of the process by default.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        self.watchdog_s = _watchdog(environ)
        self._beat: Timer | None = None

    def ready(self, status: str = "") -> None:
        """The daemon listens; also when a reload is done."""
        self._send("READY=1", *_status(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(*_status(text))

    def reloading(self) -> None:
        """The configuration is read again; `ready` has to follow."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self) -> None:
        """The daemon ends; it may still wait for tests."""
        self._send("STOPPING=1")

    def begin(self, timers: Timers) -> None:
        """Show from now on, twice per WATCHDOG_USEC, that the reactor turns."""
        if self.watchdog_s:
            self._send("WATCHDOG=1")
            self._beat = timers.after(self.watchdog_s / 2, self.begin, timers)

    def end(self) -> None:
        """No more of that."""
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None

    def _send(self, *lines: str) -> None:
        if not self._address.startswith(("/", "\0")) or not lines:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), self._address)


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()


def _watchdog(environ: Mapping[str, str]) -> float:
    """Seconds in which WATCHDOG=1 is wanted; 0: it is not, or from another process."""
    try:
        if int(environ.get("WATCHDOG_PID", os.getpid())) != os.getpid():
            return 0.0
        return max(0, int(environ.get("WATCHDOG_USEC", 0))) / 1_000_000
    except ValueError:
        return 0.0
