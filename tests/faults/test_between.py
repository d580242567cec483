"""The connection between the two daemons is cut, silent or slow, the client's are not.

A relay stands between them, so that this needs no right to make networks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.faults.promises import PEERS, PEERS_SLOW, TEST, Promise
from tests.faults.scene import LONG_S, RELAY, SENDER, Scene
from tests.support.daemons import Client, client_ours
from tests.support.relay import Relay, between

# What the sender's agent says first, second and last; in between are the steps.
GREETING, RESULTS = 0, 2
CUT, FREEZE = Relay.cut, Relay.freeze
SHORT_S = 2
LOST = "the test failed at (receiver|sender) .*: the connection to the other end's daemon was lost"
UNMET = f"the test failed at sender {SENDER}: the connection was closed in the handshake"
# The receiver gives up when the slot begins; the sender may tell first how that looks to it.
ABSENT = f"the test failed at receiver {RELAY}: the other end never came|{UNMET}"

# Phase, fault; what the user is told ("": a result), what the time is counted from.
TABLE = (
    ("handshake", CUT, UNMET, PEERS),
    ("handshake", FREEZE, ABSENT, PEERS_SLOW),
    ("met", CUT, LOST, PEERS),
    ("running", CUT, LOST, PEERS),
    ("running", FREEZE, "", PEERS_SLOW),
    ("results", CUT, "", PEERS_SLOW),
)


class BetweenTests(Scene):
    def test_between(self) -> None:
        """Before the results are due it ends a test; nobody waits for long for a silent end."""
        for phase, fault, words, promise in TABLE:
            self.strike(phase, fault, words, promise)
        self.slow()
        self.assert_well()

    def strike(
        self, phase: str, fault: Callable[[Relay], None], words: str, promise: Promise
    ) -> None:
        short = promise is PEERS_SLOW or phase == "results"
        with self.apart(phase, SHORT_S if short else LONG_S) as (client, meeting):
            struck = time.monotonic()
            fault(meeting)
            ran = client.wait()
            what = (phase, fault.__name__)
            if words:
                self.assert_told(ran, 1, words, what)
            else:
                self.assertEqual(ran.status, 0, f"{what} {ran.report}")
            since = None if promise.since == TEST else struck
            # Who gives no results may still give them, for a minute.
            self.assert_free(promise, *self.daemons.values(), since=since, but=("exchanges",))
        # Now it is cut in any case.
        self.assert_free(PEERS_SLOW, *self.daemons.values())

    @contextmanager
    def apart(self, phase: str, duration: int) -> Iterator[tuple[Client, Relay]]:
        """A client whose daemons meet by a relay, in a phase of its test."""
        with between(self.receiver, self.sender, RELAY) as (control, meeting):
            if phase in ("handshake", "results"):
                wanted = GREETING if phase == "handshake" else RESULTS
                meeting.hold(lambda number, octets: number == wanted)
            ends = ("-a", "0.1", "-c", control.node, "-s", self.sender.node)
            client = client_ours(*ends, "-T", "thrulay", "-t", str(duration))
            if phase in ("handshake", "results"):
                self.assertTrue(meeting.reached.wait(60), f"{phase}: no such message came")
            else:
                self.await_step(phase, client)
            yield client, meeting

    def slow(self) -> None:
        """A third of a second there and back is no reason to fail."""
        with between(self.receiver, self.sender, RELAY) as (control, meeting):
            meeting.delay_s = 0.15
            ends = ("-a", "0.1", "-c", control.node, "-s", self.sender.node)
            ran = client_ours(*ends, "-T", "thrulay", "-t", "1").wait()
            self.assertEqual(ran.status, 0, ran.report)
            self.assert_free(PEERS_SLOW, *self.daemons.values())
