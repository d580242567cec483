"""Tests whose tester runs at one end alone, between two real daemons: ping and the traces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from bwctl.api import at, run_test
from bwctl.errors import AcceptType
from bwctl.results import ExitStatus, TestResult
from bwctl.values import ToolID, ticks
from tests.support.daemons import Daemon, running, start_ours, until
from tests.support.faulty import Faulty
from tests.support.raw import KEY, opened, request
from tests.support.testers import need, need_ipv6

ONE, TWO = "127.0.0.90", "127.0.0.91"  # receiver, sender
QUICK = {"packet_count": 3, "packet_spacing_ms": 200}
TRACES = ("traceroute", "tracepath", "paris-traceroute")
HANGS = '{tool} "$@"; exec sleep 60'


class EndToEndTestCase(TestCase):
    timeout = 120.0

    @contextmanager
    def daemons(self, *addresses: str, options: str = "") -> Iterator[tuple[Daemon, ...]]:
        with running(*(start_ours(address, options) for address in addresses)) as started:
            yield started
            for daemon in started:
                daemon.assert_idle()

    async def run_one(
        self, daemons: tuple[Daemon, ...], tester: str, *, secret: bool = False, **words: Any
    ) -> TestResult:
        """One test from the second daemon to the first."""
        who = {"user": "testuser", "key": KEY, "encrypted": True} if secret else {}
        ends = [at(daemon.address, daemon.ports.control, **who) for daemon in daemons]
        return await run_test(reactor, *ends, testers=[tester], **{"duration": 5, **words})

    def check(self, result: TestResult) -> None:
        """It went well, and the sender alone has run something."""
        self.assertIsNone(result.failure, result)
        for end in (result.receiver, result.sender):
            self.assertEqual(end.status, AcceptType.ACCEPT)
        assert result.spec is not None and result.receiver.role is not None
        idle = f"bwctl: nothing to exec for {_name(result)} {result.receiver.role.value}\n"
        self.assertEqual(result.receiver.raw.decode(), idle)
        self.assertNotIn(b"bwctl:", result.sender.raw)
        if result.spec.tool is ToolID.PING:
            self.check_ping(result)
        else:
            self.check_trace(result)

    def check_ping(self, result: TestResult) -> None:
        summary = result.summary
        self.assertEqual((summary["sent"], summary["received"], summary["lost"]), (3, 3, 0))
        self.assertLessEqual(summary["rtt_ms"]["min"], summary["rtt_ms"]["max"])
        assert result.sender.report is not None
        self.assertEqual([one["seq"] for one in result.sender.report.intervals], [1, 2, 3])

    def check_trace(self, result: TestResult) -> None:
        self.assertTrue(result.summary["reached"])
        (hop,) = result.summary["hops"]
        self.assertEqual(hop["n"], 1)
        for probe in hop["probes"]:
            self.assertEqual(probe["addr"], str(result.receiver.address))


def _name(result: TestResult) -> str:
    assert result.sender.report is not None
    return result.sender.report.tool


class EndToEndTests(EndToEndTestCase):
    def setUp(self) -> None:
        need("ping", "traceroute", "tracepath")

    async def test_ipv4(self) -> None:
        """In either role of the sender, in the open mode."""
        with self.daemons(ONE, TWO) as both:
            for reverse in (False, True):
                self.check(await self.run_one(both, "ping", reverse=reverse, **QUICK))
                for tester in TRACES[:2]:
                    self.check(await self.run_one(both, tester, reverse=reverse))

    async def test_ipv6(self) -> None:
        """With keys, both daemons on one address, either role."""
        need_ipv6()
        with self.daemons("::1", "::1", options="auth_mode E\n") as both:
            self.check(await self.run_one(both, "ping", secret=True, **QUICK))
            for tester in TRACES[:2]:
                self.check(await self.run_one(both, tester, secret=True, reverse=True))

    async def test_paris_traceroute(self) -> None:
        """Both families."""
        need("paris-traceroute")
        need_ipv6()
        for one, two in ((ONE, TWO), ("::1", "::1")):
            with self.daemons(one, two) as both:
                self.check(await self.run_one(both, "paris-traceroute"))

    async def test_options(self) -> None:
        """What is asked for reaches the program; what means nothing to it is told."""
        with self.daemons(ONE, TWO) as both:
            result = await self.run_one(
                both, "ping", packet_size=100, ttl=9, verbose=True, parallel=2, **QUICK
            )
            line = b"exec_line: ping -c 3 -i 0.200000 -W 1 -s 100 -t 9 -I 127.0.0.91 127.0.0.90\n"
            self.assertIn(line, result.sender.raw)
            self.assertIn(b"108 bytes from", result.sender.raw)
            self.assertRegex(result.sender.tester_version or "", "^iputils ")
            self.assertIsNone(result.receiver.tester_version)
            self.assertEqual(result.warnings, ("ping takes no notice of parallel",))
            result = await self.run_one(both, "traceroute", output_format="x")
            assert result.failure is not None
            self.assertEqual(result.failure.exit_status, ExitStatus.UNSUPPORTED)
            self.assertIn("traceroute has no format 'x' (-y), only a", result.failure.message)

    async def test_hooks(self) -> None:
        """The hooks of both daemons hear of the test, also where nothing ran."""
        place = Path(self.mktemp()).absolute()
        place.mkdir(parents=True)
        hook = place / "hook"
        hook.write_text(
            f'#!/bin/sh\n[ "$1" = --validate ] && echo "Status: OK" || cat >{place}/$$.told\n',
            encoding="ascii",
        )
        hook.chmod(0o755)

        def told() -> list[str]:
            return [path.read_text() for path in place.glob("*.told")]

        with self.daemons(ONE, TWO, options=f"post_hook {hook}\n") as both:
            self.check(await self.run_one(both, "ping", **QUICK))
            self.assertTrue(until(lambda: len(told()) == 2, 10))
            self.assertTrue(until(lambda: all(t.endswith("</SEND_OUTPUT>\n") for t in told()), 10))
            texts = told()
        self.assertEqual(sorted("is_host_sender: YES" in text for text in texts), [False, True])
        for text in texts:
            self.assertIn("tool: ping\n", text)
            self.assertIn("3 packets transmitted, 3 received", text)


class ShortOfTimeTests(EndToEndTestCase):
    """Testers that do not end by themselves."""

    def setUp(self) -> None:
        need("ping", "traceroute")

    async def run_hanging(self, tester: str, **words: Any) -> TestResult:
        """A test whose sender prints its result and then goes on for ever."""
        faulty = Faulty(tester)
        self.addCleanup(faulty.remove)
        with self.daemons(ONE, TWO, options=faulty.option) as both:
            faulty.does(HANGS)
            return await self.run_one(both, tester, **{"duration": 1, **words})

    async def test_trace(self) -> None:
        """The duration is the longest that a trace may run: what it has found is a result."""
        result = await self.run_hanging("traceroute")
        self.assertIsNone(result.failure)
        self.check_trace(result)
        self.assertIn(b"did not complete in allocated time frame", result.sender.raw)
        self.assertEqual(result.sender.status, AcceptType.ACCEPT)

    async def test_ping(self) -> None:
        """A ping that takes longer than it can has failed; its figures are there all the same."""
        result = await self.run_hanging("ping", **QUICK)
        assert result.failure is not None
        self.assertEqual(result.failure.exit_status, ExitStatus.TEST_FAILED)
        self.assertIn("did not complete in allocated time frame", result.failure.message)
        self.check_ping(result)


class SharingTests(SynchronousTestCase):
    """Who may test while somebody else does. Source: daemon.md 4.6."""

    def test_kinds(self) -> None:
        """Latency and trace tests share time with each other, never with a throughput test."""
        need("ping", "traceroute")
        with running(start_ours(ONE)) as (daemon,):
            port = daemon.ports.control
            pings = [opened(ONE, port) for _ in range(3)]
            now = pings[0].time().time + ticks(10)
            shared = {"tool": ToolID.PING, "packet_count": 3, "packet_spacing_ms": 200}
            traced = {"tool": ToolID.TRACEROUTE}
            whole = {"tool": ToolID.THRULAY}
            starts = [
                client.ask(request(now, server=ONE, duration=5, **words)).start
                for client, words in zip(pings, (shared, shared, traced), strict=True)
            ]
            self.assertEqual(starts, [now] * 3)
            with opened(ONE, port) as first, opened(ONE, port) as second:
                one = first.ask(request(now, server=ONE, duration=5, **whole)).start
                two = second.ask(request(now, server=ONE, duration=5, **whole)).start
                self.assertGreater(one, now + ticks(5))
                self.assertGreater(two, one + ticks(5))
                with opened(ONE, port) as late:
                    beside = late.ask(request(one, server=ONE, duration=5, **shared)).start
                    self.assertGreater(beside, two + ticks(5))
            for client in pings:
                client.socket.close()
