"""The embedded tester against C thrulay 0.9, TCP and UDP, each in both roles."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from unittest import SkipTest

from tests.embedded.programs import PATIENCE_S, ProgramTestCase, facts, free_port
from tests.embedded.test_pair import has_ipv6

C_BIN = os.environ.get("THRULAY_C_BIN", "")
NO_C = "" if C_BIN else "THRULAY_C_BIN does not name the directory of C's thrulay and thrulayd"
RATE = "20000000"  # bit/s


class ThrulayTestCase(ProgramTestCase):
    def setUp(self) -> None:
        if NO_C:
            raise SkipTest(NO_C)

    def c_server(self, *words: str) -> str:
        """A C server; its port. It can only listen at every address, and lets loopback in."""
        port = str(free_port())
        process = subprocess.Popen(
            [f"{C_BIN}/thrulayd", "-d", "-a", "127.0.0.1", "-p", port, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                    return port
            time.sleep(0.02)
        raise AssertionError("C's server does not listen")

    def c_client(self, *words: str) -> str:
        """Run C's client to its end; its output. Its exit status says nothing."""
        ran = subprocess.run(
            [f"{C_BIN}/thrulay", *words], capture_output=True, text=True, timeout=PATIENCE_S
        )
        self.assertEqual((ran.returncode, ran.stderr), (0, ""), ran.stdout)
        return ran.stdout


class AgainstServerTests(ThrulayTestCase):
    """Our client, C's server."""

    def test_tcp(self) -> None:
        """One stream and three; every echo is checked."""
        port = self.c_server()
        for streams in ("1", "3"):
            words = {"connect": "127.0.0.1", "port": port, "duration": "1", "streams": streams}
            status, output, errors = self.finish(self.program("client", **words))
            self.assertEqual((status, errors), (0, ""))
            found = facts(output)
            self.assertGreater(found["bytes"], 1_000_000)
            self.assertEqual(len(found["per_stream"]), int(streams))
            self.assertGreater(found["rtt_us"]["min"], 0)

    def test_udp(self) -> None:
        """The report of a verbose and of a terse server is understood."""
        for words in (["-v"], []):
            options = {"connect": "127.0.0.1", "port": self.c_server(*words), "rate": RATE}
            status, output, errors = self.finish(self.program("client", duration="1", **options))
            self.assertEqual((status, errors), (0, ""), output)
            found = facts(output)
            self.assertEqual(found["packets"], 1666)
            self.assertGreater(found["received"], 1000)  # a busy host may lose some
            self.assertGreater(found["delay_us"]["p50"], 0)


class AgainstClientTests(ThrulayTestCase):
    """C's client, our server."""

    def check_tcp(self, address: str, streams: int) -> None:
        process, port = self.server(bind=address, streams=str(streams), duration="1")
        output = self.c_client("-t1", f"-m{streams}", "-p", str(port), address)
        total = float(output.splitlines()[-1].split()[3])
        status, text, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""), text)
        found = facts(text)
        self.assertGreater(total, 10)
        self.assertAlmostEqual(found["bits_per_second"] / 1e6 / total, 1, delta=0.1)

    def check_udp(self, address: str) -> None:
        process, port = self.server(bind=address, protocol="udp", duration="1", rate=RATE)
        output = self.c_client("-t1", "-u20M", "-p", str(port), address)
        status, text, errors = self.finish(process)
        self.assertEqual((status, errors), (0, ""), text)
        found = facts(text)
        self.assertEqual(found["packets"], 1666)
        self.assertGreater(found["received"], 1000)
        self.assertEqual(found["strangers"], 0)
        self.assertIn(f"Server received {found['received']} unique packets\n", output)
        self.assertTrue(re.search(r"^Delay:\t\t \d+\.\d{3}ms$", output, re.MULTILINE), output)

    def test_tcp(self) -> None:
        self.check_tcp("127.0.0.1", streams=1)
        self.check_tcp("127.0.0.1", streams=3)

    def test_udp(self) -> None:
        self.check_udp("127.0.0.1")

    def test_ipv6(self) -> None:
        if not has_ipv6():
            self.skipTest("no IPv6 on loopback")
        self.check_tcp("::1", streams=1)
        self.check_udp("::1")
