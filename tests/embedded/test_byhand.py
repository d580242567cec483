from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from typing import Any
from unittest import TestCase

from tests.embedded.programs import PATIENCE_S, free_port
from tests.embedded.test_pair import has_ipv6

PROGRAM = [sys.executable, "-m", "bwctl.testers.thrulay"]


class ByHandTestCase(TestCase):
    def start(self, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            self.addCleanup(stream.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def run_program(self, *words: str) -> tuple[int, str, str]:
        process = self.start(*words)
        output, errors = process.communicate(timeout=PATIENCE_S)
        return process.returncode, output, errors

    def server(self, *words: str, address: str = "127.0.0.1") -> subprocess.Popen[str]:
        """A server that listens at `self.port`."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.port = str(free_port(family))
        process = self.start("server", "-B", address, "-p", self.port, *words)
        assert process.stdout is not None
        self.assertIn("listening on", process.stdout.readline())
        return process

    def client(self, *words: str, address: str = "127.0.0.1") -> dict[str, Any]:
        """A client's result, of a test that has to go well."""
        words = (address, "-p", self.port, "-t", "0.3", *words)
        status, output, errors = self.run_program("client", *words, "--json")
        self.assertEqual((status, errors), (0, ""), output)
        [line] = output.splitlines()
        found: dict[str, Any] = json.loads(line)
        self.assertEqual((next(iter(found)), found["error"]), ("schema", None))
        return found

    def stop(self, process: subprocess.Popen[str], number: int = signal.SIGINT) -> list[str]:
        """Tell a server to stop; its lines."""
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE_S)
        self.assertEqual((process.returncode, errors), (0, ""))
        return output.splitlines()


class HelpTests(ByHandTestCase):
    """What a person finds out without reading."""

    def test_help(self) -> None:
        for words in (["-h"], ["client", "--help"], ["server", "--help"]):
            status, output, errors = self.run_program(*words)
            self.assertEqual((status, errors), (0, ""))
            self.assertIn("usage: python -m bwctl.testers.thrulay", output)

    def test_mistakes(self) -> None:
        """One sentence on standard error, and status 2."""
        for words, sentence in (
            ([], "the following arguments are required: server|client"),
            (["client"], "the following arguments are required: HOST"),
            (["client", "::1", "-b", "1M"], "-b is the rate of UDP (-u)"),
            (["client", "::1", "-u", "-P", "2"], "a UDP test has one stream"),
            (["client", "::1", "-u", "-O", "2"], "nothing of a UDP test can be omitted"),
            (["client", "::1", "-P", "300"], "--streams 300 is not in 0 .. 255"),
            (["client", "::1", "-u", "-b", "fast"], "-b/--bandwidth: invalid rate value: 'fast'"),
            (["client", "nowhere.invalid"], "'nowhere.invalid' has no usable address: "),
            (["server", "-B", "nowhere.invalid"], "'nowhere.invalid' has no usable address: "),
        ):
            status, output, errors = self.run_program(*words)
            self.assertEqual((status, output), (2, ""), msg=str(words))
            self.assertIn(sentence, errors.splitlines()[-1])
            self.assertNotIn("Traceback", errors)

    def test_nobody_there(self) -> None:
        port = str(free_port())
        status, _, errors = self.run_program("client", "127.0.0.1", "-p", port)
        self.assertEqual(
            (status, errors), (1, f"thrulay: 127.0.0.1 port {port}: Connection refused\n")
        )

    def test_port_taken(self) -> None:
        self.server()
        status, output, errors = self.run_program("server", "-B", "127.0.0.1", "-p", self.port)
        self.assertEqual((status, output), (1, ""))
        self.assertEqual(errors, f"thrulay: port {self.port}: Address already in use\n")


class ServingTests(ByHandTestCase):
    """A server serves one test after the other, of any kind and size."""

    def test_several_tests(self) -> None:
        """TCP with one stream and with three, UDP, then INT ends it well."""
        process = self.server()
        self.assertEqual(self.client()["protocol"], "tcp")
        self.assertEqual(len(self.client("-P", "3", "-l", "8k")["per_stream"]), 3)
        found = self.client("-u", "-b", "4M", "-l", "500", "--periodic")
        self.assertEqual((found["protocol"], found["schedule"]), ("udp", "periodic"))
        self.assertEqual((found["packets"], found["packet_size"]), (300, 500))
        lines = self.stop(process)
        self.assertEqual(sum("TCP test duration" in line for line in lines), 4, lines)
        self.assertEqual(sum("#(**)" in line for line in lines), 3, lines)

    def test_once(self) -> None:
        """-1 ends it after a test; as JSON it prints that test and nothing else."""
        self.port = str(free_port())
        process = self.start("server", "-1", "-B", "127.0.0.1", "-p", self.port, "--json")
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(self.port))) == 0:
                    break
        self.client("-u", "-b", "2M")
        output, errors = process.communicate(timeout=PATIENCE_S)
        self.assertEqual((process.returncode, errors), (0, ""))
        [line] = output.splitlines()
        found = json.loads(line)
        self.assertEqual((found["role"], found["protocol"]), ("server", "udp"))

    def test_ipv6(self) -> None:
        """A name or address of either family."""
        if not has_ipv6():
            self.skipTest("no IPv6 on loopback")
        process = self.server(address="::1")
        self.assertGreater(self.client(address="::1")["bytes"], 0)
        self.assertEqual(self.client("-u", "-6", address="::1")["lost"], 0)
        self.stop(process, signal.SIGTERM)

    def test_name(self) -> None:
        """All addresses of a name are tried: this server has just one of localhost's."""
        process = self.server()
        self.assertGreater(self.client(address="localhost")["bytes"], 0)
        self.stop(process)

    @property
    def refusal(self) -> str:
        """What a client says before the server's reason."""
        return f"thrulay: 127.0.0.1 port {self.port}: server said: "

    def test_only(self) -> None:
        """--tcp refuses UDP, and --allow everybody else."""
        process = self.server("--tcp")
        words = ("client", "127.0.0.1", "-p", self.port, "-t", "0.3")
        status, _, errors = self.run_program(*words, "-u")
        self.assertEqual((status, errors), (1, f"{self.refusal}no UDP test of this kind\n"))
        self.client()
        self.stop(process)
        process = self.server("-a", "127.0.0.2")
        words = ("client", "127.0.0.1", "-p", self.port, "-t", "0.3")
        status, _, errors = self.run_program(*words)
        self.assertEqual((status, errors), (1, f"{self.refusal}not expected\n"))
        self.client("-B", "127.0.0.2")
        self.stop(process)

    def test_after_a_flood(self) -> None:
        """Connections without sense in great number: the next test is served all the same."""
        process = self.server()
        for _ in range(400):
            with socket.create_connection(("127.0.0.1", int(self.port)), PATIENCE_S):
                pass
        self.assertGreater(self.client()["bytes"], 0)
        self.assertLess(len(self.stop(process)), 400)
