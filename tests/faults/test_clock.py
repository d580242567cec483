"""A host's clock is set by an hour at some phase of a test."""

from __future__ import annotations

import signal

from tests.faults.promises import CLOCK, CLOCK_STUCK
from tests.faults.scene import RECEIVER, SENDER, Scene, chosen
from tests.faults.test_tester import slot_end
from tests.support import baseline, daemons
from tests.support.daemons import Daemon, client_ours, start_ours, until
from tests.support.faulty import WELL, Faulty
from tests.support.testers import need

HOUR = 3600
AHEAD, BACK = HOUR, -HOUR
FEW = (
    ("request", RECEIVER, BACK),
    ("start", SENDER, AHEAD),
    ("met", RECEIVER, AHEAD),
    ("running", SENDER, BACK),
)
HANGS_AS_CLIENT = f'case "$*" in *"-c "*) exec sleep 300;; esac; {WELL}'
PHASES = ("request", "start", "met", "running")
OVERRUN_S = 3
_SETTABLE = """
import signal, sys
from bwctl.net.clock import SystemClock
from bwctl.values import NTPTime, ticks
place = sys.argv[sys.argv.index("-c", 1) + 1]
real, step = SystemClock.now, [0]
SystemClock.now = lambda clock: NTPTime(real(clock) + step[0])
def set_clock(*_):
    with open(place + "/step") as file:
        step[0] = ticks(float(file.read()))
signal.signal(signal.SIGUSR2, set_clock)
from twisted.scripts.twistd import run
sys.exit(run())
"""


class ClockTests(Scene):
    def setUp(self) -> None:
        need("iperf3")
        self.patch(daemons, "_TWISTD", _SETTABLE)
        self.tester = Faulty("iperf3")
        self.addCleanup(self.tester.remove)
        super().setUp()

    def start(self, address: str, options: str = "") -> Daemon:
        daemon = start_ours(address, f"overrun {OVERRUN_S}\n{self.tester.option}{options}")
        self.addCleanup(daemon.kill)
        return daemon

    def set_clock(self, daemon: Daemon, step: int) -> None:
        """From now on a daemon's clock is so much ahead of what it was at the start."""
        (daemon.directory / "step").write_text(str(step))
        before = daemon.log().count("clock.step")
        daemon.process.send_signal(signal.SIGUSR2)
        if baseline.status(daemon)["reservations"]:  # else it has nothing to set again
            seen = until(lambda: daemon.log().count("clock.step") > before, 10)
            self.assertTrue(seen, daemon.log())

    def test_steps(self) -> None:
        """No test whose ends have met is disturbed; before that the user is told why it is none."""
        for phase, address, step in chosen(FEW, PHASES, (RECEIVER, SENDER), (AHEAD, BACK)):
            daemon, what = self.daemons[address], (phase, address, step)
            with self.in_phase(phase, address, duration=2) as (client, relay):
                self.set_clock(daemon, step)
                relay.release()
                ran = client.wait()
            if phase in ("met", "running"):
                self.assertEqual(ran.status, 0, f"{what} {ran.report}")
            else:
                self.assert_told(ran, ran.status, "clock|could not start its end|busy", what)
                self.assertIn(ran.status, (1, 8, 13), f"{what} {ran.report}")
            self.assert_free(CLOCK, *self.daemons.values())
            self.set_clock(daemon, 0)
        self.hung()
        self.assert_well()

    def hung(self) -> None:
        """A tester that hangs has the time of its slot, and not an hour more."""
        self.tester.does(HANGS_AS_CLIENT)
        client = client_ours(*self.ends(), "-T", "iperf3", "-t", "2", "--json")
        client.await_word("running")
        self.set_clock(self.sender, BACK)
        ran = client.wait()
        self.assert_told(ran, 1, f"at sender {SENDER}: local tool did not complete in allocated")
        end = slot_end(ran, OVERRUN_S)
        self.assert_free(CLOCK_STUCK, *self.daemons.values(), since=end)
        self.tester.does(WELL)
        self.set_clock(self.sender, 0)
