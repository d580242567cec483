"""A daemon is killed, stopped or told to read its files again, at every phase of a test."""

from __future__ import annotations

import signal
from signal import SIGHUP, SIGKILL, SIGTERM

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

FREE_S = 3.0
FEW = (
    ("request", RECEIVER, SIGHUP),
    ("start", SENDER, SIGTERM),
    ("waiting", RECEIVER, SIGKILL),
    ("running", SENDER, SIGKILL),
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
        daemon = self.daemons[address]
        with self.in_phase(phase, address, duration=2 if short else LONG_S) as (client, relay):
            daemon.process.send_signal(number)
            if number is SIGHUP or phase == "stop":
                relay.release()
            ran = client.wait()
            self.assert_fitting(ran, phase, number, relay)
        others = [one for one in self.daemons.values() if one is not daemon]
        self.assert_free(FREE_S, *others)
        if number is SIGHUP:
            self.assert_free(FREE_S, daemon)
        else:
            self.replace(daemon, number)

    def assert_fitting(self, ran: Ran, phase: str, number: signal.Signals, relay: Relay) -> None:
        """A reload disturbs nobody; a stop lets what runs come to its end; a death is told."""
        what = (phase, number.name)
        ends_well = number is SIGHUP or (number is SIGTERM and phase not in BEFORE_THE_TEST)
        if ends_well:
            self.assertEqual(ran.status, 0, f"{what} {ran.report}")
        elif phase == "stop":  # the results may have come before
            self.assertIn(ran.status, (0, 14), f"{what} {ran.report}")
        else:
            self.assert_told(ran, 14, lost(relay.node), what)

    def replace(self, daemon: Daemon, number: signal.Signals) -> None:
        """The dead one leaves nothing; another takes its place."""
        daemon.process.wait(60)
        daemon.assert_idle(FREE_S + 15)
        self.assertEqual(daemon.ports.taken(), [])
        if number is SIGTERM:
            self.assertEqual(daemon.violations(), [])
        daemon.kill()
        self.daemons[daemon.address] = self.start(daemon.address)
