"""A daemon is killed, stopped or told to read its files again, at every phase of a test."""

from __future__ import annotations

import signal
import time
from signal import SIGHUP, SIGKILL, SIGTERM

from tests.faults.promises import (
    DAEMON_DRAINED,
    DAEMON_HUP,
    DAEMON_KILLED,
    DAEMON_STOPPED,
    SLACK_S,
    TEST,
    Promise,
)
from tests.faults.scene import (
    BEFORE_THE_TEST,
    LONG_S,
    PHASES,
    RECEIVER,
    SENDER,
    Scene,
    chosen,
    lost,
)
from tests.support.daemons import Daemon, Ran
from tests.support.relay import Relay

FEW = (
    ("greeting", SENDER, SIGKILL),
    ("time", RECEIVER, SIGTERM),
    ("request", RECEIVER, SIGHUP),
    ("start", SENDER, SIGTERM),
    ("waiting", RECEIVER, SIGKILL),
    ("met", SENDER, SIGTERM),
    ("running", RECEIVER, SIGHUP),
    ("running", SENDER, SIGKILL),
    ("running", RECEIVER, SIGTERM),
    ("stop", SENDER, SIGKILL),
)


class DaemonDiesTests(Scene):
    def test_daemon_dies(self) -> None:
        """The user is told which, the other is free at once, and of the dead nothing lives on."""
        for phase, address, number in chosen(
            FEW, PHASES, (RECEIVER, SENDER), (SIGKILL, SIGTERM, SIGHUP)
        ):
            self.strike(phase, address, number)
        self.assert_well()

    def strike(self, phase: str, address: str, number: signal.Signals) -> None:
        short = number is SIGHUP or phase == "stop" or (phase, number) == ("running", SIGTERM)
        daemon, what = self.daemons[address], (phase, address, number.name)
        with self.in_phase(phase, address, duration=2 if short else LONG_S) as (client, relay):
            struck = time.monotonic()
            daemon.process.send_signal(number)
            if number is SIGHUP or phase == "stop":
                relay.release()
            ran = client.wait()
            self.assert_fitting(ran, phase, number, relay, what)
        promise = promised(phase, number)
        since = None if promise.since == TEST else struck
        free = [one for one in self.daemons.values() if one is not daemon or number is SIGHUP]
        self.assert_free(promise, *free, since=since)
        if number is not SIGHUP:
            self.replace(daemon, number, promise)

    def assert_fitting(
        self, ran: Ran, phase: str, number: signal.Signals, relay: Relay, what: object
    ) -> None:
        """A reload disturbs nobody; a stop lets what runs come to its end; a death is told."""
        ends_well = number is SIGHUP or (number is SIGTERM and phase not in BEFORE_THE_TEST)
        if ends_well:
            self.assertEqual(ran.status, 0, f"{what} {ran.report}")
        elif phase == "stop":  # the results may have come before
            self.assertIn(ran.status, (0, 14), f"{what} {ran.report}")
        else:
            self.assert_told(ran, 14, lost(relay.node), what)

    def replace(self, daemon: Daemon, number: signal.Signals, promise: Promise) -> None:
        """The dead one leaves nothing; another takes its place."""
        daemon.process.wait(60)
        daemon.assert_idle(promise.free_s + SLACK_S)
        self.assertEqual(daemon.ports.taken(), [])
        if number is SIGTERM:
            self.assertEqual(daemon.violations(), [])
        daemon.kill()
        self.daemons[daemon.address] = self.start(daemon.address)


def promised(phase: str, number: signal.Signals) -> Promise:
    """What the page says of it."""
    stopped = DAEMON_STOPPED if phase in BEFORE_THE_TEST else DAEMON_DRAINED
    return {SIGKILL: DAEMON_KILLED, SIGTERM: stopped, SIGHUP: DAEMON_HUP}[number]
