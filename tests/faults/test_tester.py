"""Testers that do not end, do not listen, do not stop talking, or leave others behind.

Those that fail, or are not there, are in tests.cli.test_blame.
"""

from __future__ import annotations

from pathlib import Path

from tests.faults.scene import RECEIVER, SENDER, Scene, chosen
from tests.support.daemons import Daemon, run_ours, start_ours
from tests.support.faulty import WELL, Faulty
from tests.support.testers import need

FREE_S = 3.0
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
FAULTS = (REFUSES, STOPS_ITSELF, FLOODS, MULTIPLIES, HANGS)
FEW = ((REFUSES, SENDER), (FLOODS, RECEIVER))

# What the user is told: of the tester's server, and of its client.
TOLD = {
    RECEIVER: f"the test failed at receiver {RECEIVER}: its tester does not listen",
    SENDER: f"the test failed at sender {SENDER}: local tool did not complete in allocated time",
}


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

    def test_testers(self) -> None:
        """The user is told of the end; tester and offspring are gone soon after the time slot."""
        for how, address in chosen(FEW, FAULTS, (RECEIVER, SENDER)):
            self.testers[address].does(how)
            ran = run_ours(*self.ends(), "-T", "iperf3", "-t", "1")
            self.testers[address].does(WELL)
            self.assert_told(ran, 1, f"bwctl: {TOLD[address]}", how)
            self.assert_free(FREE_S, *self.daemons.values())
            for daemon in self.daemons.values():
                self.assertLess(memory_mb(daemon), MOST_MB, how)
        self.assert_well()


def memory_mb(daemon: Daemon) -> int:
    """Resident size of a daemon."""
    rows = Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("VmRSS")) // 1024
