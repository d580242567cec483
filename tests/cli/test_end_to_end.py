"""The client as a user runs it, against real daemons: results, exit statuses, messages."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.exits import ExitStatus
from bwctl.wire.messages import STOP_SESSION
from tests.support.daemons import Daemon, Ran, client_ours, running, start_ours, until
from tests.support.relay import relayed
from tests.support.testers import need

ONE, TWO, RELAY = "127.0.0.4", "127.0.0.5", "127.0.0.171"


class EndToEndTestCase(SynchronousTestCase):
    def bwctl(self, *words: str, status: int = 0, patience_s: float = 60) -> Ran:
        """Run our client; its exit status has to be the one given."""
        ran = client_ours(*words).wait(patience_s)
        self.assertEqual(ran.status, status, ran.report)
        return ran

    @contextmanager
    def pair(self, options: str = "", **texts: str) -> Iterator[tuple[Daemon, Daemon]]:
        with running(start_ours(ONE, options, **texts), start_ours(TWO, options, **texts)) as two:
            yield two[0], two[1]

    @contextmanager
    def single(self, address: str = ONE, options: str = "", **texts: str) -> Iterator[Daemon]:
        with running(start_ours(address, options, **texts)) as one:
            yield one[0]


class ResultTests(EndToEndTestCase):
    def test_json_with_the_embedded_tester(self) -> None:
        """Two daemons, three streams: one JSON object, and nothing else on stdout."""
        with self.pair() as (one, two):
            ran = self.bwctl(
                *("-c", one.node, "-s", two.node, "-T", "thrulay", "-t", "2", "-i", "1"),
                *("-P", "3", "--json"),
            )
        result: dict[str, Any] = json.loads(ran.stdout)
        self.assertEqual(next(iter(result)), "schema")
        self.assertEqual(result["schema"], "bwctl.result/1")
        self.assertNotIn("error", result)
        self.assertGreater(result["summary"]["bits_per_second"], 1e6)
        self.assertGreater(result["receiver"]["report"]["summary"]["bytes"], 1e6)
        self.assertEqual(result["tool"], "thrulay")

    def test_udp_with_the_embedded_tester(self) -> None:
        """Rate, loss, order, delay and jitter; the packets go through ports of the range."""
        with self.pair() as (one, two):
            ran = self.bwctl(
                *("-c", one.node, "-s", two.node, "-T", "thrulay", "-t", "2", "-i", "1"),
                *("-u", "-b", "20M", "-l", "1000", "--json"),
            )
        result: dict[str, Any] = json.loads(ran.stdout)
        summary = result["summary"]
        self.assertEqual((result["tool"], result["parameters"]["protocol"]), ("thrulay", "udp"))
        self.assertEqual(summary["packets"], 5000)
        for name in ("bits_per_second", "sent_bits_per_second"):
            self.assertTrue(8e6 < summary[name] < 24e6, f"{name}: {summary[name]}")
        self.assertLess(summary["loss_percent"], 20)  # a busy host may lose some
        delays = [summary["owd_ms"][name] for name in ("min", "median", "p95", "max")]
        self.assertEqual(delays, sorted(delays))
        self.assertGreater(summary["jitter_ms"], 0)
        low, high = map(int, one.ports.test.split("-"))
        port = int(ran.stdout.partition("listening on port ")[2].split()[0])
        self.assertTrue(low <= port <= high, port)
        self.assertGreaterEqual(len(result["receiver"]["report"]["intervals"]), 2)

    def test_classic_output_with_iperf3(self) -> None:
        """Both ends' text between START and END lines, on stdout alone."""
        need("iperf3")
        with self.pair() as (one, two):
            ran = self.bwctl("-c", one.node, "-s", two.node, "-T", "iperf3", "-t", "2", "-x")
        self.assertTrue(ran.stdout.startswith("\nRECEIVER START\n"), ran.report)
        self.assertIn("\nRECEIVER END\n\nSENDER START\n", ran.stdout)
        self.assertTrue(ran.stdout.endswith("\nSENDER END\n"), ran.report)
        self.assertIn("Server listening", ran.stdout)
        self.assertIn("iperf Done.", ran.stdout)

    def test_no_other_tester_in_common(self) -> None:
        """Without a word about testers the embedded one is there where there is no other."""
        bare = "disable_iperf3\ndisable_iperf\ndisable_nuttcp\n"
        with self.single(options=bare) as one, self.single(TWO) as two:
            ran = self.bwctl("-c", one.node, "-s", two.node, "-t", "1", "--json")
        self.assertEqual(json.loads(ran.stdout)["tool"], "thrulay")

    def test_local_end_without_a_daemon(self) -> None:
        """Either end may be the host of the client, which has no daemon."""
        with self.single() as one:
            for side in ("-c", "-s"):
                ran = self.bwctl(side, one.node, "-T", "thrulay", "-t", "1", "-x")
                self.assertIn("this end runs without one", ran.stderr)
                self.assertIn("SENDER START", ran.stdout)

    def test_one_daemon_both_ends(self) -> None:
        """The first thing that a newcomer tries; over IPv6 too."""
        with self.single() as one:
            self.bwctl("-c", one.node, "-s", one.node, "-T", "thrulay", "-t", "1")
        if not socket.has_ipv6:
            return
        with self.single("::1") as six:
            node = f"[::1]:{six.ports.control}"
            ran = self.bwctl("-c", node, "-s", node, "-T", "thrulay", "-t", "1", "--json")
            self.assertEqual(json.loads(ran.stdout)["receiver"]["address"], "::1")

    def test_repeated_tests_on_one_connection(self) -> None:
        """-n 2 -I makes two tests, and connects once."""
        with self.pair() as (one, two):
            ran = self.bwctl(
                *("-c", one.node, "-s", two.node, "-T", "thrulay", "-t", "1", "-n", "2"),
                *("-I", "6", "--json"),
            )
            self.assertEqual(one.log().count(" connected, user"), 1, one.log())
            self.assertEqual(one.log().count("reservation for"), 2)
        results = [json.loads(line) for line in ran.stdout.splitlines()]
        self.assertEqual([result["test_number"] for result in results], [1, 2])

    def test_both_ends_done_in_one_moment(self) -> None:
        """A client that finds both results at once tells the daemons before it leaves."""
        with self.pair() as (one, two), relayed(one, RELAY) as relay:
            relay.hold(lambda number, octets: number > 0 and octets[0] == STOP_SESSION)
            client = client_ours("-c", relay.node, "-s", two.node, "-T", "thrulay", "-t", "1")
            client.await_word("running")
            client.process.send_signal(signal.SIGSTOP)
            ended = until(lambda: all(" test.ended " in daemon.log() for daemon in (one, two)), 30)
            client.process.send_signal(signal.SIGCONT)
            ran = client.wait()
            self.assertEqual((ended, ran.status), (True, 0), ran.report)
            self.assertTrue(relay.reached.wait(10), ran.report)

    def test_authenticated(self) -> None:
        """A key for one end, by its own words, and for both by -A."""
        with self.pair("auth_mode AE\n") as (one, two):
            words = ("-T", "thrulay", "-t", "1", "-q")
            self.bwctl("-c", one.node, "A", *one.auth, "-s", two.node, "E", *one.auth, *words)
            self.bwctl("-A", "AE", *one.auth, "-c", one.node, "-s", two.node, *words)


