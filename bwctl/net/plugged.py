"""What a site has plugged in, called with care: its exceptions never become ours.

They are logged and counted. A key store or a policy that fails refuses; a clock that fails is not
synchronised; a result sink that fails is no matter for anybody else.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

from twisted.application.service import IService
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, race
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from bwctl.control.timing import UNSYNCHRONISED_ERROR
from bwctl.errors import BWCTLError
from bwctl.interfaces import (
    ClientFacts,
    IClock,
    IKeyStore,
    IPolicy,
    IResultSink,
    ITester,
    RequestFacts,
)
from bwctl.limits.classes import LimitClass, Limits
from bwctl.limits.keys import Key
from bwctl.net.clock import SystemClock
from bwctl.net.readings import Readings
from bwctl.results import TestEnded
from bwctl.values import ErrorEstimate, NTPTime, ticks

KEY_TIMEOUT_S = 10.0  # half of what a client has for the handshake
STOP_TIMEOUT_S = 10.0

T = TypeVar("T")


class PluginFailure(BWCTLError):
    """A plug-in that had to say yes did not answer; the text names it."""


@dataclass(kw_only=True, eq=False)
class Plugged:
    """The plug-ins of one daemon; without any, what the configuration files say."""

    key_store: IKeyStore | None = None
    policy: IPolicy | None = None
    clock: IClock | None = None
    sinks: Sequence[IResultSink] = ()
    failures: Counter[str] = field(default_factory=Counter)  # by name

    log: ClassVar[Logger] = Logger()

    # -- key store -------------------------------------------------------------------------------

    def key(self, identity: str, reactor: IReactorTime) -> Deferred[Key | None]:
        """The key of an identity; None also if the store fails, or is slow, or is cancelled."""
        assert self.key_store is not None, "the key file is asked otherwise"
        found: Deferred[Any] = maybeDeferred(self.key_store.key, identity)
        found.addTimeout(KEY_TIMEOUT_S, reactor)
        found.addCallback(lambda key: None if key is None else Key(key))
        found.addErrback(self._no_key, self.key_store)
        return found

    def _no_key(self, failure: Failure, store: IKeyStore) -> None:
        if not failure.check(CancelledError):
            self.failed(store, failure)

    # -- policy ----------------------------------------------------------------------------------

    def limit_class(self, client: ClientFacts, limits: Limits) -> LimitClass | None:
        """The class that the policy gives; None: what the limits say.

        Raises:
            PluginFailure: it failed, or there is no such class.
        """
        policy = self.policy
        if policy is None:
            return None

        def ask() -> LimitClass | None:
            name = policy.limit_class(client)
            return None if name is None else limits.classes[name]

        return self._asked(policy, ask)

    def denials(self, request: RequestFacts) -> list[str]:
        """What the policy has against a request; its failure is a denial."""
        policy = self.policy
        if policy is None:
            return []

        def ask() -> list[str]:
            sentences = policy.denials(request)
            fit = isinstance(sentences, list | tuple)  # a Deferred would look like an empty one
            if not fit or not all(isinstance(one, str) for one in sentences):
                raise TypeError(f"denials are a list of sentences, not {sentences!r}")
            return list(sentences)

        try:
            return self._asked(policy, ask)
        except PluginFailure as failure:
            return [str(failure)]

    def _asked(self, plugin: Any, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except Exception as error:
            self.failed(plugin, Failure())
            raise PluginFailure(f"plug-in {name_of(plugin)} failed") from error

    # -- result sinks ----------------------------------------------------------------------------

    def tell(self, ended: TestEnded, tester: ITester, readings: Readings) -> None:
        """A test is over; nothing is awaited."""
        if self.sinks:
            Deferred.fromCoroutine(self._tell(ended, tester, readings))

    async def _tell(self, ended: TestEnded, tester: ITester, readings: Readings) -> None:
        ended = await _with_reports(ended, tester, readings)
        for sink in self.sinks:
            maybeDeferred(sink.test_ended, ended).addErrback(self._sink_failed, sink)

    def _sink_failed(self, failure: Failure, sink: IResultSink) -> None:
        self.failed(sink, failure)

    # -- services --------------------------------------------------------------------------------

    def start(self) -> None:
        """Start those plug-ins that are services and belong to nobody else."""
        self._started = [one for one in self._services() if one.parent is None and not one.running]
        for service in self._started:
            try:
                service.startService()
            except Exception:
                self.failed(service, Failure())

    async def stop(self, reactor: Any) -> None:
        """Stop those that `start` started; one that takes too long is left alone."""
        started, self._started = self._started, []
        for service in started:
            stopping: Deferred[Any] = maybeDeferred(service.stopService)
            stopping.addErrback(self._service_failed, service)
            index, _ = await race([stopping, deferLater(reactor, STOP_TIMEOUT_S)])
            if index:
                self.log.error(
                    "plug-in {plugin} does not stop", plugin=name_of(service), event="plugin.hangs"
                )

    _started: Sequence[Any] = ()

    def _service_failed(self, failure: Failure, service: Any) -> None:
        if not failure.check(CancelledError):  # told of already
            self.failed(service, failure)

    def _services(self) -> Iterator[Any]:
        for one in dict.fromkeys([self.key_store, self.policy, self.clock, *self.sinks]):
            if IService.providedBy(one):
                yield one

    def failed(self, plugin: Any, failure: Failure) -> None:
        """Count and log that a plug-in failed."""
        name = name_of(plugin)
        self.failures[name] += 1
        self.log.failure(
            "plug-in {plugin} failed", failure=failure, plugin=name, event="plugin.failed"
        )


async def _with_reports(ended: TestEnded, tester: ITester, readings: Readings) -> TestEnded:
    own, other, spec = ended.role, ended.role.other, ended.spec
    report = await readings.whole(tester, ended.output, spec, own)
    if report is not None and report.version is None:
        report = replace(report, version=ended.tester_version)
    other_report = None
    if ended.other_output is not None:
        other_report = await readings.whole(tester, ended.other_output, spec, other)
    return replace(ended, report=report, other_report=other_report)


def name_of(plugin: Any) -> str:
    """The name of a plug-in, for messages."""
    return str(getattr(plugin, "name", None) or type(plugin).__name__)


@implementer(IClock)
class GuardedClock:
    """A plugged-in clock. What it cannot tell comes from the system, which nobody trusts then."""

    def __init__(self, clock: IClock, sync_fuzz: float, plugged: Plugged) -> None:
        self.name = clock.name
        self._clock = clock
        self._system = SystemClock()
        self._fuzz = ticks(sync_fuzz)
        self._plugged = plugged
        self._silent: set[str] = set()  # questions to which it last had no answer

    def now(self) -> NTPTime:
        """The plug-in's, or the system's."""
        return self._ask("now", lambda: NTPTime(int(self._clock.now())), self._system.now)

    def mono(self) -> float:
        """Always the system's: timers hang on it."""
        return time.monotonic()

    def error(self) -> ErrorEstimate:
        """The plug-in's, plus `sync_fuzz`; the usual guess for a clock that nobody trusts."""
        estimate = self._ask("error", self._error, self._guess)
        return self._guess() if self._silent else estimate

    def _error(self) -> ErrorEstimate:
        told = self._clock.error()
        return ErrorEstimate.from_ticks(told.ticks + self._fuzz, told.synchronised)

    def _guess(self) -> ErrorEstimate:
        return ErrorEstimate.from_ticks(UNSYNCHRONISED_ERROR + self._fuzz)

    def synchronised(self) -> bool:
        """What the plug-in says, as long as it answers."""
        said = self._ask("synchronised", lambda: bool(self._clock.synchronised()), lambda: False)
        return said and not self._silent

    def _ask(self, question: str, ask: Callable[[], T], otherwise: Callable[[], T]) -> T:
        try:
            answer = ask()
        except Exception:
            if question not in self._silent:  # once, not a thousand times a second
                self._plugged.failed(self._clock, Failure())
            self._silent.add(question)
            return otherwise()
        self._silent.discard(question)
        return answer
