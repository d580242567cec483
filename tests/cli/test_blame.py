"""Whatever goes wrong at one end of a test, the client names that end and says what it was."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from contextlib import ExitStack

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType
from bwctl.values import ticks
from tests.support import daemons
from tests.support.daemons import Client, Daemon, Ran, client_ours, run_ours, start_ours, until
from tests.support.faulty import FAILS, GONE, HANGS, SAYS_NOTHING, WELL, Faulty, workers
from tests.support.raw import opened, request
from tests.support.relay import relayed, told_peer_port
from tests.support.testers import need

RECEIVER, SENDER, SHIFTED = "127.0.0.83", "127.0.0.84", "127.0.0.85"
MAX_RESULT = 200_000
TOO_MUCH = 'for a in "$@"; do [ "$a" = -c ] && head -c 300000 /dev/zero | tr "\\0" x | fold; done\n'
_FAST_CLOCK = """
import sys
from bwctl.net.clock import SystemClock
from bwctl.values import NTPTime, ticks
real = SystemClock.now
SystemClock.now = lambda clock: NTPTime(real(clock) + ticks(5.0))
from twisted.scripts.twistd import run
sys.exit(run())
"""
_DUAL_STACK = """
import socket, sys
real = socket.getaddrinfo
names = {"one": ["::1", "%s"], "two": ["::1", "%s"]}
def fake(host, *more, **named):
    return [x for one in names.get(host, [host]) for x in real(one, *more, **named)]