class FailureTests(EndToEndTestCase):
    def fails(self, status: ExitStatus, text: str, *words: str) -> Ran:
        """The client ends with a status of its own and a sentence that says what to do."""
        ran = self.bwctl(*words, status=int(status), patience_s=30)
        self.assertIn(text, ran.stderr)
        self.assertNotIn("Traceback", ran.stderr)
        self.assertEqual(ran.stdout, "")
        as_json = self.bwctl(*words, "--json", status=int(status), patience_s=30)
        error = json.loads(as_json.stdout)["error"]
        self.assertEqual((error["code"], error["exit_status"]), (status.code, int(status)))
        return ran

    def test_before_anything_is_sent(self) -> None:
        """A wrong option, an unknown name, a closed port, an unreachable host."""
        self.fails(ExitStatus.USAGE, "-P 300", "-c", ONE, "-P", "300")
        self.fails(ExitStatus.USAGE, "no host", "-t", "5")
        self.fails(ExitStatus.UNRESOLVED, "no-such-host.invalid", "-c", "no-such-host.invalid")
        self.fails(ExitStatus.REFUSED, "is bwctld running there", "-c", f"{ONE}:9")
        self.fails(ExitStatus.UNREACHABLE, "cannot reach", "-c", "255.255.255.255")

    def test_refusals_of_a_daemon(self) -> None:
        """No common mode, a wrong key, a limit, no time, no tester, an option it cannot do."""
        limits = "limit root with duration=5\nassign default root\n"
        with self.pair("auth_mode AE\ndisable_nuttcp\n", limits=limits) as (one, two):
            key = ("AE", *one.auth)
            both = ("-A", *key, "-c", one.node, "-s", two.node)
            self.fails(ExitStatus.AUTHENTICATION, "wants a user and a key", "-c", one.node)
            self.fails(
                ExitStatus.AUTHENTICATION,
                "wrong key",
                *("-c", one.node, "A", "AESKEY", "testuser", self.wrong_keys()),
            )
            self.fails(ExitStatus.DENIED, "denied the test", *both, "-T", "thrulay", "-t", "6")
            self.fails(ExitStatus.BUSY, "so soon", *both, "-T", "thrulay", "-t", "5", "-L", "1")
            ran = self.fails(ExitStatus.NO_TESTER, "no wanted", *both, "-T", "nuttcp", "-t", "1")
            hint = re.search(r"hint: -T (\S+) would do", ran.stderr)
            self.assertIsNotNone(hint, ran.report)
            self.assertIn("thrulay", hint[1].split(",") if hint else "")
            self.assertNotIn("ping", hint[1] if hint else "")
            self.fails(
                ExitStatus.UNSUPPORTED,
                "cannot send from its server",
                *both,
                "-T",
                "thrulay",
                "-o",
                "-t",
                "1",
            )
            one.assert_idle()

    def wrong_keys(self) -> str:
        path = self.mktemp()
        with open(path, "w", encoding="ascii") as keys:
            keys.write("testuser " + "0" * 32 + "\n")
        import os

        return os.path.abspath(path)

    def test_no_daemon_but_something(self) -> None:
        """A port where something else answers is told from a daemon that is silent."""
        with listening(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n" * 3) as port:
            self.fails(ExitStatus.PROTOCOL, "broke the protocol", "-c", f"127.0.0.1:{port}")

    def test_daemon_dies_in_the_test(self) -> None:
        """The end that is left tells what it has; the client says which one was lost."""
        with self.single() as one:
            two = start_ours(TWO)
            self.addCleanup(two.kill)
            client = client_ours("-c", one.node, "-s", two.node, "-T", "thrulay", "-t", "20")
            self.assertTrue(until(two.testers, 20), two.log())
            two.process.send_signal(signal.SIGKILL)
            ran = client.wait(30)
            self.assertEqual(ran.status, ExitStatus.LOST, ran.report)
            self.assertIn(two.node, ran.stderr)
            one.assert_idle()
            two.assert_idle()

    def test_interrupted(self) -> None:
        """Ctrl-C ends both ends at once, and says so."""
        with self.pair() as (one, two):
            client = client_ours("-c", one.node, "-s", two.node, "-T", "thrulay", "-t", "30")
            self.assertTrue(until(two.testers, 20), two.log())
            began = time.monotonic()
            ran = client.end(signal.SIGINT)
            self.assertEqual(ran.status, ExitStatus.INTERRUPTED, ran.report)
            self.assertIn("interrupted", ran.stderr)
            one.assert_idle()
            two.assert_idle()
            self.assertLess(time.monotonic() - began, 8)


@contextmanager
def listening(greeting: bytes) -> Iterator[int]:
    """A port that says something to whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.sendall(greeting)
                    connection.recv(100)

        Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
