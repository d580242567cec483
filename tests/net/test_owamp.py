"""owamp between two real daemons, where its programs are."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.task import LoopingCall

from bwctl.errors import AcceptType
from bwctl.results import TestResult
from tests.net.test_one_ended import ONE, TWO, EndToEndTestCase
from tests.support.daemons import Daemon, until
from tests.support.testers import need

PACKETS = {"packet_count": 5, "packet_spacing_ms": 100, "duration": 6}
TRIES = 3  # on a host with much to do owping may come too late to send anything


class OwampTests(EndToEndTestCase):
    def setUp(self) -> None:
        need("owping", "owampd")

    async def run_owamp(self, both: tuple[Daemon, ...], **words: object) -> TestResult:
        """A test that went well."""
        for _ in range(TRIES):
            result = await self.run_one(both, "owamp", **PACKETS, **words)
            if result.failure is None:
                break
        self.assertIsNone(result.failure, result)
        for end in (result.receiver, result.sender):
            self.assertEqual(end.status, AcceptType.ACCEPT)
            self.assertNotIn(b"bwctl: ", end.raw)
        self.assertEqual((result.summary["sent"], result.summary["received"]), (5, 5))
        self.assertLessEqual(result.summary["owd_ms"]["min"], result.summary["owd_ms"]["max"])
        return result

    async def test_formats(self) -> None:
        """Text for people, for programs, and packet by packet."""
        with self.daemons(ONE, TWO) as both:
            await self.run_owamp(both)
            machine = await self.run_owamp(both, output_format="M")
            counts = machine.summary["histogram"]["counts"]
            self.assertEqual(sum(counts.values()), 5)
            raw = await self.run_owamp(both, output_format="R")
            assert raw.sender.report is not None
            self.assertEqual([one["seq"] for one in raw.sender.report.intervals], [0, 1, 2, 3, 4])

    async def test_flip(self) -> None:
        """The other way round owampd sends, and owping at the receiver has the results."""
        with self.daemons(ONE, TWO) as both:
            result = await self.run_owamp(both, reverse=True, output_format="R")
            self.assertIsNot(result.receiver.report, None)
            self.assertIn(b"owampd: exited.", result.sender.raw)

    async def test_private_directory(self) -> None:
        """Each program has a directory for itself while it runs, and nothing is left of it."""
        with self.daemons(ONE, TWO) as both:
            seen: set[int] = set()
            watch = LoopingCall(lambda: seen.update(_modes(both)))
            watch.start(0.1).addErrback(self.fail)
            await self.run_owamp(both)
            watch.stop()
            self.assertEqual(seen, {0o700})
            self.assertTrue(until(lambda: not list(_modes(both)), 5))


def _modes(daemons: tuple[Daemon, ...]) -> Iterator[int]:
    """Of the private directories that there are below the daemons' TMPDIR."""
    for daemon in daemons:
        for path in daemon.run_directory.glob("bwctl-*"):
            try:
                yield path.stat().st_mode & 0o777
            except FileNotFoundError:  # just now
                continue
