"""The control client goes away, or cannot be reached any more, at every phase of a test."""

from __future__ import annotations

from tests.faults.scene import LONG_S, PHASES, RECEIVER, SENDER, Scene, chosen, lost

FREE_S = 3.0
KILL, CUT = "kill", "cut"
FEW = (
    ("request", SENDER, KILL),
    ("start", RECEIVER, CUT),
    ("waiting", SENDER, KILL),
    ("running", SENDER, CUT),
)


class ClientDiesTests(Scene):
    def test_client_dies(self) -> None:
        """Whatever it held at either daemon is free at once."""
        for phase, address, how in chosen(FEW, PHASES, (RECEIVER, SENDER), (KILL, CUT)):
            duration = 2 if phase == "stop" else LONG_S
            with self.in_phase(phase, address, duration=duration) as (client, relay):
                if how == KILL:
                    client.end()
                    relay.release()
                else:
                    relay.cut()
                    ran = client.wait()
                    if phase != "stop" or ran.status:  # the results may have come before
                        self.assert_told(ran, 14, lost(relay.node), (phase, address, how))
                self.assert_free(FREE_S, *self.daemons.values())
        self.assert_well()
