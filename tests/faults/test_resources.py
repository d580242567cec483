"""No descriptors and no processes are to be had: a daemon loses tests, and nothing else."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import SkipTest

from tests.faults.promises import DESCRIPTORS, PROCESSES
from tests.faults.scene import RECEIVER, SENDER, Scene, chosen
from tests.support import daemons
from tests.support.daemons import Daemon, run_ours, until
from tests.support.testers import need

SHORT = ("-T", "thrulay", "-t", "1")
IPERF3 = ("-T", "iperf3", "-t", "1")
FEW = ((RECEIVER, 0), (RECEIVER, 5), (SENDER, 5))
SPARE = range(16)
"""How many descriptors a daemon may still open; a test end takes some dozen."""

TOO_MANY = "cannot start thrulay: Too many open files"
TOLD = {
    0: "closed the connection|the connection to .* broke",
    1: "could not start its end of the test|Too many open files",
    2: "closed in the handshake|Too many open files",
}
UNAVAILABLE = "Resource temporarily unavailable"
MOST = 4000
ANOTHER = 64_000 + os.getpid() % 1000  # nobody's, so that nobody else's processes count
_AS_ANOTHER = f"""
import os, resource, signal, sys
place = sys.argv[sys.argv.index("-c", 1) + 1]
if os.getuid():
    most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    def limit(*_):
        with open(place + "/limit") as file:
            number = int(file.read())
        resource.setrlimit(resource.RLIMIT_NPROC, (number, most))
    resource.setrlimit(resource.RLIMIT_NPROC, ({MOST}, most))
    signal.signal(signal.SIGUSR2, limit)
    from bwctl.daemon import quota_file
    quota_file.RETRY_S = 0.5
    from twisted.scripts.twistd import run
    sys.exit(run())
for folder, _, files in os.walk(place):
    for name in [folder, *(os.path.join(folder, one) for one in files)]:
        os.chown(name, {ANOTHER}, {ANOTHER})
become = ["--reuid={ANOTHER}", "--regid={ANOTHER}", "--clear-groups"]
# It has to find Python, wherever that is.
may = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
with open("/proc/self/cmdline", "rb") as line:
    script = line.read().split(b"\\0")[2]
os.execvp("setpriv", ["setpriv", *become, *may, sys.executable, "-c", script, *sys.argv[1:]])
"""


def descriptors(daemon: Daemon) -> set[int]:
    """The numbers of those that it has open."""
    return {int(name) for name in os.listdir(f"/proc/{daemon.process.pid}/fd")}


@contextmanager
def few_descriptors(daemon: Daemon, number: int) -> Iterator[None]:
    """For some time a daemon may not open more."""
    pid = daemon.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (number, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextmanager
def few_processes(daemon: Daemon, number: int) -> Iterator[None]:
    """For some time the user of a daemon may not have more, as far as the daemon starts them."""

    def limit(number: int) -> None:
        (daemon.directory / "limit").write_text(str(number))
        daemon.process.send_signal(signal.SIGUSR2)
        limits = Path(f"/proc/{daemon.process.pid}/limits")
        row = f"Max processes {number} "
        assert until(lambda: row in " ".join(limits.read_text().split()), 10), limits.read_text()

    limit(number)
    try:
        yield
    finally:
        limit(MOST)


def bound(used: set[int], spare: int) -> int:
    """The limit with which so many numbers are still free below it."""
    number = 0
    while spare or number in used:
        spare -= number not in used
        number += 1
    return number


class DescriptorTests(Scene):
    def test_no_descriptors(self) -> None:
        """Whatever fails, the user is told; afterwards the daemon has no more open than before."""
        self.assert_well()
        for address, spare in chosen(FEW, (RECEIVER, SENDER), SPARE):
            daemon = self.daemons[address]
            before = descriptors(daemon)
            with few_descriptors(daemon, bound(before, spare)):
                ran = run_ours(*self.ends(), *SHORT)
                self.holds(daemon)  # it can look at itself
            self.assertIn(ran.status, (0, 1, 14), ran.report)
            if ran.status:
                self.assert_told(ran, ran.status, TOLD.get(spare, TOO_MANY), spare)
            self.assert_free(DESCRIPTORS, *self.daemons.values())
            self.assertEqual(len(descriptors(daemon)), len(before), f"{spare}\n{daemon.log()}")
            self.assertNotIn("Traceback", daemon.log())
        self.assert_well()


class ProcessTests(Scene):
    """Root may have as many processes as it likes, so the daemons are those of another user."""

    def setUp(self) -> None:
        need("iperf3")  # the embedded tester is a Python that only root may look for, maybe
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                raise SkipTest("setpriv (util-linux) is not installed")
            self.patch(daemons, "_TWISTD", _AS_ANOTHER)
        super().setUp()

    def start(self, address: str, options: str = "") -> Daemon:
        return super().start(address, f"{options}quota_file quota-{address}\n")

    def test_no_processes(self) -> None:
        """The user is told, nothing is left, and quotas are kept although there is no thread."""
        for address in chosen((RECEIVER,), (RECEIVER, SENDER)):
            daemon = self.daemons[address]
            with few_processes(daemon, 1):
                ran = run_ours(*self.ends(), *IPERF3)
                words = f"at {daemon_side(address)}: cannot start iperf3: {UNAVAILABLE}"
                self.assert_told(ran, 1, words)
            self.assert_free(PROCESSES, *self.daemons.values())
            if os.geteuid() == 0:  # else others' processes count too
                with few_processes(daemon, tasks(ANOTHER) + 1):
                    ran = run_ours(*self.ends(), *IPERF3)
                    self.assert_told(ran, 1, f"at {daemon_side(address)}: .*{UNAVAILABLE}")
                self.assert_free(PROCESSES, *self.daemons.values())
            self.assertNotIn("Traceback", daemon.log())
        ran = run_ours(*self.ends(), *IPERF3)
        self.assertEqual(ran.status, 0, ran.report)
        log = self.receiver.log  # the sender's had its thread before
        self.assertIn("can't start new thread; counting goes on in memory", log())
        self.assertTrue(until(lambda: "quota.file_works" in log(), 10), log())


def daemon_side(address: str) -> str:
    """As the client names it."""
    return f"receiver {RECEIVER}" if address == RECEIVER else f"sender {SENDER}"


def tasks(user: int) -> int:
    """How many processes and threads a user has."""
    return sum(1 for one in Path("/proc").glob("[0-9]*/task/*") if one.stat().st_uid == user)
