"""-E: tests against a host that has no daemon, as a user makes them."""

from __future__ import annotations

import json
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.exits import ExitStatus
from tests.support.daemons import LIMITS, Ran, client_ours, running, start_ours
from tests.support.testers import need

DAEMON, BARE = "127.0.0.45", "127.0.0.46"
ALLOWED = LIMITS.replace("allow_tcp=on", "allow_tcp=on, allow_no_endpoint=on")


class NoDaemonTests(SynchronousTestCase):
    def bwctl(self, *words: str, status: int = 0) -> Ran:
        ran = client_ours("-a", "0.1", *words).wait(60)
        self.assertEqual(ran.status, status, ran.report)
        self.assertNotIn("Traceback", ran.stderr)
        return ran

    def serve(self, port: int) -> None:
        """A server of iperf3 that somebody has started by hand."""
        process = subprocess.Popen(
            ["iperf3", "-s", "-1", "-B", BARE, "-p", str(port)], stdout=subprocess.DEVNULL
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def test_either_direction(self) -> None:
        """The daemon sends to the bare host, and with -o gets from it."""
        need("iperf3")
        with running(start_ours(DAEMON, limits=ALLOWED)) as (daemon,):
            port = daemon.ports.first + 49
            words = ("-E", "--tester_port", str(port), "-T", "iperf3", "-t", "1", "--json")
            bare = f"{BARE}:{daemon.ports.first + 48}"
            for ends in (
                ("-s", daemon.node, "-c", bare),
                ("-c", daemon.node, "-s", bare, "-o"),
            ):
                self.serve(port)
                ran = self.bwctl(*ends, *words)
                self.assertIn(f"no daemon at {bare}", ran.stderr)
                result = json.loads(ran.stdout)
                self.assertGreater(result["summary"]["bits_per_second"], 1e6)
                self.assertTrue(result["parameters"]["no_server_endpoint"])
                without = result["sender" if "-o" in ends else "receiver"]
                self.assertEqual((without["daemon"], without["address"]), (False, BARE))
                self.assertNotIn("clock", without)

    def test_a_daemon_is_used_where_there_is_one(self) -> None:
        """-E spares the daemon of an end, it does not forbid it."""
        with running(start_ours(DAEMON), start_ours(BARE)) as (one, two):
            ends = ("-s", one.node, "-c", two.node)
            ran = self.bwctl(*ends, "-E", "-T", "thrulay", "-t", "1", "--json")
            result = json.loads(ran.stdout)
            self.assertNotIn("no_server_endpoint", result["parameters"])
            self.assertIn("port", result["receiver"])

    def test_failures(self) -> None:
        """Nobody at the other end, a daemon that forbids it, an end that cannot be spared."""
        need("iperf3")
        with running(start_ours(DAEMON)) as (daemon,):
            closed = daemon.ports.first + 47
            bare = f"{BARE}:{closed}"
            words = ("-E", "--tester_port", str(closed), "-T", "iperf3", "-t", "1")
            ran = self.bwctl("-s", daemon.node, "-c", bare, *words, status=ExitStatus.DENIED)
            self.assertIn("denied the test", ran.stderr)
            self.assertIn("allow_no_endpoint, which -E needs", ran.stderr)
            self.assertIn("allow_no_endpoint", daemon.log())
            ran = self.bwctl("-c", daemon.node, "-s", bare, *words, status=ExitStatus.REFUSED)
            self.assertIn("no daemon listens", ran.stderr)
        with running(start_ours(DAEMON, limits=ALLOWED)) as (daemon,):
            ran = self.bwctl("-s", daemon.node, "-c", bare, *words, status=ExitStatus.TEST_FAILED)
            self.assertIn("refused", ran.stderr)
            where = f"{bare.partition(':')[0]}, port {closed}"
            self.assertIn(f"`iperf3 -s` has to run at {where}", ran.stderr)
