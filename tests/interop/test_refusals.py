"""Refusals between our programs and C's: the client is told, and nothing stays reserved."""

from __future__ import annotations

from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.exits import ExitStatus
from tests.support.daemons import NO_C, Daemon, Ran, run_c, run_ours, running, start
from tests.support.testers import need

RECEIVER, SENDER = "127.0.0.57", "127.0.0.58"
NARROW = """\
limit root with duration=1, bandwidth=0, allow_udp=off, allow_tcp=on, allow_open_mode=on
assign default root
"""


class RefusalTests(SynchronousTestCase):
    """The receiver's daemon wants a key, the sender's allows one second of TCP."""

    def setUp(self) -> None:
        if NO_C:
            raise SkipTest(NO_C)
        need("iperf3")

    def words(self, receiver: Daemon, sender: Daemon, *auth: str, duration: int = 1) -> list[str]:
        ends = ["-c", receiver.node, *auth, "-s", sender.node]
        return ["-a", "0.1", "-T", "iperf3", "-t", str(duration), *ends]

    def wrong_key(self, receiver: Daemon) -> tuple[str, ...]:
        """Authentication words with another key."""
        _, user, _ = receiver.auth
        path = Path(self.mktemp())
        path.write_text(f"{user} {'00' * 16}\n")
        return ("E", "AESKEY", user, str(path.absolute()))

    def test_our_client(self) -> None:
        """C's daemons refuse; each reason has an exit status of its own."""
        with running(start("C", RECEIVER, "auth_mode AE\n"), start("C", SENDER, limits=NARROW)) as (
            receiver,
            sender,
        ):
            right = ("E", *receiver.auth)

            def status(*words: str) -> ExitStatus:
                return ExitStatus(run_ours(*words).status)

            refused = self.words(receiver, sender)
            self.assertEqual(status(*refused), ExitStatus.AUTHENTICATION)
            refused = self.words(receiver, sender, *self.wrong_key(receiver))
            self.assertEqual(status(*refused), ExitStatus.AUTHENTICATION)
            refused = self.words(receiver, sender, *right, duration=2)
            self.assertEqual(status(*refused), ExitStatus.DENIED)
            refused = ["-L", "1", *self.words(receiver, sender, *right)]
            self.assertEqual(status(*refused), ExitStatus.BUSY)
            self.assertEqual(status(*self.words(receiver, sender, *right)), ExitStatus.OK)

    def test_c_client(self) -> None:
        """Our daemons refuse; C's client understands, and cancels what the other granted."""
        with running(
            start("ours", RECEIVER, "auth_mode AE\n"), start("ours", SENDER, limits=NARROW)
        ) as (receiver, sender):
            right = ("E", *receiver.auth)

            def told(text: str, *words: str) -> Ran:
                ran = run_c(*words)
                self.assertIn(text, ran.stderr, ran.report)
                return ran

            told(f"Unable to connect to {receiver.node}", *self.words(receiver, sender))
            wrong = self.wrong_key(receiver)
            told(f"Unable to connect to {receiver.node}", *self.words(receiver, sender, *wrong))
            told(f"Denied by {sender.node}", *self.words(receiver, sender, *right, duration=2))
            told("busy", "-L", "1", *self.words(receiver, sender, *right))
            ran = run_c(*self.words(receiver, sender, *right))
            self.assertIn("SENDER END", ran.stdout, ran.report)
