"""One test as its client sees it: tester, moment, start, results. Source: clients.md 6, 7."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random
from typing import Any

from twisted.internet.task import deferLater

from bwctl.control import timing
from bwctl.control.negotiation import Agreed, Ask, Backoff, Failed, Negotiation, Requests
from bwctl.control.session import Stopped
from bwctl.control.versions import unsupported
from bwctl.errors import AcceptType
from bwctl.interfaces import ITester
from bwctl.net.client import ControlClient
from bwctl.net.collecting import Collector
from bwctl.net.failures import SessionFailure, denied, unfit
from bwctl.net.pair import OpenEnd, Pair, Surroundings
from bwctl.results import EndResult, TestResult
from bwctl.values import (
    NEVER,
    NTP_MAX,
    ErrorEstimate,
    IPAddress,
    NTPTime,
    Role,
    TestSpec,
    ToolID,
    kind_of,
    seconds,
    single_tools,
    ticks,
    tool_name,
)
from bwctl.verdict import has_figures

_LEAD_S = 2  # before this an idle daemon offers no start: its padding is at least 1.5 s


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
    tester_port: int = 0  # of the tester's server where it has no daemon; 0: the tester's own
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
        self._requests: Requests | None = None
        self._collector: Collector | None = None
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
            protocol_version=end.client.version,
            clock=end.clock,
        )

    async def run(self) -> TestResult:
        """The whole test.

        Raises:
            SessionFailure: it came to nothing; `result` says how far it came. Reservations are
                given back.
        """
        spec = self._choose()
        chosen = self._chosen
        self._update(spec=spec, tester=chosen.name, results_role=chosen.results_role(spec))
        try:
            agreed = await self._negotiate(spec)
            await self._start(agreed)
        except SessionFailure:
            await self._cancel()
            raise
        await self._wait(spec, agreed)
        await self._collect(spec, agreed)
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
        reasons: dict[str, list[str]] = {}
        for tester in self._candidates(common):
            spec = self._spec(tester)
            problems = tester.problems(spec) + self._too_old(spec)
            if not problems:
                self._tester = tester
                self._warn(tester, spec)
                return spec
            reasons[tester.name] = problems
        if reasons:
            raise unfit(reasons)
        raise self._none_in_common(common)

    def _common(self) -> ToolID:
        return self._pair.receiver.opened.tools & self._pair.sender.opened.tools

    def _candidates(self, common: ToolID) -> list[ITester]:
        known = {tester.tool_id: tester for tester in self._around.testers.values()}
        return [known[tool] for tool in self._wish.tools if tool & common and tool in known]

    def _spec(self, tester: ITester) -> TestSpec:
        client, server = self._ends[Role.CLIENT].address, self._ends[Role.SERVER].address
        spec = self._wish.spec(tester, client, server)
        alone = not self._ends[Role.SERVER].has_daemon
        return replace(spec, no_server_endpoint=True) if alone else spec

    def _too_old(self, spec: TestSpec) -> list[str]:
        return [
            f"{end.wish.name} is too old for {feature}"
            for end in self._ends.values()
            for feature in unsupported(spec, end.client.version)
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
        wanted = ", ".join(map(self._name, self._wish.tools))
        text = (
            f"no wanted tester ({wanted}) at both ends: {pair.receiver.wish.name} has "
            f"{self._names(pair.receiver.opened.tools)}, {pair.sender.wish.name} has "
            f"{self._names(pair.sender.opened.tools)}"
        )
        kinds = set(map(kind_of, self._wish.tools))
        known = [one for one in self._around.testers.values() if one.tool_id & common]
        fit = ",".join(one.name for one in known if kind_of(one.tool_id) in kinds)
        hint = f"-T {fit} would do" if fit else "install one of them at both ends"
        return SessionFailure("no_tester", text, hint)

    def _names(self, tools: ToolID) -> str:
        """Those of a mask, also of testers that are not known here."""
        return ", ".join(map(self._name, single_tools(tools))) or "none"

    def _name(self, tool: ToolID) -> str:
        """As the tester of that bit has it, be it plugged in or not."""
        testers = self._around.testers.values()
        found = (tester.name for tester in testers if tester.tool_id == tool)
        return next(found, tool_name(tool))

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
        if latest > NTP_MAX:
            text = f"the clock of {self._ends[Role.SERVER].wish.name} is at the end of its range"
            raise SessionFailure("clock", text, "it is wrong by years")
        self._update(requested_start=first, latest_start=latest)
        port = self._wish.tester_port or self._chosen.default_port
        backoff = Backoff(seconds(sum(self._rtts())), Random())  # noqa: S311 - no secret
        negotiation = self._negotiation = Negotiation(first, latest, port, backoff)
        requests = self._requests = Requests(spec, latest, self._errors())
        step: Ask | Agreed | Failed = negotiation.ask
        while isinstance(step, Ask):
            if step.pause:
                await deferLater(self._around.reactor, step.pause)
            reply = await self._ends[step.role].client.request(requests.request(step))
            step = negotiation.answer(reply)
        if isinstance(step, Failed):
            raise self._refused(step)
        self._update(sid=step.sid, reserved_start=step.start, tester_port=step.tool_port or None)
        return step

    def _errors(self) -> dict[Role, ErrorEstimate]:
        """How far each daemon's clock may be off."""
        readings = {role: end.remote for role, end in self._ends.items()}
        return {role: one.error for role, one in readings.items() if one is not None}

    def _refused(self, failed: Failed) -> SessionFailure:
        name = self._ends[failed.role].wish.name
        if failed.accept is AcceptType.REJECT and failed.start:
            return self._busy(name, failed.start)
        if failed.accept is AcceptType.REJECT:
            return self._denied(failed.role)
        if failed.accept is AcceptType.UNSUPPORTED:
            text = f"{name} does not support this test with {self._chosen.name}"
            return SessionFailure("unsupported", text, "its log names the option")
        return SessionFailure("protocol", f"{name}: {failed.reason}", "see its log")

    def _denied(self, role: Role) -> SessionFailure:
        clock, alone = self._ends[role].clock, not self._ends[Role.SERVER].has_daemon
        synchronised = clock is None or clock.error.synchronised
        return denied(self._ends[role].wish.name, synchronised=synchronised, alone=alone)

    def _busy(self, name: str, start: NTPTime) -> SessionFailure:
        late = seconds(start - (self.result.latest_start or NEVER))
        needed = int(self._wish.latest + late) + 1
        text = f"{name} is busy: its first free time is {late:.0f} s after the latest start"
        if self._wish.latest < _LEAD_S and needed <= 2 * _LEAD_S:
            text = f"{name} has no time slot so soon; even an idle daemon needs about {_LEAD_S} s"
        return SessionFailure("busy", text, f"-L {needed} would allow it")

    async def _cancel(self) -> None:
        """Give back what is held, the client role's first; a daemon that is gone holds nothing."""
        if self._negotiation is None or self._requests is None:
            return
        for role in (Role.CLIENT, Role.SERVER):
            client = self._ends[role].client
            if role not in self._negotiation.held or not client.holds_reservation:
                continue
            cancellation = self._requests.cancellation(role, self._negotiation.sid)
            try:
                answer = await client.request(cancellation)
            except SessionFailure:
                continue  # the connection is gone, and with it what it held
            if answer.accept is AcceptType.ACCEPT:
                client.close()  # it does not know how to cancel; this frees it all the same

    async def _start(self, agreed: Agreed) -> None:
        peer_port, protected = 0, all(end.over_tls for end in self._ends.values())
        for role in (Role.SERVER, Role.CLIENT):
            end = self._ends[role]
            ack = await end.client.start(peer_port, protected)
            if ack.accept is not AcceptType.ACCEPT:
                text = f"{end.wish.name} could not start its end of the test"
                raise SessionFailure("test_failed", text, "its log tells why")
            if role is Role.SERVER:
                peer_port = ack.peer_port
                self._update(peer_port=peer_port or None)

    # -- the test and its results ----------------------------------------------------------------

    def interrupt(self) -> bool:
        """Cut a started test short, for what there is; False: it has not started."""
        if self._collector is None:
            return False
        self._collector.hurry()
        return True

    def rate(self) -> float | None:
        """Bits per second of the last interval that the tester at our own end has told of."""
        spec, output = self.result.spec, self._pair.held.output
        role = next((role for role, end in self._ends.items() if end.private), None)
        if spec is None or role is None or not output:
            return None
        intervals = self._chosen.parse(output, spec, role).intervals
        rate = intervals[-1].get("bits_per_second") if intervals else None
        return rate if isinstance(rate, float) else None

    async def _wait(self, spec: TestSpec, agreed: Agreed) -> None:
        """Until one end is done, or both should be."""
        daemons = {role: end.client for role, end in self._ends.items()}
        clients = {
            role: client for role, client in daemons.items() if isinstance(client, ControlClient)
        }
        timers = self._around.timers
        self._collector = Collector(clients, timers)
        due = timing.results_due(agreed.start, ticks(spec.seconds), max(self._rtts()))
        until_start = seconds(agreed.start - self._now())
        self._wish.on_step(Step.WAITING, until_start)
        running = timers.after(until_start, self._wish.on_step, Step.RUNNING, float(spec.seconds))
        try:
            await self._collector.wait(seconds(due - self._now()))
        finally:
            running.cancel()

    async def _collect(self, spec: TestSpec, agreed: Agreed) -> None:
        """Both ends' results; one end's are kept though the other's are lost."""
        assert self._collector is not None, "the test was waited for"
        self._wish.on_step(Step.COLLECTING, 0.0)
        begun = self._now() >= agreed.start
        results = await self._collector.results()
        ends = {role: one for role, one in results.items() if isinstance(one, Stopped)}
        lost = [one for one in results.values() if not isinstance(one, Stopped)]
        interrupted = self._collector.hurried
        for role, result in ends.items() if begun or not interrupted else ():
            self._keep(role, result, spec)
        self._update(finished=self._now())
        if interrupted:
            measured = has_figures(self.result)
            partial = "the results are partial" if measured else "there are no results"
            text = f"interrupted{f'; {partial}' if begun and ends else ''}; nothing is left behind"
            raise SessionFailure("interrupted", text)
        told = [one.accept for one in ends.values()]
        # An end that failed says more than the other's silence, unless that came first; one that
        # was cut short does not.
        if lost and (self._collector.lost_first or AcceptType.FAILURE not in told):
            raise lost[0]

    def _keep(self, role: Role, stop: Stopped, spec: TestSpec) -> None:
        side = "receiver" if self._ends[role] is self._pair.receiver else "sender"
        end: EndResult = getattr(self.result, side)
        report = self._chosen.parse(stop.output, spec, role)
        first = self._collector is not None and self._collector.order[:1] == [role]
        kept = replace(end, status=stop.accept, raw=stop.output, report=report, ended_first=first)
        self._update(**{side: kept})
