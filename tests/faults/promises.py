"""What doc/reliability.md promises: how soon a time slot is free again after each fault.

`tests.faults.test_reliability` holds the page against this table, the other modules hold the
daemons against it, and `make faults` prints it with what was measured.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from bwctl.net.tcp import GONE_S, INTERVAL_S

LONG: Final = os.environ.get("FAULTS") == "long"
"""Whether the whole product of ends, phases and faults is run, or a part of it (`make test`)."""

SLACK_S: Final = 2.0 if LONG else 15.0
"""What a machine that is busy with other tests may add to a promise."""

KILLED_S: Final = 3.0  # guard and tester get a second each until KILL, their pipes one more
STOPPED_S: Final = 5.0  # the gentle signals and a second, before all that
# Who loses only the other end lets his tester come to its end, for the padding (`overrun`, and
# what both clocks may be off) and what UDP testers have beyond: four seconds are a lot.
ALONE_S: Final = 4.0 + KILLED_S


def cable_s(gone_s: float, interval_s: float) -> float:
    """Until a host that does not answer any more is taken for dead, and its test is over."""
    return gone_s + interval_s + KILLED_S


@dataclass(frozen=True, slots=True)
class Promise:
    """A row of the page."""

    fault: str  # as the page has it
    free_s: float
    since: str = "the fault"  # or what else the time is counted from


SLOT, TEST, START = "the end of the time slot", "the end of the test", "the start of the slot"

CLIENT: Final = Promise("the client is killed", KILLED_S)
CLIENT_CUT: Final = Promise("the client's connection to one daemon is cut", ALONE_S)
SILENT: Final = Promise("the client falls silent with a reservation", KILLED_S, START)
DAEMON_KILLED: Final = Promise("a daemon is killed (KILL)", ALONE_S)
DAEMON_STOPPED: Final = Promise("a daemon is stopped (TERM) before the test", ALONE_S)
DAEMON_DRAINED: Final = Promise("a daemon is stopped (TERM) while testers run", KILLED_S, TEST)
DAEMON_HUP: Final = Promise("a daemon reads its files again (HUP)", KILLED_S, TEST)
STUCK: Final = Promise("a tester hangs, floods, multiplies or refuses to die", STOPPED_S, SLOT)
DEAF: Final = Promise("a tester never listens", STOPPED_S, SLOT)
DIES: Final = Promise("a tester dies, or somebody kills it", ALONE_S)
LEAVES: Final = Promise("a tester forks away", KILLED_S, TEST)
RESULT_DISK: Final = Promise("the client cannot write its results", KILLED_S, TEST)
DAEMON_DISK: Final = Promise("a daemon cannot write its files", KILLED_S, TEST)
DESCRIPTORS: Final = Promise("a daemon has no descriptors left", KILLED_S, TEST)
PROCESSES: Final = Promise("a daemon can start no process", KILLED_S, TEST)
CLOCK: Final = Promise("a clock is set by an hour", KILLED_S, TEST)
CLOCK_STUCK: Final = Promise("a clock is set back while a tester hangs", STOPPED_S, SLOT)
PEERS: Final = Promise("the connection between the daemons is cut", ALONE_S)
PEERS_SLOW: Final = Promise("the connection between the daemons is slow or silent", KILLED_S, TEST)
FIREWALL: Final = Promise("the daemons cannot reach each other", KILLED_S, TEST)
CABLE: Final = Promise("the network between the hosts is gone", cable_s(GONE_S, INTERVAL_S))
SLOW: Final = Promise("the network is slow, or loses packets", KILLED_S, TEST)

PROMISES: Final = (
    *(CLIENT, CLIENT_CUT, SILENT),
    *(DAEMON_KILLED, DAEMON_STOPPED, DAEMON_DRAINED, DAEMON_HUP),
    *(STUCK, DEAF, DIES, LEAVES),
    *(RESULT_DISK, DAEMON_DISK, DESCRIPTORS, PROCESSES),
    *(CLOCK, CLOCK_STUCK),
    *(PEERS, PEERS_SLOW, FIREWALL, CABLE, SLOW),
)
