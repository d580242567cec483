"""Tests from within a program: the caller's reactor in, a `TestResult` out.

    ends = at("receiver.example.net"), at("sender.example.net", user="alice", key=key)
    result = await run_test(reactor, *ends, duration=10, parallel=4)
    if result.failure is None:
        print(result.summary["bits_per_second"])

Nothing here runs, stops or changes the reactor, handles a signal, prints, or ends the process.
See doc/integrating.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred

from bwctl.control.client import Identity
from bwctl.interfaces import IClock, ITester
from bwctl.limits.keys import Key, identity_field
from bwctl.limits.keys import key_from_passphrase as key_from_passphrase
from bwctl.net.clock import SystemClock
from bwctl.net.conductor import Step as Step
from bwctl.net.conductor import Wish
from bwctl.net.pair import EndWish as EndWish
from bwctl.net.pair import Surroundings
from bwctl.net.pair import TLSWish as TLSWish
from bwctl.net.series import Series
from bwctl.net.timers import Timers
from bwctl.results import TestResult as TestResult
from bwctl.testers.registry import BUILT_IN
from bwctl.values import IPAddress, Kind, TestSpec, kind_of
from bwctl.wire.fields import Mode

if TYPE_CHECKING:  # only a program that is an end itself needs it
    from bwctl.net.host import Host

CONTROL_PORT: Final = 4823
TLS_PORT: Final = 4824
HERE: Final = EndWish()
"""The host of the program: its daemon if there is one, else an end that the program runs itself."""

_NOT_YOURS = frozenset({"tool", "client", "server", "server_sends", "no_server_endpoint"})
PARAMETERS: Final = frozenset(one.name for one in fields(TestSpec)) - _NOT_YOURS
"""What describes a test, as keyword arguments: the fields of `TestSpec` that are the caller's."""


def at(
    host: str,
    port: int = 0,
    *,
    user: str = "",
    key: bytes | None = None,
    encrypted: bool = False,
    tls: TLSWish | None = None,
) -> EndWish:
    """A daemon to be one end of a test.

    Args:
        host: name or address.
        port: 0: 4823, or 4824 with `tls`.
        user, key: identity and its key of 16 octets, see `key_from_passphrase`; without them the
            open mode. With them the strongest mode that the daemon offers.
        encrypted: take no other mode than the encrypted one.
        tls: reach its TLS port; `TLSWish()` trusts the issuers that the system trusts.
    Raises:
        ValueError: identity or key cannot be one, or only one of them is given.
    """
    identity = Identity()
    if user or key is not None:
        if not user or key is None:
            raise ValueError("an identity and its key go together")
        modes = Mode.ENCRYPTED if encrypted else Mode.AUTHENTICATED | Mode.ENCRYPTED
        identity = Identity(modes, identity_field(user), Key(key))
    elif encrypted:
        raise ValueError("the encrypted mode needs an identity and its key")
    return EndWish(
        host=host, port=port or (TLS_PORT if tls else CONTROL_PORT), identity=identity, tls=tls
    )


