"""The control client goes away, or cannot be reached any more, at every phase of a test."""

from __future__ import annotations

import time

from tests.faults.promises import CLIENT
from tests.faults.scene import LONG_S, PHASES, RECEIVER, SENDER, Scene, chosen, lost

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
                self.assert_free(CLIENT, *self.daemons.values(), since=struck)
        self.assert_well()
