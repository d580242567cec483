"""A daemon out of its configuration directory, for `twistd bwctld` and for other applications."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from twisted.logger import Logger

from bwctl.daemon.build import Configuration, make_host
from bwctl.daemon.config import Settings
from bwctl.daemon.config_files import (
    KEYS_FILE,
    LIMITS_FILE,
    SETTINGS_FILE,
    load_keys,
    load_limits,
    load_settings,
)
from bwctl.daemon.config_options import TOOLS
from bwctl.daemon.plugins import find_plugins, find_testers
from bwctl.daemon.service import BwctldService
from bwctl.daemon.tls_options import tls_problems, tls_warnings
from bwctl.errors import ConfigurationError, Problem
from bwctl.interfaces import IClock, IKeyStore, IPolicy, IResultSink, ITester
from bwctl.limits.keys import KeyRing
from bwctl.net.host import EVERYTHING
from bwctl.net.plugged import Plugged

_NO_OPTIONS: Final[Mapping[str, str | None]] = MappingProxyType({})
_log = Logger(namespace="bwctl.daemon")


def read_configuration(
    directory: str,
    *,
    required: bool = False,
    overrides: Mapping[str, str | None] = _NO_OPTIONS,
    base: str = "",
) -> tuple[Configuration, list[Problem]]:
    """Read the three files of a directory, and load the plug-ins that they name.

    Args:
        required: whether bwctl-server.conf has to be there.
        overrides: options of bwctl-server.conf that beat the file; None: a key without a value.
        base: directory from which relative paths in options count; "": the current one.
    Returns:
        The configuration, and warnings.
    Raises:
        ConfigurationError: it cannot be used; with all that is wrong.
    """
    file = os.path.join(directory, SETTINGS_FILE)
    testers = find_testers()
    wrong: list[Problem] = []
    settings, keys, limits = Settings(), KeyRing(), EVERYTHING
    warnings: list[Problem] = []
    try:
        settings, notes = read_settings(
            file, testers, required=required, overrides=overrides, base=base
        )
        wrong += tls_problems(settings)
        warnings += [*notes, *tls_warnings(settings)]
    except ConfigurationError as error:
        wrong += error.problems
    unknown = settings.key_store is not None
    try:
        keys, notes = load_keys(os.path.join(directory, KEYS_FILE))
        warnings += notes
    except ConfigurationError as error:
        wrong += error.problems
        unknown = True  # who has a key is not known: that is one mistake, not many
    try:
        limits, notes = load_limits(
            os.path.join(directory, LIMITS_FILE),
            users=_Anybody() if unknown else keys,
            strict=settings.strict_limits,
        )
        warnings += notes
    except ConfigurationError as error:
        wrong += error.problems
    plugged = Plugged()
    try:
        plugged = find_plugins(settings, file)
    except ConfigurationError as error:
        wrong += error.problems
    if wrong:
        raise ConfigurationError(wrong)
    return Configuration(settings, limits, keys, plugged, testers), warnings


def read_settings(
    file: str,
    testers: Sequence[ITester],
    *,
    required: bool = False,
    overrides: Mapping[str, str | None] = _NO_OPTIONS,
    base: str = "",
) -> tuple[Settings, list[Problem]]:
    """The first of the three files alone, and warnings; see `read_configuration`."""
    tools = dict.fromkeys([*TOOLS, *(tester.name for tester in testers)])
    settings, notes = load_settings(file, required=required, tools=tools, overrides=overrides)
    return settings.relative_to(os.path.abspath(base)), notes


class _Anybody(Collection[str]):
    """The identities of a key store that cannot list them."""

    def __contains__(self, identity: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def make_daemon(
    reactor: Any,
    directory: str,
    *,
    options: Mapping[str, str | None] = _NO_OPTIONS,
    sinks: Sequence[IResultSink] = (),
    key_store: IKeyStore | None = None,
    policy: IPolicy | None = None,
    clock: IClock | None = None,
) -> BwctldService:
    """A daemon to be a part of another application: an ordinary service.

    It leaves the application's log, signals and reactor alone. Call
    `bwctl.net.reactortime.use_monotonic` before, if the reactor is yours to change.

    Args:
        directory: of the configuration files; a missing file is an empty one.
        options: of bwctl-server.conf; they beat the file.
        sinks: told of the ends of tests, besides those that the file names.
        key_store, policy, clock: in place of those that the file names.
    Raises:
        ConfigurationError, CertificateError: the configuration cannot be used.
    """
    configuration, warnings = read_configuration(directory, overrides=options)
    for warning in warnings:
        _log.warn("{warning}", warning=str(warning), event="daemon.configuration")
    named = configuration.plugged
    plugged = Plugged(
        key_store=key_store or named.key_store,
        policy=policy or named.policy,
        clock=clock or named.clock,
        sinks=(*named.sinks, *sinks),
    )
    configuration = replace(configuration, plugged=plugged)
    host = make_host(configuration, configuration.testers, reactor)
    return BwctldService(host, configuration.settings)
