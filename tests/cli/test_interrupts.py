"""Signals to the client in every phase, and output that has no place to go."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import sys
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemons import Client, Daemon, Ran, client_ours, run_ours, start_ours, until
from tests.support.faulty import workers
from tests.support.testers import need

ONE, TWO = "127.0.0.86", "127.0.0.87"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CLIENT = "import sys; from bwctl.cli.main import bwctl; sys.exit(bwctl())"
_STARTING = """
import sys, time
from bwctl.cli import main
def run(*arguments):
    print("starting", file=sys.stderr, flush=True)
    time.sleep(20)
main.run = run
sys.exit(main.bwctl())
"""


class InterruptTests(SynchronousTestCase):
    def start(self, address: str) -> Daemon:
        daemon = start_ours(address)
        self.addCleanup(daemon.kill)
        return daemon

    def interrupted(self, client: Client, word: str, number: int, settle_s: float = 0.1) -> Ran:
        """Send a signal once the client has said a word on stderr."""
        client.await_word(word)
        time.sleep(settle_s)
        self.assertIsNone(client.process.poll())
        began = time.monotonic()
        ran = client.end(number)
        self.assertLess(time.monotonic() - began, 5)
        return ran

    def assert_told(self, ran: Ran, sentence: str, as_json: bool = True) -> None:
        """One sentence, one object, exit status 130."""
        self.assertEqual(ran.status, 130, ran.report)
        self.assertEqual(ran.stderr.splitlines()[-1:], [f"bwctl: {sentence}"], ran.report)
        self.assertNotIn("Traceback", ran.stderr)
        if as_json:
            error = json.loads(ran.stdout)["error"]
            self.assertEqual((error["code"], error["message"]), ("interrupted", sentence))
        else:
            self.assertEqual(ran.stdout, "")

    def test_before_and_at_the_start(self) -> None:
        """While the program loads, and while a daemon does not answer; no daemon is needed."""
        for number in SIGNALS:
            client = Client([sys.executable, "-c", _STARTING], ["--json"])
            ran = self.interrupted(client, "starting", number)
            self.assert_told(ran, "interrupted; nothing was sent")
        with socket.create_server((ONE, 0)) as silent, socket.socket() as refusing:
            refusing.bind((TWO, 0))
            ends = [
                f"{host}:{one.getsockname()[1]}" for host, one in ((ONE, silent), (TWO, refusing))
            ]
            for number in SIGNALS:
                client = client_ours("--json", "-a", "0.1", "-s", ends[0])
                ran = self.interrupted(client, "connecting", number)
                self.assert_told(ran, "interrupted; nothing is left behind")
            # One end has failed already when the signal comes: it is the signal that counts.
            client = client_ours("-n", "5", "-a", "0.1", "-c", ends[1], "-s", ends[0])
            ran = self.interrupted(client, "connecting", signal.SIGTERM, 0.5)
            self.assert_told(ran, "interrupted; nothing is left behind", as_json=False)

    def test_nothing_measured(self) -> None:
        """A tester that says nothing when it is stopped leaves no partial results."""
        need("nuttcp")
        one, two = self.start(ONE), self.start(TWO)
        client = client_ours("-T", "nuttcp", "-c", one.node, "-s", two.node, "-t", "20", "--json")
        ran = self.interrupted(client, "running", signal.SIGINT, settle_s=1.5)
        self.assert_told(ran, "interrupted; there are no results; nothing is left behind")

    def test_in_a_test(self) -> None:
        """While it waits for its slot, runs, and collects: nothing is left at the daemons."""
        one, two = self.start(ONE), self.start(TWO)
        ends = ("-a", "0.1", "-T", "thrulay", "-c", one.node, "-s", two.node)
        told = "interrupted; nothing is left behind"
        partial = "interrupted; the results are partial; nothing is left behind"
        for phase, number, sentence in (
            *(("waiting", number, told) for number in SIGNALS),
            ("running", signal.SIGTERM, partial),
            ("running", signal.SIGINT, partial),
        ):
            client = client_ours("--json", *ends, "-t", "20", "-i", "1", "-n", "3", "--streaming")
            settle_s = 1.5 if sentence == partial else 0.1
            ran = self.interrupted(client, phase, number, settle_s)
            self.assert_told(ran, sentence)
            moved = json.loads(ran.stdout).get("summary", {}).get("bytes", 0)
            self.assertEqual(moved > 0, sentence == partial, ran.report)
            one.assert_idle()
            two.assert_idle()

        # The sender's daemon says nothing any more.
        client = client_ours(*ends, "-t", "1")
        client.await_word("running")
        two.process.send_signal(signal.SIGSTOP)
        try:
            ran = self.interrupted(client, "collecting", signal.SIGHUP)
        finally:
            two.process.send_signal(signal.SIGCONT)
        self.assertEqual(ran.status, 130, ran.report)
        # The receiver's results may have come before the signal.
        said = partial if "RECEIVER START" in ran.stdout else told
        self.assertEqual(ran.stderr.splitlines()[-1:], [f"bwctl: {said}"], ran.report)

        # What nohup ignores stays ignored.
        command = f"trap '' HUP; exec {shlex.quote(sys.executable)} -c '{_CLIENT}' \"$@\""
        client = Client(["sh", "-c", command, "sh"], [*ends, "-t", "20"])
        client.await_word("waiting")
        client.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        ran = self.interrupted(client, "running", signal.SIGINT, settle_s=1.5)
        self.assertEqual(ran.status, 130, ran.report)
        self.assertIn(partial, ran.stderr)
        self.assertIn("SENDER START", ran.stdout)

        self.places_for_output(ends)
        for daemon in (one, two):
            self.assertTrue(until(lambda d=daemon: not workers(d, ""), 5))
            daemon.stop()

    def test_nobody_answers(self) -> None:
        """With an end of its own and a daemon that hangs, a client leaves when told again."""
        one = self.start(ONE)
        for signals in (2, 3):
            client = client_ours("-T", "thrulay", "-s", one.node, "-t", "20")
            client.await_word("running")
            time.sleep(1.0)
            one.process.send_signal(signal.SIGSTOP)
            try:
                for _ in range(signals - 1):
                    client.process.send_signal(signal.SIGINT)
                    time.sleep(0.3)
                ran = self.interrupted(client, "collecting", signal.SIGINT)
            finally:
                one.process.send_signal(signal.SIGCONT)
            self.assertEqual(ran.status, 130, ran.report)
            self.assertNotRegex(ran.stderr, "Traceback|Unhandled|defect")
            self.assertTrue(until(lambda: not workers(one, ""), 20))
            one.assert_idle()

    def places_for_output(self, ends: tuple[str, ...]) -> None:
        """A closed stdout, a directory that is not there."""
        client = client_ours(*ends, "-t", "1", "-n", "2", "--streaming")
        assert client.process.stdout is not None
        client.process.stdout.close()
        ran = client.wait()
        self.assertEqual(ran.status, 130, ran.report)
        self.assertNotRegex(ran.stderr, "Traceback|Exception|defect")

        ran = run_ours("-p", "-d", "/nonexistent/place", *ends)
        self.assertEqual(ran.status, 2, ran.report)
        self.assertIn("-d /nonexistent/place: no directory", ran.stderr)
        self.assertNotIn("connecting", ran.stderr)
