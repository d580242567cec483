"""Which testers are here: found out beside everything else, with a time limit for each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from shutil import which
from typing import ClassVar, Final

from twisted.internet.defer import Deferred, gatherResults, race
from twisted.logger import Logger

from bwctl.interfaces import ITester
from bwctl.net.host import Host
from bwctl.net.once import Once
from bwctl.net.process import Ended, TesterProcess
from bwctl.text import sanitise
from bwctl.values import ProbeAnswer

PROBE_TIMEOUT_S = 10.0
_MAX_OUTPUT = 4096
_MOST_SAID = 100  # characters of a probe's output in the log

_PYTHON: Final = (sys.executable, "-I", "-S", "-c", "")
"""Tried for a tester that is built in: all it needs is a Python that this user can run."""


class Probe:
    """Looks for all testers of a host at once; `host.probed` fires when all is known."""

    log: ClassVar[Logger] = Logger()

    def __init__(self, host: Host) -> None:
        self._host = host
        self.running: list[TesterProcess] = []

    def begin(self) -> None:
        """Start; nothing is awaited."""
        looks = [Deferred.fromCoroutine(self._look(one)) for one in self._host.testers.values()]
        gatherResults(looks).addBoth(lambda _: self._known())

    def _known(self) -> None:
        self.log.info(
            "testers known: {testers}",
            testers=", ".join(sorted(self._host.versions)) or "none",
            event="tester.all_known",
        )
        if not self._host.versions:
            self.log.warn("no tester is here: every test will be refused", event="tester.none")
        self._host.probed.fire(None)

    def stop(self) -> None:
        """End the probes that still run."""
        for process in self.running:
            process.kill()

    def ended(self) -> Deferred[list[Ended]]:
        """Fires when no probe runs any more."""
        return gatherResults([process.ended.wait() for process in self.running])

    async def _look(self, tester: ITester) -> None:
        tried = tester.probes(self._host.commands)
        version, why = await (self._version(tester, tried) if tried else self._built_in(tester))
        if version is None:
            self.log.info(
                "no {tester} here: {why}", tester=tester.name, why=why, event="tester.missing"
            )
            return
        self._host.versions[tester.name] = version
        self.log.info(
            "{tester} is here: version {version}{whose}",
            tester=tester.name,
            version=version,
            whose="" if tried else ", built in",
            event="tester.found",
        )

    async def _version(
        self, tester: ITester, commands: Sequence[Sequence[str]]
    ) -> tuple[str | None, str]:
        """The version, from as many probes as it takes to know it; else why there is none."""
        answers: list[ProbeAnswer] = []
        for command in commands:
            answers.append(await self._answer(command))
            version = tester.version(answers)
            if version is not None:
                return version, ""
        return None, _told(commands[-1], answers[-1])

    async def _built_in(self, tester: ITester) -> tuple[str | None, str]:
        """The version of a tester that needs no program but Python."""
        answer = await self._answer(_PYTHON)
        if answer.exit_status != 0:
            return None, _told(_PYTHON, answer)
        return tester.version([]), ""

    async def _answer(self, command: Sequence[str]) -> ProbeAnswer:
        if which(command[0]) is None:  # as nearly always: a guard would find the same
            return ProbeAnswer(None, b"")
        ended = await self._run(command)
        if ended is None or ended.exit_status is None:
            return ProbeAnswer(None, b"")
        return ProbeAnswer(ended.exit_status, ended.output)

    async def _run(self, command: Sequence[str]) -> Ended | None:
        process = TesterProcess(self._host.timers, max_output=_MAX_OUTPUT)
        try:
            process.start(self._host.reactor, command)
        except OSError as error:
            self.log.warn(
                "cannot run {command}: {why}",
                command=command[0],
                why=str(error),
                event="tester.probe_failed",
            )
            return None
        self.running.append(process)
        enough: Once[None] = Once()
        timer = self._host.timers.after(PROBE_TIMEOUT_S, enough.fire, None)
        waits: list[Deferred[object]] = [process.ended.wait(), enough.wait()]  # type: ignore[list-item]
        await race(waits)
        timer.cancel()
        process.kill()
        await process.ended.wait()
        self.running.remove(process)
        return None if enough.fired else process.ended.value


def _told(command: Sequence[str], answer: ProbeAnswer) -> str:
    words = sanitise(" ".join(command))
    if answer.exit_status is None:
        return f"`{words}` does not run or does not end"
    said = sanitise(answer.output).split("\n")[0][:_MOST_SAID]
    return f"`{words}` ended with status {answer.exit_status} and said {said!r}"