class Tests:
    """Tests between two ends, one at a time, over the same connections while they serve.

    Args:
        reactor: the caller's.
        receiver, sender: from `at`, or HERE for one of them.
        testers: those that may be used.
        clock: in place of the system's.
        sync_fuzz: seconds added to the error of this host's clock, if it is an end.
        ip_version: 4 or 6; 0: the first that both ends have, 6 before 4.
        bind: local address of the control connections.
        note: called with a sentence that a person may want to read.
    """

    __test__ = False

    def __init__(
        self,
        reactor: Any,
        receiver: EndWish,
        sender: EndWish,
        *,
        testers: Sequence[ITester] = BUILT_IN,
        clock: IClock | None = None,
        sync_fuzz: float = 0.0,
        ip_version: int = 0,
        bind: str = "",
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        clock = clock or SystemClock(sync_fuzz)
        self._reactor = reactor
        self._clock = clock
        self._testers = {tester.name: tester for tester in testers}
        self._running: Deferred[TestResult] | None = None
        around = Surroundings(
            reactor=reactor,
            clock=clock,
            timers=Timers(reactor, clock),
            testers=self._testers,
            ip_version=ip_version,
            bind=bind,
            local_host=self._local_host,
            note=note,
        )
        self._series = Series(around, receiver, sender)

    def run(
        self,
        *,
        testers: Sequence[str] = (),
        reverse: bool = False,
        latest: float = 600.0,
        on_step: Callable[[Step, float], None] = lambda step, delay: None,
        duration: int = 10,
        **parameters: Any,
    ) -> Deferred[TestResult]:
        """One test; fires with its result, also if it failed: then `failure` says why.

        Cancelling gives the test up: testers are ended, time slots given back, connections closed;
        then, a few seconds later at most, it fires with CancelledError.

        Args:
            testers: names, the first that fits is taken; none: those that measure throughput.
            reverse: the tester's server sends; for ends that cannot be reached from outside.
            latest: seconds that the start may be put off because the daemons are busy.
            on_step: called at each step, with the seconds that it will take, 0 if not known.
            duration: seconds.
            **parameters: any of PARAMETERS, as `udp=True, bandwidth=10_000_000`.
        Raises:
            ValueError: an unknown tester or parameter; nothing was sent.
            RuntimeError: a test is running already.
        """
        if self._running is not None and not self._running.called:
            raise RuntimeError("one test at a time")
        unknown = sorted(parameters.keys() - PARAMETERS)
        if unknown:
            raise ValueError(f"no parameter of a test: {', '.join(unknown)}")
        chosen = [self._tester(name) for name in testers] or [
            tester
            for tester in self._testers.values()
            if kind_of(tester.tool_id) is Kind.THROUGHPUT
        ]

        def spec(tester: ITester, client: IPAddress, server: IPAddress) -> TestSpec:
            return TestSpec(
                tool=tester.tool_id,
                client=client,
                server=server,
                server_sends=reverse,
                duration=duration,
                **parameters,
            )

        wish = Wish(
            spec=spec,
            tools=[tester.tool_id for tester in chosen],
            flip=reverse,
            latest=latest,
            on_step=on_step,
        )
        self._running = Deferred.fromCoroutine(self._run(wish))
        return self._running

    def _tester(self, name: str) -> ITester:
        tester = self._testers.get(name)
        if tester is None:
            raise ValueError(f"no tester {name}; there are: {', '.join(self._testers)}")
        return tester

    async def _run(self, wish: Wish) -> TestResult:
        try:
            return await self._series.test(wish)
        except BaseException:
            self._series.close()
            await self._series.gone()
            raise

    def close(self) -> Deferred[None]:
        """Give up a running test, close the connections; fires when nothing is left."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        if self._running is not None and not self._running.called:
            self._running.cancel()
        self._series.close()
        await self._series.gone()

    def _local_host(self) -> Host:
        """An end of our own: no policy but the caller's, and whatever the clock."""
        from bwctl.net.host import Host

        return Host(
            reactor=self._reactor,
            clock=self._clock,
            timers=Timers(self._reactor, self._clock),
            testers=self._testers,
            allow_unsync=True,
            started=self._clock.now(),
        )


def run_test(
    reactor: Any, receiver: EndWish, sender: EndWish, **arguments: Any
) -> Deferred[TestResult]:
    """One test between two ends, and nothing left of it when it fires, however it ended.

    Args:
        **arguments: of `Tests` and of `Tests.run`, but for `testers`, which are names here.
    Raises:
        ValueError: an argument cannot be; nothing was sent.
    """
    of_tests = {name: arguments.pop(name) for name in _OF_TESTS if name in arguments}
    tests = Tests(reactor, receiver, sender, **of_tests)
    return Deferred.fromCoroutine(_run_once(tests, tests.run(**arguments)))


_OF_TESTS = ("clock", "sync_fuzz", "ip_version", "bind", "note")


async def _run_once(tests: Tests, running: Deferred[TestResult]) -> TestResult:
    try:
        return await running
    finally:
        await tests.close()
