"""Real child processes under their guard: always ended, always reaped, output bounded."""

from __future__ import annotations

import sys
import time
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from bwctl.net.clock import SystemClock
from bwctl.net.process import Ended, TesterProcess
from bwctl.net.timers import Timers
from tests.support.processes import descendants

PYTHON = [sys.executable, "-I", "-S", "-c"]


class TesterProcessTests(TestCase):
    def setUp(self) -> None:
        self.timers = Timers(reactor, SystemClock())  # type: ignore[arg-type]
        self.before = descendants()

    def start(self, program: str, **options: Any) -> TesterProcess:
        process = TesterProcess(self.timers, **options)
        process.start(reactor, [*PYTHON, program])  # type: ignore[arg-type]
        return process

    async def ended(self, process: TesterProcess) -> Ended:
        ended = await process.ended.wait()
        self.assertEqual(descendants() - self.before, set())
        self.assertEqual(len(self.timers), 0)
        return ended

    async def test_output_and_status(self) -> None:
        """Output and errors come in order, with the exit status."""
        process = self.start(
            "import os,sys; os.write(1,b'out\\n'); os.write(2,b'err\\n'); sys.exit(3)"
        )
        ended = await self.ended(process)
        self.assertEqual((ended.exit_status, ended.signal, ended.stopped), (3, None, False))
        self.assertEqual(sorted(ended.output.split()), [b"err", b"out"])
        self.assertFalse(ended.clean)

    async def test_no_input(self) -> None:
        """A tester that reads gets nothing at once."""
        ended = await self.ended(self.start("import sys; print(len(sys.stdin.read()))"))
        self.assertEqual((ended.exit_status, ended.output), (0, b"0\n"))

    async def test_stop_is_gentle_first(self) -> None:
        """TERM comes first, and the tester may still say something."""
        process = self.start(
            "import os,signal,sys\n"
            "def bye(*_): os.write(1, b'bye\\n'); sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, bye)\n"
            "os.write(1, b'ready\\n'); signal.pause()"
        )
        await self.until(process, b"ready")
        process.stop()
        ended = await self.ended(process)
        self.assertEqual((ended.exit_status, ended.stopped), (0, True))
        self.assertIn(b"bye", ended.output)

    async def test_a_tester_that_refuses(self) -> None:
        """A tester that ignores every signal, and its children, are killed in a few seconds."""
        process = self.start(
            "import os,signal,time\n"
            "[signal.signal(s, signal.SIG_IGN) for s in (signal.SIGTERM, signal.SIGINT)]\n"
            "os.fork() or os.setsid()\n"
            "os.write(1, b'ready\\n'); time.sleep(60)"
        )
        await self.until(process, b"ready\nready\n")
        began = time.monotonic()
        process.stop()
        ended = await self.ended(process)
        self.assertEqual((ended.exit_status, ended.stopped), (None, True))
        self.assertLess(time.monotonic() - began, 10)

    async def test_kill_at_once(self) -> None:
        """`kill` does not wait for good manners."""
        process = self.start("import time; print('ready', flush=True); time.sleep(60)")
        await self.until(process, b"ready")
        process.kill()
        process.kill()
        process.stop()
        self.assertTrue((await self.ended(process)).stopped)

    async def test_flood(self) -> None:
        """A flood of output is cut, and does not keep the tester from ending."""
        process = self.start("print('x' * 50_000_000)", max_output=1000)
        ended = await self.ended(process)
        self.assertEqual(ended.exit_status, 0)
        self.assertLess(len(ended.output), 1100)
        self.assertIn(b"bwctl: output cut here", ended.output)

    async def test_no_such_program(self) -> None:
        """A program that is not there is told as such."""
        process = TesterProcess(self.timers)
        process.start(reactor, ["no-such-tester"])  # type: ignore[arg-type]
        ended = await self.ended(process)
        self.assertEqual(ended.exit_status, 127)
        self.assertIn(b"no-such-tester", ended.output)

    async def until(self, process: TesterProcess, text: bytes) -> None:
        from twisted.internet.task import deferLater

        for _ in range(500):
            if text in process.output:
                return
            await deferLater(reactor, 0.02)  # type: ignore[arg-type]
        self.fail(f"{text!r} never came: {process.output!r}")
