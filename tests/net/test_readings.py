"""What is read of testers' outputs, and where."""

from __future__ import annotations

import threading
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from bwctl.interfaces import ITester
from bwctl.net.readings import AT_A_TIME, AT_ONCE, Readings
from bwctl.testers.iperf3 import Iperf3
from bwctl.values import Report, Role, TestSpec
from tests.testers.support import spec

ROW = b"[  5]   0.00-1.00   sec  1.10 GBytes  9.44 Gbits/sec\n"
TOTAL = b"[  5]   0.00-2.00   sec   256 KBytes  1.05 Mbits/sec   receiver\n"
LONG = ROW * (4 * AT_ONCE // len(ROW)) + TOTAL


class Observed:
    """Notes what its parser is given, in which thread, and how many at a time."""

    def __init__(self, fails: bool = False) -> None:
        self.sizes: list[int] = []
        self.threads: list[int] = []
        self.most = 0
        self._fails = fails
        self._now = 0
        self._lock = threading.Lock()

    def parse(self, output: bytes, spec: TestSpec, role: Role) -> Report:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self.sizes.append(len(output))
        self.threads.append(threading.get_ident())
        try:
            if self._fails:
                raise ZeroDivisionError
            return Iperf3().parse(output, spec, role)
        finally:
            with self._lock:
                self._now -= 1


class ReadingTests(TestCase):
    def setUp(self) -> None:
        self.failed: list[str] = []
        self.readings = Readings(reactor, self._fail)

    def _fail(self, tester: ITester, failure: Failure) -> None:
        self.failed.append(failure.type.__name__)

    def test_margins(self) -> None:
        """However long an output is, the reactor parses a bounded part, where the totals are."""
        tester: Any = Observed()
        report = self.readings.margins(tester, LONG, spec(), Role.SERVER)
        assert report is not None
        self.assertEqual(report.summary["bytes"], 256 << 10)
        (size,) = tester.sizes
        self.assertLessEqual(size, AT_ONCE)

    async def test_whole(self) -> None:
        """A short output is read at once; long ones in threads, all of them, a few at a time."""
        tester: Any = Observed()
        short = self.readings.whole(tester, TOTAL, spec(), Role.SERVER)
        self.assertIsNotNone(self.successResultOf(short))
        waiting = [self.readings.whole(tester, LONG, spec(), Role.SERVER) for _ in range(4)]
        for one in waiting:
            self.assertNoResult(one)
        reports = await gatherResults(waiting)
        self.assertEqual([one.summary["bytes"] for one in reports if one], [256 << 10] * 4)
        self.assertEqual(tester.sizes, [len(TOTAL), *[len(LONG)] * 4])
        here = threading.get_ident()
        self.assertEqual([one == here for one in tester.threads], [True, *[False] * 4])
        self.assertLessEqual(tester.most, AT_A_TIME)

    async def test_parser_that_fails(self) -> None:
        """It costs the report, and is told of."""
        tester: Any = Observed(fails=True)
        for output in (TOTAL, LONG):
            self.assertIsNone(await self.readings.whole(tester, output, spec(), Role.SERVER))
        self.assertIsNone(self.readings.margins(tester, LONG, spec(), Role.SERVER))
        self.assertEqual(self.failed, ["ZeroDivisionError"] * 3)
