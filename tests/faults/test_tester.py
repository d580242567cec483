"""Testers that do not end, do not listen, do not stop talking, die, or leave others behind.

Those that fail by themselves, or are not there, are in tests.cli.test_blame.
"""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import datetime
from pathlib import Path

from tests.faults.promises import DEAF, DIES, LEAVES, STUCK
from tests.faults.scene import LONG_S, RECEIVER, SENDER, SLACK_S, Scene, chosen
from tests.support.daemons import Daemon, Ran, client_ours, start_ours, until
from tests.support.faulty import WELL, Faulty, workers
from tests.support.testers import need

MOST_MB = 100  # of a daemon, whatever its testers write
REFUSES = """\
trap '' TERM HUP INT QUIT
setsid sh -c 'trap "" TERM HUP; sleep 300 & sleep 300' >&- 2>&- &
(setsid sleep 300 &)
while :; do sleep 300; done
"""
STOPS_ITSELF = "kill -STOP $$\n"
FLOODS = "yes a line that has no end >&2 & exec yes 'and no sense'\n"
MULTIPLIES = """\
for i in 1 2 3 4 5 6 7 8 9; do (setsid sh -c 'sleep 300 & sleep 300' &); done
exec sleep 300
"""
HANGS = "exec sleep 300\n"
STUCK_SOMEHOW = (REFUSES, STOPS_ITSELF, FLOODS, MULTIPLIES, HANGS)
FEW_STUCK = (
    (REFUSES, SENDER),
    (STOPS_ITSELF, RECEIVER),
    (FLOODS, RECEIVER),
    (MULTIPLIES, SENDER),
)

STAYS = f"""\
{WELL.removeprefix("exec ")}
trap '' TERM HUP INT QUIT
while :; do sleep 300; done
"""
FORKS = f"""\
(setsid sleep 300 &)
setsid sh -c 'trap "" TERM HUP; sleep 300' >&- 2>&- &
{WELL}
"""
GOES_AWAY = '(setsid {tool} "$@" &)\nexit 0\n'

# What the user is told: of the tester's server, and of its client.
TOLD = {
    RECEIVER: f"the test failed at receiver {RECEIVER}: its tester does not listen",
    SENDER: f"the test failed at sender {SENDER}: local tool did not complete in allocated time",
}
OUTLASTED = "local tool did not end when the other end's had and was killed"
AWAY = {
    RECEIVER: f"failed at receiver {RECEIVER}: local tool ended before the test, with status=0",
    SENDER: f"failed at sender {SENDER}: iperf3: no total found in the output",
}
KILLED = "local tool exited before expected with status=137"


class TesterTests(Scene):
    def setUp(self) -> None:
        need("iperf3")
        self.testers = {address: Faulty("iperf3") for address in (RECEIVER, SENDER)}
        for tester in self.testers.values():
            self.addCleanup(tester.remove)
        super().setUp()

    def start(self, address: str, options: str = "") -> Daemon:
        daemon = start_ours(address, self.testers[address].option + options)
        self.addCleanup(daemon.kill)
        return daemon

    def run_with(self, how: str, address: str) -> Ran:
        """A test of one second whose tester does something else at one end."""
        self.testers[address].does(how)
        ran = client_ours(*self.ends(), "-T", "iperf3", "-t", "1", "--json").wait()
        self.testers[address].does(WELL)
        return ran

    def test_stuck(self) -> None:
        """The user is told of the end; tester and offspring are gone soon after the time slot."""
        for how, address in chosen(FEW_STUCK, STUCK_SOMEHOW, (RECEIVER, SENDER)):
            ran = self.run_with(how, address)
            self.assert_told(ran, 1, f"bwctl: {TOLD[address]}", how)
            promise = DEAF if address == RECEIVER else STUCK
            self.assert_free(promise, *self.daemons.values(), since=slot_end(ran))
            for daemon in self.daemons.values():
                self.assertLess(memory_mb(daemon), MOST_MB, how)
        for address in chosen((RECEIVER,), (RECEIVER, SENDER)):
            ran = self.run_with(STAYS, address)
            self.assert_told(ran, 1, f"at {self.side(address)}: {OUTLASTED}")
            self.assert_free(STUCK, *self.daemons.values(), since=slot_end(ran))
        self.assert_well()

    def test_dies(self) -> None:
        """Killed in mid-test, or gone into the background: the test is over at once."""
        for address in (RECEIVER, SENDER):
            client = client_ours(*self.ends(), "-T", "iperf3", "-t", str(LONG_S))
            client.await_word("running")
            both = lambda: all(workers(one, "iperf3") for one in self.daemons.values())  # noqa: E731
            self.assertTrue(until(both, SLACK_S), "a tester does not run")
            time.sleep(0.5)  # they are connected
            struck = time.monotonic()
            for pid in workers(self.daemons[address], "iperf3"):
                os.kill(pid, signal.SIGKILL)
            ran = client.wait()
            self.assert_told(ran, 1, f"at {self.side(address)}: {KILLED}")
            self.assert_free(DIES, *self.daemons.values(), since=struck)
        for address in chosen((SENDER,), (RECEIVER, SENDER)):
            ran = self.run_with(GOES_AWAY, address)
            self.assert_told(ran, 1, AWAY[address])
            self.assert_free(LEAVES, *self.daemons.values())
        for address in chosen((RECEIVER,), (RECEIVER, SENDER)):
            ran = self.run_with(FORKS, address)  # the test itself is as any other
            self.assertEqual(ran.status, 0, ran.report)
            self.assert_free(LEAVES, *self.daemons.values())
        self.assert_well()

    def side(self, address: str) -> str:
        """As the client names it."""
        return f"{'receiver' if address == RECEIVER else 'sender'} {address}"


def slot_end(ran: Ran, overrun: float = 1.5) -> float:
    """Monotonic time of the last moment of a test's time slot, from what the client printed."""
    result = json.loads(ran.stdout)
    start = datetime.fromisoformat(result["schedule"]["start"].replace("Z", "+00:00")).timestamp()
    errors = sum(result[side]["clock"]["error_seconds"] for side in ("receiver", "sender"))
    length = result["parameters"]["duration_seconds"]
    return start + length + errors + overrun - time.time() + time.monotonic()


def memory_mb(daemon: Daemon) -> int:
    """Resident size of a daemon."""
    rows = Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("VmRSS")) // 1024