socket.getaddrinfo = fake
from bwctl.cli.main import bwctl
sys.exit(bwctl())
"""


class BlameTests(SynchronousTestCase):
    def setUp(self) -> None:
        need("iperf", "iperf3", "nuttcp")
        tools = ("iperf", "iperf3", "nuttcp")
        self.programs = {
            address: {tool: Faulty(tool) for tool in tools} for address in (RECEIVER, SENDER)
        }
        for programs in self.programs.values():
            for program in programs.values():
                self.addCleanup(program.remove)
        self.receiver, self.sender = self.start(RECEIVER), self.start(SENDER)

    def start(self, address: str) -> Daemon:
        options = "".join(one.option for one in self.programs.get(address, {}).values())
        daemon = start_ours(address, f"{options}max_result_size {MAX_RESULT}\n")
        self.addCleanup(daemon.kill)
        return daemon

    def run_test(self, *more: str) -> Ran:
        return run_ours("-a", "0.1", "-c", self.receiver.node, "-s", self.sender.node, *more)

    def assert_blamed(self, ran: Ran, end: str, words: str, what: object) -> None:
        """The one sentence of the failure."""
        side = {RECEIVER: "receiver", SENDER: "sender"}[end]
        sentence = ran.stderr.splitlines()[-2]
        begin = f"bwctl: the test failed at {side} {end}: "
        self.assertEqual(ran.status, 1, f"{what}\n{ran.stderr}")
        self.assertTrue(sentence.startswith(begin), f"{what}\n{ran.stderr}")
        self.assertIn(words, sentence, f"{what}\n{ran.stderr}")
        self.assertNotIn("bwctl: bwctl:", ran.stderr)
        for daemon in (self.receiver, self.sender):
            daemon.assert_idle()
            self.assertNotIn("Traceback", daemon.log())

    def test_programs(self) -> None:
        """A program that is gone, fails, hangs or says nothing, at one end after the other."""
        for tool, end, how, words in (
            ("iperf3", RECEIVER, GONE, "local tool ended before the test, with status=127"),
            ("iperf3", SENDER, GONE, "local tool exited with status=127"),
            ("iperf3", RECEIVER, FAILS, "status=9"),
            ("iperf3", SENDER, SAYS_NOTHING, "no total found in the output"),
            ("iperf3", RECEIVER, HANGS, "its tester does not listen"),
            ("iperf3", SENDER, HANGS, "did not complete in allocated time"),
            ("iperf3", SENDER, TOO_MUCH + FAILS, "status=9"),
            ("iperf", RECEIVER, GONE, "status=127"),
            ("iperf", RECEIVER, HANGS, "its tester does not listen"),
            ("nuttcp", RECEIVER, GONE, "status=127"),
        ):
            program = self.programs[end][tool]
            program.does(how)
            ran = self.run_test("-T", tool, "-t", "1")
            program.does(WELL)
            self.assert_blamed(ran, end, words, (tool, end, how))
        self.too_much()
        self.assert_well()

    def too_much(self) -> None:
        """What a tester writes beyond the bound is told: it may be what the figures are in."""
        program = self.programs[SENDER]["iperf3"]
        for how, status, words in (
            (TOO_MUCH + WELL, 0, "though its output was too long to be kept whole"),
            (
                TOO_MUCH + SAYS_NOTHING,
                1,
                f"{SENDER}: output cut here: more than {MAX_RESULT} octets",
            ),
        ):
            program.does(how)
            ran = self.run_test("-T", "iperf3", "-t", "1")
            self.assertEqual(ran.status, status, ran.report)
            self.assertIn(words, ran.report, ran.stderr)
        program.does(WELL)

    def assert_well(self) -> None:
        """Nothing of all this is left."""
        ran = self.run_test("-T", "iperf3", "-t", "1")
        self.assertEqual(ran.status, 0, ran.report)
        self.receiver.stop()
        self.sender.stop()

    def test_killed(self) -> None:
        """A tester that somebody kills in the middle of the test; a port that somebody has."""
        for tool, word, end, words in (
            ("iperf3", "iperf3", RECEIVER, "local tool exited before expected with status=137"),
            ("iperf3", "iperf3", SENDER, "local tool exited before expected with status=137"),
            ("thrulay", "thrulay", RECEIVER, "status=137"),
            ("thrulay", "thrulay", SENDER, "status=137"),
        ):
            at = self.receiver if end == RECEIVER else self.sender
            client = client_ours(
                *("-a", "0.1", "-c", self.receiver.node, "-s", self.sender.node),
                *("-T", tool, "-t", "4"),
            )
            self.assertTrue(until(lambda w=word: workers(self.sender, w), 20), tool)
            time.sleep(0.7)
            for pid in workers(at, word):
                os.kill(pid, signal.SIGKILL)
            self.assert_blamed(client.wait(), end, words, (tool, end, "killed"))

        first, last = map(int, self.receiver.ports.test.split("-"))
        for tool in ("iperf3", "thrulay"):
            with ExitStack() as occupied:
                for port in range(first, last + 1):
                    one = occupied.enter_context(socket.socket())
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind((RECEIVER, port))
                    one.listen(1)
                ran = self.run_test("-T", tool, "-t", "1")
            self.assertEqual(ran.status, 11, ran.report)
            self.assertIn(f"{RECEIVER}:{self.receiver.ports.control}: failure", ran.stderr)
            self.assertIn("no free tester port", self.receiver.log())
        self.assert_well()

    def test_clocks(self) -> None:
        """Clocks 5 s apart have exit status 13, and soon, however far the slot is."""
        self.patch(daemons, "_TWISTD", _FAST_CLOCK)
        fast = self.start(SHIFTED)
        for receiver, sender, word in (
            (fast, self.sender, "ahead"),
            (self.receiver, fast, "behind"),
        ):
            ran = run_ours("-a", "0.1", "-c", receiver.node, "-s", sender.node, "-t", "1")
            words = f"bwctl: sender {sender.address}: the other end's clock is at least 4."
            self.assertEqual(ran.status, 13, ran.report)
            self.assertIn(words, ran.stderr)
            self.assertIn(word, ran.stderr)
            self.assertIn("bwctl: hint: synchronise both clocks", ran.stderr)

        with opened(RECEIVER, self.receiver.ports.control) as busy:
            at = busy.time().time + ticks(10)
            long = request(at, server=RECEIVER, client=SHIFTED, duration=100)
            self.assertEqual(busy.ask(long).accept, AcceptType.ACCEPT)
            ran = run_ours("-a", "0.1", "-c", self.receiver.node, "-s", fast.node, "-t", "15")
        self.assertEqual(ran.status, 13, ran.report)
        self.assertIn("waiting for the time slot, 1", ran.stderr)  # more than 100 s
        self.assertLess(ran.seconds, 15)

        self.far_future()
        self.dual_stack()

    def far_future(self) -> None:
        """The sender cannot connect, long before the test: it says so, and at once."""

        def to_a_closed_port(octets: bytes) -> bytes:
            return b"\0\0\0\1" + octets[4:] if told_peer_port(octets) else octets

        with opened(RECEIVER, self.receiver.ports.control) as busy:
            at = busy.time().time + ticks(10)
            long = request(at, server=RECEIVER, client=SENDER, duration=100)
            self.assertEqual(busy.ask(long).accept, AcceptType.ACCEPT)
            with relayed(self.receiver, "127.0.0.86", to_a_closed_port) as relay:
                ran = run_ours("-a", "0.1", "-c", relay.node, "-s", self.sender.node, "-t", "15")
        self.assertEqual(ran.status, 1, f"{relay.events} {ran.report}")
        words = f"failed at sender {SENDER}: cannot connect to the other end: Connection was ref"
        self.assertIn(words, ran.stderr)
        self.assertLess(ran.seconds, 15)
        self.receiver.assert_idle()

    def dual_stack(self) -> None:
        """Where one end refuses IPv6, the connection to the other in IPv6 is not kept."""
        with relayed(self.receiver, "::1") as relay:
            names = _DUAL_STACK % (RECEIVER, SENDER)
            one, two = self.receiver.ports.control, self.sender.ports.control
            client = Client(
                [sys.executable, "-c", names],
                ["-a", "0.1", "-c", f"one:{one}", "-s", f"two:{two}", "-t", "2"],
            )
            self.assertTrue(until(lambda: relay.events, 10), "nobody came by IPv6")
            self.assertTrue(until(lambda: len(relay.events) == 2, 2), "kept while the test runs")
            ran = client.wait()
        self.assertEqual(ran.status, 0, ran.report)
        self.assertEqual(relay.events, ["opened", "closed"])
