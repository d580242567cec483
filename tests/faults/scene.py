"""Two daemons, a client, and a moment in the course of a test at which something goes wrong.

A phase is one of MESSAGES, in which the client's message of that name is held back on its way to
one daemon, or one of STEPS, that a started test goes through by itself. So there are: connected
("greeting"), handshake done ("time"), about to reserve ("request"), reserved ("start"), waiting,
the two daemons have met ("met"), testers running, and results due ("stop").
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.faults.promises import LONG, SLACK_S, TEST, Promise
from tests.support import baseline
from tests.support.daemons import Client, Daemon, Ran, client_ours, start_ours, until
from tests.support.faulty import workers
from tests.support.ports import connected
from tests.support.relay import Relay, relayed

RECEIVER, SENDER, RELAY = "127.0.0.130", "127.0.0.131", "127.0.0.132"

# The first octet of a client's message, once the handshake is done; its number where it is not.
MESSAGES = {"greeting": 0, "time": 4, "request": 1, "start": 2, "stop": 3}
STEPS = ("waiting", "met", "running")
PHASES = ("greeting", "time", "request", "start", *STEPS, "stop")
BEFORE_THE_TEST = PHASES[:6]
LOOK_S = 0.1  # between two looks at a daemon

LONG_S = 60  # duration of a test that a fault is to end early: not by chance in that time


def lost(node: str) -> str:
    """What the user is told, as a pattern, of a daemon that is gone."""
    return f"bwctl: ({node} closed the connection|the connection to {node} broke)"


def chosen(few: Sequence[Any], *all_of: Sequence[Any]) -> Sequence[Any]:
    """In a long run the product of some ranges, else the few that are named."""
    if not LONG:
        return few
    return list(product(*all_of)) if len(all_of) > 1 else all_of[0]


def is_message(phase: str) -> Callable[[int, bytes], bool]:
    """Whether it is that message, by its number and its octets."""
    kind = MESSAGES[phase]
    return lambda number, octets: number == 0 if not kind else bool(number) and octets[0] == kind


class Scene(SynchronousTestCase):
    """Starts what a fault needs; after each test both daemons are idle and have leaked nothing."""

    def setUp(self) -> None:
        self.daemons = {address: self.start(address) for address in (RECEIVER, SENDER)}

    def start(self, address: str, options: str = "") -> Daemon:
        daemon = start_ours(address, options)
        self.addCleanup(daemon.kill)
        return daemon

    @property
    def receiver(self) -> Daemon:
        return self.daemons[RECEIVER]

    @property
    def sender(self) -> Daemon:
        return self.daemons[SENDER]

    def ends(self) -> tuple[str, ...]:
        """The words of a command line that name both daemons."""
        return ("-a", "0.1", "-c", self.receiver.node, "-s", self.sender.node)

    def client(self, *more: str) -> Client:
        """Start a test between both."""
        return client_ours(*self.ends(), "-T", "thrulay", *more)

    @contextmanager
    def in_phase(
        self, phase: str, address: str, *more: str, duration: int = LONG_S
    ) -> Iterator[tuple[Client, Relay]]:
        """A client whose test is in a phase; its way to one of the daemons is by a relay."""
        with relayed(self.daemons[address], RELAY) as relay:
            ends = ["-a", "0.1", "-T", "thrulay", "-t", str(duration), *more]
            for option, one in (("-c", RECEIVER), ("-s", SENDER)):
                ends += [option, relay.node if one == address else self.daemons[one].node]
            if phase in MESSAGES:
                relay.hold(is_message(phase))
            client = client_ours(*ends)
            if phase in MESSAGES:
                if not relay.reached.wait(60):
                    relay.release()
                    self.fail(f"{phase}: no such message came; {client.wait().report}")
            else:
                self.await_step(phase, client)
            yield client, relay

    def await_step(self, step: str, client: Client) -> None:
        """Until a test that nobody holds back is so far."""
        client.await_word("running" if step == "running" else "waiting")
        if step == "met":
            self.assertTrue(until(lambda: self.meetings(), SLACK_S), "the daemons do not meet")
            time.sleep(0.2)  # they compare their clocks
        if step == "running":
            both = lambda: all(workers(one, "thrulay") for one in self.daemons.values())  # noqa: E731
            self.assertTrue(until(both, SLACK_S), "a tester does not run")

    def meetings(self) -> int:
        """How many connections there are at the receiver's peer ports."""
        first, last = map(int, self.receiver.ports.peer.split("-"))
        return len(connected(range(first, last + 1)))

    def holds(self, daemon: Daemon, but: Collection[str] = ()) -> str:
        """Whatever a daemon still has, in its own words and by its processes; "" if nothing."""
        words = baseline.status(daemon)
        words.pop("timers")  # it has some for itself
        held = [f"{number} {name}" for name, number in words.items() if number and name not in but]
        return ", ".join([*held, *daemon.testers().values()])

    def assert_free(
        self,
        promise: Promise,
        *daemons: Daemon,
        since: float | None = None,
        but: Collection[str] = (),
    ) -> None:
        """No reservation, connection, port or process is left, as soon as was promised.

        Args:
            since: monotonic time of what the promise is counted from; now, if that is the test's
                end.
            but: what may be left.
        """
        assert since is not None or promise.since == TEST, promise
        since = time.monotonic() if since is None else since
        end = since + promise.free_s + SLACK_S
        for daemon in daemons:
            free = until(lambda d=daemon: not self.holds(d, but), end - time.monotonic(), LOOK_S)
            late = f"not within {promise.free_s} s of {promise.since}: {self.holds(daemon)}"
            self.assertTrue(free, f"{daemon.name}: {late}\n{daemon.log()}")
        note(promise, time.monotonic() - since)

    def assert_told(self, ran: Ran, status: int, words: str, what: object = "") -> None:
        """The exit status, and a sentence without any traceback."""
        self.assertEqual(ran.status, status, f"{what} {ran.report}")
        self.assertRegex(ran.stderr, words, f"{what} {ran.report}")
        self.assertNotRegex(ran.stderr, "Traceback|defect", f"{what} {ran.report}")

    def assert_well(self) -> None:
        """A test as any other succeeds now, and nothing of it is left."""
        ran = self.client("-t", "1").wait()
        self.assertEqual(ran.status, 0, ran.report)
        self.assert_nothing_left()

    def assert_nothing_left(self) -> None:
        """Both daemons are at rest, or soon."""
        for daemon in self.daemons.values():
            free = until(lambda d=daemon: not self.holds(d), SLACK_S, LOOK_S)
            self.assertTrue(free, f"{daemon.name}: {self.holds(daemon)}\n{daemon.log()}")


def note(promise: Promise, seconds: float) -> None:
    """Write down how long it took, for `make faults` (tests.faults.figures)."""
    if path := os.environ.get("FAULTS_FIGURES"):
        with Path(path).open("a") as file:
            file.write(f"{promise.fault}\t{seconds:.2f}\n")
