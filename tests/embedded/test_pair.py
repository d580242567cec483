from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from typing import Any

from bwctl.embedded.thrulay import MAX_INTERVAL_LINES, Printer
from tests.embedded.programs import PATIENCE_S, ProgramTestCase, alive, facts, start, until

BOUND = 0.1
"""Client and server may differ by so much in rate; on a busy host they are a few percent apart."""


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class WholeTests(ProgramTestCase):
    """Own client against own server."""

    def outputs(
        self, address: str = "127.0.0.1", client: dict[str, str] | None = None, **both: str
    ) -> tuple[str, str]:
        """Run a test that has to go well; what client and server said."""
        receiver, port = self.server(bind=address, peer=address, **both)
        options = {"connect": address, "port": str(port), **both, **(client or {})}
        sender = self.program("client", **{**options, "bind": address})
        sent, received = self.finish(sender), self.finish(receiver)
        self.assertEqual((sent[0], sent[2]), (0, ""), sent)
        self.assertEqual((received[0], received[2]), (0, ""), received)
        return sent[1], received[1]

    def check(self, sent: dict[str, Any], received: dict[str, Any], seconds: float) -> None:
        """Both ends measured about the same, and their figures fit together."""
        self.assertIsNone(sent["error"])
        self.assertIsNone(received["error"])
        self.assertAlmostEqual(sent["seconds"], seconds, delta=0.3)
        self.assertAlmostEqual(received["seconds"], seconds, delta=0.5)
        self.assertGreater(received["bytes"], 0)
        ratio = sent["bits_per_second"] / received["bits_per_second"]
        self.assertAlmostEqual(ratio, 1, delta=BOUND)
        for found in (sent, received):
            self.assertEqual(found["schema"], "thrulay/1")
            self.assertEqual(sum(i["bytes"] for i in found["intervals"]), found["bytes"])
            self.assertEqual(found["intervals"][0]["start"], 0.0)
            self.assertAlmostEqual(found["intervals"][-1]["end"], found["seconds"], delta=0.1)
            self.assertAlmostEqual(
                found["bits_per_second"] * found["seconds"] / 8 / found["bytes"], 1, places=5
            )
        times = sent["rtt_us"]
        order = [times[name] for name in ("min", "p25", "p50", "p75", "max")]
        self.assertEqual(order, sorted(order))
        self.assertGreater(order[0], 0)

    def test_one_stream(self) -> None:
        """Figures of both ends, in text and for programs, at the default block size."""
        sent, received = self.outputs(duration="2", interval="0.5")
        self.check(facts(sent), facts(received), 2)
        self.assertEqual(facts(sent)["block"], 131072)
        self.assertEqual(facts(sent)["bytes"] % 131072, 0)
        lines = sent.splitlines()
        self.assertEqual(sum(line.startswith(" ( 0)") for line in lines), 4)
        final = lines[-2].split()
        self.assertEqual(final[0], "#(**)")
        self.assertAlmostEqual(float(final[3]) * 1e6, facts(sent)["bits_per_second"], delta=1000)
        self.assertRegex(received, r"(?m)^# TCP test duration = 2\.\d+s, average throughput = ")
        self.assertRegex(received.splitlines()[-2], r"^#\(\*\*\) +0\.000 ")

    def test_three_streams(self) -> None:
        """All streams run at the same time and are reported one by one as well."""
        sent, received = (facts(text) for text in self.outputs(duration="2", streams="3"))
        self.check(sent, received, 2)
        for found in (sent, received):
            self.assertEqual(len(found["per_stream"]), 3)
            self.assertEqual(sum(one["bytes"] for one in found["per_stream"]), found["bytes"])
            self.assertTrue(all(one["bytes"] > 0 for one in found["per_stream"]))

    def test_ipv6(self) -> None:
        if not has_ipv6():
            self.skipTest("no IPv6 on loopback")
        sent, received = (facts(text) for text in self.outputs("::1", duration="1"))
        self.check(sent, received, 1)

    def test_small_blocks(self) -> None:
        """8 KiB blocks and a fixed window: many echoes, each of them checked."""
        client = {"block": "8192"}
        sent, received = map(facts, self.outputs(client=client, duration="1", window="262144"))
        self.check(sent, received, 1)
        self.assertEqual((sent["block"], sent["window_local"]), (8192, 524288))
        self.assertEqual(sent["window_remote"], received["window_local"])

    def test_odd_blocks(self) -> None:
        """The smallest block is all header; an odd one fits no buffer."""
        for block in ("16", "1001"):
            client = {"block": block}
            sent, received = map(facts, self.outputs(client=client, duration="0.5"))
            self.assertEqual((sent["error"], sent["block"]), (None, int(block)))
            self.assertGreater(received["bytes"], 0)

    def test_blocks_larger_than_a_batch(self) -> None:
        """Many streams share what one system call takes; their blocks are sent in parts."""
        for block in ("1048576", "700001"):
            client = {"block": block}
            sent, received = map(facts, self.outputs(client=client, duration="0.5", streams="6"))
            self.assertEqual((sent["error"], sent["block"]), (None, int(block)))
            self.assertEqual(sent["bytes"] % int(block), 0)
            self.assertGreater(received["bytes"], 0)

    def test_omit(self) -> None:
        """The omitted start is not in the figures."""
        sent, received = map(facts, self.outputs(duration="1", omit="0.5"))
        self.check(sent, received, 1)

    def test_very_many_intervals(self) -> None:
        """What is printed for people is bounded."""
        lines: list[str] = []
        printer = Printer(lines.append)
        for _ in range(20_000):
            printer(" ( 0) 1.0")
        printer("#(**) 2.0")
        self.assertEqual(len(lines), MAX_INTERVAL_LINES + 1)
        self.assertIn("left out", lines[-2])

    def test_options_of_the_socket(self) -> None:
        """A TOS octet and a segment size are accepted; the latter can be seen."""
        client = {"tos": "184", "mss": "1400"}
        sent, _ = map(facts, self.outputs(client=client, duration="0.3", interval="0"))
        self.assertLessEqual(sent["mss"], 1400)
        self.assertEqual(sent["intervals"], [])


