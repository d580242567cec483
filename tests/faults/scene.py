"""Two daemons, a client, and a moment in the course of a test at which something goes wrong.

A phase is one of MESSAGES, in which the client's message of that name is held back on its way to
one daemon, or one of WORDS, which the client says itself.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemons import Client, Daemon, Ran, client_ours, start_ours, until
from tests.support.faulty import workers
from tests.support.relay import Relay, relayed

RECEIVER, SENDER, RELAY = "127.0.0.130", "127.0.0.131", "127.0.0.132"
EVERYTHING = os.environ.get("FAULTS") == "all"
"""Whether the whole product of ends, phases and faults is run, or a part of it (`make test`)."""

# The first octet of a client's message, once the handshake is done; its number where it is not.
MESSAGES = {"greeting": 0, "time": 4, "request": 1, "start": 2, "stop": 3}
WORDS = ("waiting", "running")
PHASES = (*MESSAGES, *WORDS)
BEFORE_THE_TEST = ("greeting", "time", "request", "start", "waiting")
SLACK_S = 15.0
"""What a busy machine may add to a promise of doc/reliability.md."""

LONG_S = 60  # duration of a test that a fault is to end early: not by chance in that time


def lost(node: str) -> str:
    """What the user is told, as a pattern, of a daemon that is gone."""
    return f"bwctl: ({node} closed the connection|the connection to {node} broke)"


def chosen(few: Sequence[Any], *all_of: Sequence[Any]) -> Sequence[Any]:
    """Under FAULTS=all the product of some ranges, else the few that are named."""
    if not EVERYTHING:
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
                self.assertTrue(relay.reached.wait(60), f"{phase}: no such message came")
            else:
                client.await_word(phase)
            if phase == "running":
                both = lambda: all(workers(one, "thrulay") for one in self.daemons.values())  # noqa: E731
                self.assertTrue(until(both, SLACK_S), "a tester does not run")
            yield client, relay

    def status(self, daemon: Daemon) -> tuple[int, int]:
        """How many connections and reservations a daemon has, in its own words."""
        before = daemon.log().count("daemon.status")
        daemon.process.send_signal(signal.SIGUSR1)
        answered = until(lambda: daemon.log().count("daemon.status") > before, 10)
        self.assertTrue(answered, f"{daemon.name} does not answer USR1:\n{daemon.log()}")
        line = [one for one in daemon.log().splitlines() if "daemon.status" in one][-1]
        found = re.search(r"(\d+) connections, (\d+) reservations", line)
        assert found is not None, line
        return int(found[1]), int(found[2])

    def assert_free(self, within_s: float, *daemons: Daemon) -> None:
        """No reservation, no connection, no process is left in time, or as soon as can be."""
        for daemon in daemons:
            is_free = lambda d=daemon: self.status(d) == (0, 0) and not d.testers()  # noqa: E731
            free = until(is_free, within_s + SLACK_S, 0.2)
            left = f"{daemon.name}: {self.status(daemon)} {daemon.testers()}"
            self.assertTrue(free, f"not within {within_s} s: {left}\n{daemon.log()}")

    def assert_told(self, ran: Ran, status: int, words: str, what: object = "") -> None:
        """The exit status, and a sentence without any traceback."""
        self.assertEqual(ran.status, status, f"{what} {ran.report}")
        self.assertRegex(ran.stderr, words, f"{what} {ran.report}")
        self.assertNotRegex(ran.stderr, "Traceback|defect", f"{what} {ran.report}")

    def assert_well(self) -> None:
        """A test as any other succeeds now."""
        ran = self.client("-t", "1").wait()
        self.assertEqual(ran.status, 0, ran.report)
        self.assert_free(2, *self.daemons.values())
