"""Post-hooks: programs of the administrator that are told of every test. Source: daemon.md 1.8.

They run one after the other beside everything else, each under the guard of `bwctl.net.process`:
own session, descriptors 0 to 2, an environment of PATH, LC_ALL and the guard's mark, a time limit.
When a hook ends, what it left running is ended too, also what called setsid.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from twisted.internet.defer import Deferred, maybeDeferred, race, succeed
from twisted.logger import Logger

from bwctl.net.hook_input import HookEvent, hook_input
from bwctl.net.hook_process import HookProcess, OutputLines, printable
from bwctl.net.once import Once
from bwctl.net.process import Ended
from bwctl.net.timers import Timers
from bwctl.values import IPAddress

HOOK_TIMEOUT_S = 60.0
VALIDATION_TIMEOUT_S = 10.0
RESOLVE_TIMEOUT_S = 5.0
MAX_WAITING = 100  # events
MAX_WAITING_OCTETS = 64 * 1024 * 1024  # of outputs that wait
VALID = b"Status: OK"  # what a valid hook's output begins with, as in C

Resolve = Callable[[IPAddress], "str | Deferred[str]"]


class HookRunner:
    """Runs all hooks for each event, in order of submission and of the configuration file.

    `hooks` may be replaced while it runs; each event takes those of its start.

    Args:
        hooks: programs, absolute or found through PATH.
        timeout: seconds that one run of one hook may take.
        resolve: gives the name of a host, soon or later; without it there are addresses.
        max_waiting, max_waiting_octets: beyond these the oldest events that wait are dropped,
            but never the last one.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        reactor: Any,
        timers: Timers,
        hooks: Iterable[str],
        *,
        timeout: float = HOOK_TIMEOUT_S,
        validation_timeout: float = VALIDATION_TIMEOUT_S,
        resolve: Resolve | None = None,
        max_waiting: int = MAX_WAITING,
        max_waiting_octets: int = MAX_WAITING_OCTETS,
    ) -> None:
        self.hooks: Sequence[str] = tuple(hooks)
        self.dropped = 0  # events that no hook was told of
        self._reactor = reactor
        self._timers = timers
        self._timeout = timeout
        self._validation_timeout = validation_timeout
        self._resolve = resolve
        self._max_waiting = max_waiting
        self._max_octets = max_waiting_octets
        self._waiting: deque[HookEvent] = deque()
        self._octets = 0
        self._running: set[HookProcess] = set()
        self._idle: Once[None] | None = None  # there while events are worked on
        self._stopped: Once[None] = Once()

    # -- commands --------------------------------------------------------------------------------

    def validate(self) -> Deferred[list[str]]:
        """Ask each hook whether it can work here; sentences, none if all can."""
        return Deferred.fromCoroutine(self._validate())

    def submit(self, event: HookEvent) -> None:
        """A test is over; nothing is awaited."""
        if not self.hooks or self._stopped.fired:
            return
        self._waiting.append(event)
        self._octets += event.size
        self._drop_oldest()
        if self._idle is None:
            self._idle = Once()
            Deferred.fromCoroutine(self._work(self._idle)).addErrback(self._broken)

    def idle(self) -> Deferred[None]:
        """Fires when no event waits and no hook runs for one."""
        return succeed(None) if self._idle is None else self._idle.wait()

    def stop(self) -> Deferred[None]:
        """End what runs, forget what waits; fires when no process of any hook is left."""
        self._stopped.fire(None)
        if self._waiting:
            self.log.warn(
                "stopping: no post-hook is told of {count} tests",
                count=len(self._waiting),
                event="hook.forgotten",
            )
        while self._waiting:
            self._forget_oldest()
        for process in tuple(self._running):
            process.end("the daemon stops")
        return Deferred.fromCoroutine(self._all_ended())

    async def _all_ended(self) -> None:
        while self._running:
            await next(iter(self._running)).ended.wait()
        await self.idle()

    # -- the queue -------------------------------------------------------------------------------

    def _drop_oldest(self) -> None:
        while len(self._waiting) > 1 and (
            len(self._waiting) > self._max_waiting or self._octets > self._max_octets
        ):
            event = self._forget_oldest()
            self.log.warn(
                "post-hooks are too slow: they are not told of test {sid} ({dropped} so far)",
                sid=event.sid.hex(),
                dropped=self.dropped,
                event="hook.dropped",
            )

    def _forget_oldest(self) -> HookEvent:
        self.dropped += 1
        return self._take_oldest()

    def _take_oldest(self) -> HookEvent:
        event = self._waiting.popleft()
        self._octets -= event.size
        return event

    async def _work(self, idle: Once[None]) -> None:
        while self._waiting:
            event = self._take_oldest()
            try:
                await self._tell_all(event)
            except Exception:  # one test's trouble is not the next one's
                self.log.failure("post-hooks failed", sid=event.sid.hex(), event="hook.broken")
        self._idle = None
        idle.fire(None)

    def _broken(self, failure: Any) -> None:
        self.log.failure("the queue of post-hooks failed", failure=failure, event="hook.broken")

    # -- one event -------------------------------------------------------------------------------

    async def _tell_all(self, event: HookEvent) -> None:
        hooks = self.hooks
        names = await self._names(event)
        for hook in hooks:
            if not self._stopped.fired:
                await self._tell(hook, event, names)

    async def _tell(self, hook: str, event: HookEvent, names: dict[IPAddress, str]) -> None:
        sid = event.sid.hex()

        def say(line: str) -> None:
            self.log.info(
                "post-hook {hook}: {line}", hook=hook, line=line, sid=sid, event="hook.output"
            )

        lines = OutputLines(say)
        pieces = hook_input(event, lambda address: names.get(address, str(address)))
        process = HookProcess(self._timers, pieces, lines.take)
        began = self._timers.clock.mono()
        try:
            ended = await self._run(process, [hook], self._timeout)
        except OSError as error:
            self._not_run(hook, sid, error)
            return
        lines.close()
        self._log_end(hook, sid, ended, process, lines, self._timers.clock.mono() - began)

    async def _run(self, process: HookProcess, command: list[str], limit: float) -> Ended:
        """Start a process and see it end, by itself or not.

        Raises:
            OSError: no process or descriptor is to be had.
        """
        process.start(self._reactor, command)
        self._running.add(process)
        process.ended.wait().addCallback(lambda _: self._running.discard(process))
        timer = self._timers.after(limit, process.end, f"no end after {limit:g} s")
        try:
            return await process.ended.wait()
        finally:
            timer.cancel()
            process.end("nobody waits for it any more")  # does nothing if it has ended

    def _not_run(self, hook: str, sid: str, error: OSError) -> None:
        self.log.error(
            "post-hook {hook} cannot be started: {reason}",
            hook=hook,
            sid=sid,
            reason=error.strerror,
            event="hook.not_run",
        )

    def _log_end(
        self,
        hook: str,
        sid: str,
        ended: Ended,
        process: HookProcess,
        lines: OutputLines,
        took: float,
    ) -> None:
        well = ended.clean and process.reason is None
        write = self.log.info if well else self.log.warn
        write(
            "post-hook {hook} ended with {how} after {took:.1f} s{remarks}",
            hook=hook,
            sid=sid,
            how=_how(ended),
            exit_status=ended.exit_status,
            signal=ended.signal,
            took=took,
            reason=process.reason,
            input_complete=process.complete,
            output_cut=lines.cut,
            remarks=_remarks(process, lines),
            event="hook.ended",
        )

    # -- names -----------------------------------------------------------------------------------

    async def _names(self, event: HookEvent) -> dict[IPAddress, str]:
        if self._resolve is None:
            return {}
        addresses = {event.client, event.spec.client, event.spec.server}
        enough: Once[None] = Once()
        timer = self._timers.after(RESOLVE_TIMEOUT_S, enough.fire, None)
        names: dict[IPAddress, str] = {}
        for address in addresses:
            found = maybeDeferred(self._resolve, address).addErrback(lambda _: None)
            waits: list[Deferred[Any]] = [found, enough.wait(), self._stopped.wait()]
            index, name = await race(waits)
            if index == 0 and isinstance(name, str):
                names[address] = name
        timer.cancel()
        return names

    # -- validation ------------------------------------------------------------------------------

    async def _validate(self) -> list[str]:
        problems = [(hook, await self._problem(hook)) for hook in self.hooks]
        return [f"post_hook {hook}: {problem}" for hook, problem in problems if problem]

    async def _problem(self, hook: str) -> str | None:
        """Why a hook is not valid."""
        if self._stopped.fired:
            return "not asked: the daemon stops"
        said = {1: b"", 2: b""}

        def take(stream: int, data: bytes) -> None:
            said[stream] = (said[stream] + data)[:4096]

        process = HookProcess(self._timers, (), take)
        try:
            ended = await self._run(process, [hook, "--validate"], self._validation_timeout)
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        if process.reason is not None:
            return f"--validate: {process.reason}"
        if not ended.clean:
            return f"--validate ended with {_how(ended)}: {_first_line(said[2] or said[1])}"
        if not said[1].startswith(VALID):
            return f"--validate said {_first_line(said[1])!r}, not {VALID.decode()!r}"
        return None


def _how(ended: Ended) -> str:
    if ended.exit_status is not None:
        return f"status {ended.exit_status}"
    return f"signal {ended.signal}"


def _remarks(process: HookProcess, lines: OutputLines) -> str:
    remarks = [
        process.reason and f"stopped: {process.reason}",
        lines.cut and f"of {lines.octets} octets of its output only the first are logged",
        not process.complete and "it did not read all its input",
    ]
    return "".join(f"; {remark}" for remark in remarks if remark)


def _first_line(octets: bytes) -> str:
    return printable(octets.lstrip().partition(b"\n")[0]) or "nothing"