class EndTests(ProgramTestCase):
    """One end goes away in mid-test: the other ends by itself, with what it has."""

    def pair(self) -> tuple[subprocess.Popen[str], subprocess.Popen[str]]:
        receiver, port = self.server(duration="8", interval="0.1")
        options = {"connect": "127.0.0.1", "port": str(port), "duration": "8", "interval": "0.1"}
        sender = self.program("client", **options)
        assert sender.stdout is not None
        while not sender.stdout.readline().startswith(" ( 0)"):
            continue
        return sender, receiver

    def test_server_killed(self) -> None:
        sender, receiver = self.pair()
        receiver.kill()
        begun = time.monotonic()
        status, output, errors = self.finish(sender)
        self.assertLess(time.monotonic() - begun, 3)
        self.assertEqual(status, 1)
        self.assertTrue(errors.startswith("bwctl: premature end of test: "), errors)
        self.assertGreater(facts(output)["bytes"], 0)

    def test_client_killed(self) -> None:
        sender, receiver = self.pair()
        sender.kill()
        status, output, errors = self.finish(receiver)
        self.assertEqual(status, 1)
        self.assertTrue(errors.startswith("bwctl: the client ended after "), errors)
        self.assertGreater(facts(output)["bytes"], 0)

    def test_client_told_to_stop(self) -> None:
        """TERM ends the client with a report; the server notices."""
        sender, receiver = self.pair()
        sender.terminate()
        status, output, errors = self.finish(sender)
        self.assertEqual((status, errors), (1, "bwctl: stopped by SIGTERM\n"))
        self.assertGreater(facts(output)["bytes"], 0)
        self.assertEqual(self.finish(receiver)[0], 1)


class GuardedTests(ProgramTestCase):
    """The tester below the guard, as the daemon runs it."""

    def test_nothing_is_left(self) -> None:
        """The end of the lifeline ends guard and tester, and frees the port."""
        reader, writer = os.pipe()
        server, port = self.server()
        server.kill()
        server.wait()
        tester = [*server.args, "--streams", "2"]  # type: ignore[misc]
        guard = start(["guard", "--lifeline", str(reader), "--", *tester], pass_fds=[reader])
        os.close(reader)
        assert guard.stdout is not None and guard.stderr is not None
        self.addCleanup(guard.stderr.close)
        self.addCleanup(guard.stdout.close)
        self.assertIn("listening", guard.stdout.readline())
        path = f"/proc/{guard.pid}/task/{guard.pid}/children"
        with open(path) as file:
            [child] = map(int, file.read().split())
        os.close(writer)
        self.assertEqual(guard.wait(PATIENCE_S), -signal.SIGKILL)
        self.assertFalse(alive(child))

        def free() -> bool:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    return False
            return True

        self.assertTrue(until(free))
