"""One test as its client sees it: tester, moment, start, results. Source: clients.md 6, 7."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from bwctl.control import timing
from bwctl.control.negotiation import Agreed, Ask, Failed, Negotiation
from bwctl.control.session import Stopped
from bwctl.control.versions import unsupported
from bwctl.errors import AcceptType
from bwctl.interfaces import ITester
from bwctl.net.failures import SessionFailure
from bwctl.net.once import Once, settled
from bwctl.net.pair import OpenEnd, Pair, Surroundings
from bwctl.results import EndResult, TestResult
from bwctl.values import NEVER, NO_SID, IPAddress, NTPTime, Role, TestSpec, ToolID, seconds, ticks
from bwctl.wire.request import TestRequest


class Step(Enum):
    """What a test is at."""

    NEGOTIATING = "negotiating"
    WAITING = "waiting"
    RUNNING = "running"
    COLLECTING = "collecting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A test as the user wants it, before a tester is chosen.

    `spec` makes the TestSpec for a tester, the address of its client and that of its server.
    `tools` are tried in order; a tester that cannot do the test is passed over.
    """

    spec: Callable[[ITester, IPAddress, IPAddress], TestSpec]
    tools: Sequence[ToolID]
    flip: bool = False
    latest: float = 600.0  # seconds that the start may move
    on_step: Callable[[Step, float], None] = field(default=lambda step, delay: None)
    """Called at each step; `delay`: seconds until the step ends, 0 if not known."""


