"""From options to what a test works with: ends, clock, testers, the user's configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bwctl.cli.auth import Credentials
from bwctl.cli.credentials import AllCredentials
from bwctl.cli.exits import UsageError
from bwctl.cli.hosts import HostPort
from bwctl.cli.options import Options
from bwctl.cli.plugged import testers
from bwctl.control.client import Identity
from bwctl.errors import ConfigurationError
from bwctl.net.clock import SystemClock
from bwctl.net.pair import EndWish, Surroundings, TLSWish
from bwctl.net.timers import Timers
from bwctl.wire.fields import Mode

if TYPE_CHECKING:  # reading a configuration, or being an end, is rare: a client starts quicker
    from bwctl.daemon.config import Settings
    from bwctl.net.host import Host


def surroundings(options: Options, reactor: Any, note: Callable[[str], None]) -> Surroundings:
    """What the tests of one command line work with.

    Raises:
        UsageError: the user's configuration cannot be used.
    """
    settings = _client_settings()
    clock = SystemClock(options.allow_unsync_s or (settings.sync_fuzz if settings else 0.0))
    return Surroundings(
        reactor=reactor,
        clock=clock,
        timers=Timers(reactor, clock),
        testers={tester.name: tester for tester in testers(options.tools)},
        ip_version=options.ip_version,
        bind=options.local_address,
        local_host=lambda: _local_host(options, settings, reactor, clock),
        note=note,
    )


def end_wishes(options: Options, credentials: AllCredentials) -> tuple[EndWish, EndWish]:
    """Receiver and sender."""
    receiver = end_wish(options.receiver, credentials.receiver, options)
    sender = end_wish(options.sender, credentials.sender, options)
    if not options.no_endpoint:
        return receiver, sender
    if options.flip:
        return receiver, replace(sender, needs_daemon=False)
    return replace(receiver, needs_daemon=False), sender


def end_wish(host: HostPort | None, credentials: Credentials, options: Options) -> EndWish:
    """One end, local if no host is named."""
    if host is None:
        return EndWish()
    tls = None
    if options.tls or host.tls:
        host = host.with_tls()
        tls = TLSWish(options.ca_file, options.cert_file, options.key_file)
    identity = Identity(
        Mode(credentials.modes), credentials.identity.encode("utf-8"), credentials.key
    )
    return EndWish(host=host.host, port=host.port, identity=identity, tls=tls)


def _local_host(
    options: Options, settings: Settings | None, reactor: Any, clock: SystemClock
) -> Host:
    """The end that the client runs itself: no policy, and only the testers that are wanted."""
    from bwctl.daemon.build import Configuration, make_host
    from bwctl.daemon.config import Settings
    from bwctl.limits.keys import KeyRing
    from bwctl.net.host import EVERYTHING

    wanted = [one for one in testers(options.tools) if one.tool_id in options.tools]
    settings = (settings or Settings()).replace(allow_unsync=True)
    return make_host(Configuration(settings, EVERYTHING, KeyRing()), wanted, reactor, clock)


def _client_settings() -> Settings | None:
    """The user's file; None where there is none, as nearly everywhere."""
    named = os.environ.get("BWCTLRC")
    path = named or str(Path("~/.bwctlrc").expanduser())
    if not named and not os.path.exists(path):
        return None
    from bwctl.daemon.config_files import load_client_settings

    try:
        settings, _ = load_client_settings(path)
    except ConfigurationError as error:
        raise UsageError(str(error), "correct the file, or name another in BWCTLRC") from None
    return settings
