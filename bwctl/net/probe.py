"""Which testers are here: found out beside everything else, with a time limit for each."""

from __future__ import annotations

from shutil import which
from typing import ClassVar

from twisted.internet.defer import Deferred, gatherResults, race
from twisted.logger import Logger

from bwctl.interfaces import ITester
from bwctl.net.host import Host
from bwctl.net.once import Once
from bwctl.net.process import Ended, TesterProcess
from bwctl.values import ProbeAnswer

PROBE_TIMEOUT_S = 10.0
_MAX_OUTPUT = 4096
_log = Logger()


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
        self._host.probed.fire(None)

    def stop(self) -> None:
        """End the probes that still run."""
        for process in self.running:
            process.kill()

    def ended(self) -> Deferred[list[Ended]]:
        """Fires when no probe runs any more."""
        return gatherResults([process.ended.wait() for process in self.running])

    async def _look(self, tester: ITester) -> None:
        version = await self._version(tester)
        if version is None:
            self.log.info("no {tester} here", tester=tester.name, event="tester.missing")
            return
        self._host.versions[tester.name] = version
        self.log.info(
            "{tester} is here: {version}",
            tester=tester.name,
            version=version,
            event="tester.found",
        )

    async def _version(self, tester: ITester) -> str | None:
        """The version, from as many probes as it takes to know it."""
        answers: list[ProbeAnswer] = []
        for command in tester.probes(self._host.commands):
            answers.append(await self._answer(command))
            version = tester.version(answers)
            if version is not None:
                return version
        return None if answers else tester.version(answers)

    async def _answer(self, command: list[str]) -> ProbeAnswer:
        if which(command[0]) is None:  # as nearly always: a guard would find the same
            return ProbeAnswer(None, b"")
        ended = await self._run(command)
        if ended is None or ended.exit_status is None:
            return ProbeAnswer(None, b"")
        return ProbeAnswer(ended.exit_status, ended.output)

    async def _run(self, command: list[str]) -> Ended | None:
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
