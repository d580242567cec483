"""Finds what a site has plugged in, by name, through `twisted.plugin`. See doc/integrating.md.

Nothing here is imported before a daemon's configuration is read, so that `twistd --help` and the
clients stay quick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

from twisted.logger import Logger
from twisted.plugin import getPlugins
from zope.interface import Interface, Invalid
from zope.interface.verify import verifyObject

from bwctl.daemon.config import Settings
from bwctl.errors import ConfigurationError, Problem
from bwctl.interfaces import IClock, IKeyStore, IPolicy, IResultSink, ITester
from bwctl.net.chrony import ChronyClock
from bwctl.net.clock import FreeClock, SystemClock
from bwctl.net.plugged import GuardedClock, Plugged, name_of
from bwctl.testers.registry import BUILT_IN
from bwctl.values import kind_of

CLOCKS: Final = ("kernel", "chrony", "none")
"""Values of clock_source that are not names of plug-ins."""

T = TypeVar("T")
_log = Logger()


def find_plugins(settings: Settings, file: str) -> Plugged:
    """The plug-ins that the settings name.

    Args:
        file: of the settings, for messages.
    Raises:
        ConfigurationError: with every one that is not there or is not what it should be.
    """
    problems: list[Problem] = []

    def find(option: str, interface: type[Interface], name: str | None) -> Any:
        if name is None:
            return None
        try:
            return _named(interface, name)
        except ValueError as error:
            problems.append(Problem(file, 0, f"{option}: {error}"))
            return None

    source = settings.clock_source
    sinks = [find("result_sink", IResultSink, name) for name in settings.result_sinks]
    plugged = Plugged(
        key_store=find("key_store", IKeyStore, settings.key_store),
        policy=find("policy", IPolicy, settings.policy),
        clock=find("clock_source", IClock, None if source in CLOCKS else source),
        sinks=tuple(sinks),
    )
    if problems:
        raise ConfigurationError(problems)
    return plugged


def find_testers(found: Callable[[type[Interface]], Iterable[Any]] = getPlugins) -> list[ITester]:
    """The built-in testers, and those that are plugged in and usable; the log tells of others."""
    testers = list(BUILT_IN)
    for tester in found(ITester):
        try:
            _check_tester(tester, testers)
        except ValueError as error:
            _log.error(
                "tester plug-in {plugin} is left out: {reason}",
                plugin=name_of(tester),
                reason=str(error),
                event="plugin.unusable",
            )
        else:
            testers.append(tester)
    return testers


def _check_tester(tester: ITester, others: Iterable[ITester]) -> None:
    """Raise ValueError unless a tester can stand beside others."""
    _verify(ITester, tester)
    kind_of(tester.tool_id)
    for other in others:
        if tester.name == other.name or tester.tool_id == other.tool_id:
            raise ValueError(f"its name or its bit is that of {other.name}")


def make_clock(settings: Settings, plugged: Plugged, reactor: Any) -> IClock:
    """The clock that the settings ask for; `plugged` holds it if it is a plug-in or a service."""
    fuzz = settings.sync_fuzz
    if plugged.clock is not None:
        return GuardedClock(plugged.clock, fuzz, plugged)
    if settings.clock_source == "chrony":
        plugged.clock = clock = ChronyClock(reactor, fuzz)
        return clock
    return FreeClock(fuzz) if settings.clock_source == "none" else SystemClock(fuzz)


def _named(interface: type[Interface], name: str) -> Any:
    """The plug-in of a name; ValueError if there is none, or more than one, or a wrong one."""
    found = list(getPlugins(interface))
    fitting = [one for one in found if getattr(one, "name", None) == name]
    if len(fitting) > 1:
        raise ValueError(f"there are {len(fitting)} plug-ins named {name}")
    if not fitting:
        names = ", ".join(sorted(_names(found))) or "none at all"
        raise ValueError(f"there is no plug-in named {name}; found: {names}")
    _verify(interface, fitting[0])
    return fitting[0]


def _names(plugins: Iterable[Any]) -> Iterator[str]:
    for plugin in plugins:
        yield str(getattr(plugin, "name", "(without a name)"))


def _verify(interface: type[Interface], plugin: Any) -> None:
    try:
        verifyObject(interface, plugin)
    except Invalid as error:
        raise ValueError(" ".join(str(error).split())) from None
