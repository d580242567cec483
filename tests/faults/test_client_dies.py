"""The control client goes away, or cannot be reached any more, at every phase of a test."""

from __future__ import annotations

import re
import time
from datetime import datetime

from tests.faults.promises import CLIENT, CLIENT_CUT, SILENT
from tests.faults.scene import LONG_S, PHASES, RECEIVER, SENDER, Scene, chosen, lost
from tests.support.daemons import Daemon

KILL, CUT = "kill", "cut"
FEW = (
    ("greeting", RECEIVER, CUT),
    ("time", SENDER, CUT),
    ("request", SENDER, KILL),
    ("start", RECEIVER, CUT),
    ("waiting", SENDER, KILL),
    ("met", RECEIVER, KILL),
    ("running", SENDER, CUT),
    ("stop", RECEIVER, KILL),
)


class ClientDiesTests(Scene):
    def test_client_dies(self) -> None:
        """Whatever it held at either daemon is free at once."""
        for phase, address, how in chosen(FEW, PHASES, (RECEIVER, SENDER), (KILL, CUT)):
            duration = 2 if phase == "stop" else LONG_S
            with self.in_phase(phase, address, duration=duration) as (client, relay):
                struck = time.monotonic()
                if how == KILL:
                    client.end()
                    relay.release()
                else:
                    relay.cut()
                    ran = client.wait()
                    if phase != "stop" or ran.status:  # the results may have come before
                        self.assert_told(ran, 14, lost(relay.node), (phase, address, how))
                promise = CLIENT if how == KILL else CLIENT_CUT
                self.assert_free(promise, *self.daemons.values(), since=struck)
        self.assert_well()

    def test_client_falls_silent(self) -> None:
        """What it has reserved and not confirmed is free when the slot begins."""
        with self.in_phase("start", RECEIVER) as (client, relay):
            both = self.daemons.values()
            start = max(slot_start(daemon) for daemon in both)
            self.assert_free(SILENT, *both, since=start, but=("connections",))
            relay.release()
            ran = client.wait()
            words = f"{relay.node} could not start its end of the test"
            self.assert_told(ran, 1, words)
        self.assert_well()


def slot_start(daemon: Daemon) -> float:
    """Monotonic time of the start of the slot that a daemon has reserved last."""
    last = re.findall(r" reservation\.made .* start=(\S+)Z", daemon.log())[-1]
    start = datetime.fromisoformat(f"{last}+00:00").timestamp()
    return start - time.time() + time.monotonic()