class Conductor:
    """Runs one test over two open connections; `result` holds what is known so far."""

    def __init__(self, around: Surroundings, pair: Pair, wish: Wish) -> None:
        server, client = pair.receiver, pair.sender
        if wish.flip:
            server, client = client, server
        self._ends = {Role.SERVER: server, Role.CLIENT: client}
        self._around = around
        self._wish = wish
        self._pair = pair
        self._tester: ITester | None = None
        self._negotiation: Negotiation | None = None
        self._requests: dict[Role, TestRequest] = {}
        self._order: list[Role] = []  # in which the results came
        self.result = TestResult(
            receiver=self._describe(pair.receiver), sender=self._describe(pair.sender)
        )

    def _describe(self, end: OpenEnd) -> EndResult:
        role = Role.SERVER if end is self._ends[Role.SERVER] else Role.CLIENT
        return EndResult(
            host=end.wish.host or str(end.address),
            role=role,
            address=end.address,
            port=None if end.private else end.wish.port,
            protocol_version=end.client.session.version,
            clock=end.clock,
        )

    async def run(self) -> TestResult:
        """The whole test.

        Raises:
            SessionFailure: it came to nothing; `result` says how far it came. Reservations are
                given back.
        """
        spec = self._choose()
        self._update(spec=spec, results_role=self._chosen.results_role(spec))
        try:
            agreed = await self._negotiate(spec)
            await self._start(agreed)
        except SessionFailure:
            await self._cancel()
            raise
        await self._wait(spec, agreed)
        await self._collect(spec)
        return self.result

    @property
    def _chosen(self) -> ITester:
        assert self._tester is not None, "no tester has been chosen yet"
        return self._tester

    def _update(self, **changes: Any) -> None:
        self.result = replace(self.result, **changes)

    # -- the tester ------------------------------------------------------------------------------

    def _choose(self) -> TestSpec:
        """The first wanted tester that both ends have and that can do the test."""
        common = self._common()
        reasons: list[str] = []
        for tester in self._candidates(common):
            spec = self._spec(tester)
            problems = tester.problems(spec) + self._too_old(spec)
            if not problems:
                self._tester = tester
                self._warn(tester, spec)
                return spec
            reasons.append(f"{tester.name}: {'; '.join(problems)}")
        if reasons:
            text = "no tester can do this test (" + ", ".join(reasons) + ")"
            raise SessionFailure("unsupported", text, "change the options named, or -T")
        raise self._none_in_common(common)

    def _common(self) -> ToolID:
        return self._pair.receiver.opened.tools & self._pair.sender.opened.tools

    def _candidates(self, common: ToolID) -> list[ITester]:
        known = {tester.tool_id: tester for tester in self._around.testers.values()}
        return [known[tool] for tool in self._wish.tools if tool & common and tool in known]

    def _spec(self, tester: ITester) -> TestSpec:
        client, server = self._ends[Role.CLIENT].address, self._ends[Role.SERVER].address
        return self._wish.spec(tester, client, server)

    def _too_old(self, spec: TestSpec) -> list[str]:
        return [
            f"{end.wish.name} is too old for {feature}"
            for end in self._ends.values()
            for feature in unsupported(spec, end.client.session.version)
        ]

    def _warn(self, tester: ITester, spec: TestSpec) -> None:
        notes = list(self._pair.notes)
        ignored = tester.ignored(spec)
        if ignored:
            notes.append(f"{tester.name} takes no notice of {', '.join(ignored)}")
            self._around.note(notes[-1])
        self._update(warnings=tuple(notes))

    def _none_in_common(self, common: ToolID) -> SessionFailure:
        pair = self._pair
        wanted = _names(self._wish.tools)
        text = (
            f"no wanted tester ({wanted}) at both ends: {pair.receiver.wish.name} has "
            f"{_names(pair.receiver.opened.tools)}, {pair.sender.wish.name} has "
            f"{_names(pair.sender.opened.tools)}"
        )
        hint = f"-T {_names(common)} would do" if common else "install one of them at both ends"
        return SessionFailure("no_tester", text, hint)

    # -- the moment ------------------------------------------------------------------------------

    def _now(self) -> NTPTime:
        """The server daemon's time now: our own clock may be wrong without harm."""
        server = self._ends[Role.SERVER]
        assert server.remote is not None, "its clock was read when it was opened"
        return NTPTime(server.remote.time + ticks(self._around.clock.mono() - server.read_at))

    def _rtts(self) -> list[int]:
        return [ticks(end.rtt) for end in self._ends.values()]

    async def _negotiate(self, spec: TestSpec) -> Agreed:
        self._wish.on_step(Step.NEGOTIATING, 0.0)
        first = timing.first_time(self._now(), sum(self._rtts()))
        latest = NTPTime(first + ticks(self._wish.latest))
        self._update(requested_start=first, latest_start=latest)
        negotiation = self._negotiation = Negotiation(first, latest, self._chosen.default_port)
        step: Ask | Agreed | Failed = negotiation.ask
        while isinstance(step, Ask):
            request = self._request(spec, step, latest)
            self._requests[step.role] = request
            reply = await self._ends[step.role].client.request(request)
            step = negotiation.answer(reply)
        if isinstance(step, Failed):
            raise self._refused(step)
        self._update(sid=step.sid, reserved_start=step.start)
        return step

    def _request(self, spec: TestSpec, ask: Ask, latest: NTPTime) -> TestRequest:
        other = self._ends[ask.role.other]
        assert other.remote is not None, "its clock was read when it was opened"
        return TestRequest(
            role=ask.role,
            time=ask.time,
            latest=latest,
            error=other.remote.error,
            spec=spec,
            tool_port=ask.tool_port,
            sid=ask.sid,
        )

    def _refused(self, failed: Failed) -> SessionFailure:
        name = self._ends[failed.role].wish.name
        if failed.accept is AcceptType.REJECT and failed.start:
            return self._busy(name, failed.start)
        if failed.accept is AcceptType.REJECT:
            hint = "its limits forbid it, or its clock is not synchronised; its log tells which"
            return SessionFailure("denied", f"{name} denied the test", hint)
        if failed.accept is AcceptType.UNSUPPORTED:
            text = f"{name} does not support this test with {self._chosen.name}"
            return SessionFailure("unsupported", text, "its log names the option")
        return SessionFailure("protocol", f"{name}: {failed.reason}", "see its log")

    def _busy(self, name: str, start: NTPTime) -> SessionFailure:
        late = seconds(start - (self.result.latest_start or NEVER))
        needed = int(self._wish.latest + late) + 1
        text = f"{name} is busy: its first free time is {late:.0f} s after the latest start"
        return SessionFailure("busy", text, f"-L {needed} would allow it")

    async def _cancel(self) -> None:
        """Give back what is held, the client role's first; a daemon that is gone holds nothing."""
        held = self._negotiation.held if self._negotiation else frozenset()
        for role in (Role.CLIENT, Role.SERVER):
            client = self._ends[role].client
            if role not in held or not client.session.holds_reservation:
                continue
            sid = self._negotiation.sid if self._negotiation else NO_SID
            request = replace(self._requests[role], time=NEVER, latest=NEVER, sid=sid)
            try:
                answer = await client.request(request)
            except SessionFailure:
                continue  # the connection is gone, and with it what it held
            if answer.accept is AcceptType.ACCEPT:
                client.close()  # it does not know how to cancel; this frees it all the same

    async def _start(self, agreed: Agreed) -> None:
        peer_port = 0
        for role in (Role.SERVER, Role.CLIENT):
            end = self._ends[role]
            ack = await end.client.start(peer_port)
            if ack.accept is not AcceptType.ACCEPT:
                text = f"{end.wish.name} could not start its end of the test"
                raise SessionFailure("test_failed", text, "its log tells why")
            peer_port = ack.peer_port

    # -- the test and its results ----------------------------------------------------------------

    async def _wait(self, spec: TestSpec, agreed: Agreed) -> None:
        """Until one end is done, or both should be."""
        clients = [end.client for end in self._ends.values()]
        done: Once[None] = Once()
        for client in clients:
            client.stopped.wait().addCallback(lambda _: done.fire(None))
            client.lost.wait().addCallback(lambda _: done.fire(None))
        due = timing.results_due(agreed.start, ticks(spec.seconds), max(self._rtts()))
        timers = self._around.timers
        until_start = seconds(agreed.start - self._now())
        self._wish.on_step(Step.WAITING, until_start)
        pending = [
            timers.after(until_start, self._wish.on_step, Step.RUNNING, float(spec.seconds)),
            timers.after(seconds(due - self._now()), done.fire, None),
        ]
        try:
            await done.wait()
        finally:
            for timer in pending:
                timer.cancel()

    async def _collect(self, spec: TestSpec) -> None:
        """Both ends' results; one end's are kept though the other's are lost."""
        self._wish.on_step(Step.COLLECTING, 0.0)
        roles = (Role.CLIENT, Role.SERVER)
        accept = AcceptType.REJECT if self._has_failed() else AcceptType.ACCEPT
        results = await settled([self._result(role, accept) for role in roles])
        for role, result in zip(roles, results, strict=True):
            if isinstance(result, Stopped):
                self._keep(role, result, spec)
        self._update(finished=self._now())
        lost = [result for result in results if not isinstance(result, Stopped)]
        told = [result.accept for result in results if isinstance(result, Stopped)]
        # An end that failed says more than the other's silence; one that was cut short does not.
        if lost and AcceptType.FAILURE not in told:
            raise lost[0]

    def _has_failed(self) -> bool:
        """Whether an end has said already that its test is no result."""
        stops = [end.client.stopped.value for end in self._ends.values()]
        return any(stop is not None and stop.accept is not AcceptType.ACCEPT for stop in stops)

    async def _result(self, role: Role, accept: AcceptType) -> Stopped:
        stop = await self._ends[role].client.stop(accept)
        self._order.append(role)
        return stop

    def _keep(self, role: Role, stop: Stopped, spec: TestSpec) -> None:
        side = "receiver" if self._ends[role] is self._pair.receiver else "sender"
        end: EndResult = getattr(self.result, side)
        report = self._chosen.parse(stop.output, spec, role)
        first = self._order[:1] == [role]
        kept = replace(end, status=stop.accept, raw=stop.output, report=report, ended_first=first)
        self._update(**{side: kept})


def _names(tools: Any) -> str:
    names = (str(tool.name).lower().replace("_", "-") for tool in ToolID if tool in tools)
    return ", ".join(names) or "none"
