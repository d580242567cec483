"""What a daemon says of itself, and whether tests get through between two ends."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bwctl.interfaces import ITester
from bwctl.net.conductor import Step, Wish
from bwctl.net.failures import SessionFailure, denied_text
from bwctl.net.pair import EndWish, Opener, Surroundings, TLSWish
from bwctl.net.series import Series
from bwctl.results import ClockReading, Failure, TestResult
from bwctl.values import IPAddress, Role, TestSpec, ToolID

TLS_PORT = 4824
PLAIN_PORT = 4823
SECONDS = 1  # of each test

_NO_PEER = re.compile(
    rb"^bwctl: (?:cannot connect to the other end|the other end never came)", re.MULTILINE
)
_NO_TESTER = re.compile(r"connect|refused|timed out|unreachable|no route|listen", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCheck:
    """One daemon as it is seen from here."""

    wish: EndWish
    address: IPAddress | None = None
    version: int | None = None  # of the control protocol
    tools: ToolID = ToolID.NONE
    clock: ClockReading | None = None
    failure: SessionFailure | None = None  # why it could not be asked
    tls: str | None = None  # "ok", or why not; None: was not tried


@dataclass(frozen=True, slots=True, kw_only=True)
class WayCheck:
    """One test of a second, from a sender to a receiver that listens."""

    receiver: EndWish
    sender: EndWish
    tester: str
    result: TestResult

    @property
    def failure(self) -> Failure | None:
        """None: the test went well."""
        return self.result.failure

    @property
    def denied_by(self) -> EndWish | None:
        """The daemon that denied the test."""
        message = self.failure.message if self.failure is not None else ""
        ends = (self.receiver, self.sender)
        return next((end for end in ends if message == denied_text(end.name)), None)

    @property
    def peer_closed(self) -> bool:
        """Whether the daemons did not reach each other: the receiver's peer port is closed."""
        return any(_NO_PEER.search(end.raw) for _, end in self.result.ends())

    @property
    def tester_closed(self) -> bool:
        """Whether it was the tester's own connection that failed."""
        client = self.result.end(Role.CLIENT)
        told = (client.report.error if client and client.report else None) or ""
        failed = self.failure is not None and _NO_TESTER.search(told) is not None
        return failed and not self.peer_closed


class Checkup:
    """Checks hosts, then ways. One thing at a time but for the hosts."""

    def __init__(self, around: Surroundings, trusted: TLSWish) -> None:
        self._around = around
        self._trusted = trusted
        self._series: Series | None = None

    async def host(self, wish: EndWish) -> HostCheck:
        """Ask one daemon, and its TLS port if that is where it usually is."""
        found = await self._ask(wish)
        if wish.tls is not None:
            return replace(found, tls="ok" if found.failure is None else None)
        if wish.port != PLAIN_PORT or found.failure is not None:
            return found
        over_tls = await self._ask(replace(wish, port=TLS_PORT, tls=self._trusted))
        return replace(found, tls=_told(over_tls.failure))

    async def _ask(self, wish: EndWish) -> HostCheck:
        opener = Opener(self._around)
        try:
            end = await opener.open_one(wish)
        except SessionFailure as failure:
            return HostCheck(wish=wish, failure=failure)
        found = HostCheck(
            wish=wish,
            address=end.address,
            version=end.client.version,
            tools=end.opened.tools,
            clock=end.clock,
        )
        opener.held.close()
        await opener.held.gone(self._around.timers)
        return found

    async def way(self, receiver: EndWish, sender: EndWish, tester: ITester) -> WayCheck:
        """Run one short test; the receiver listens."""
        series = self._series = Series(self._around, receiver, sender)
        try:
            result = await series.test(_wish(tester))
        finally:
            series.close()
            await series.gone()
            self._series = None
        return WayCheck(receiver=receiver, sender=sender, tester=tester.name, result=result)

    def close(self) -> None:
        """Give up what is under way."""
        if self._series is not None:
            self._series.close()


def _wish(tester: ITester) -> Wish:
    def spec(chosen: ITester, client: IPAddress, server: IPAddress) -> TestSpec:
        return TestSpec(tool=chosen.tool_id, client=client, server=server, duration=SECONDS)

    return Wish(spec=spec, tools=(tester.tool_id,), latest=60.0, on_step=_nothing)


def _nothing(step: Step, delay: float) -> None:
    """Nobody looks."""


def _told(failure: SessionFailure | None) -> str:
    if failure is None:
        return "ok"
    if failure.code in ("refused", "unreachable"):
        return "not offered"
    return failure.message.partition(": ")[2] or failure.message
