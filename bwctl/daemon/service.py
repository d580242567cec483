"""The service that twistd, or another application, runs. Source: daemon.md 1.6, 5.2."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.util import switchUID

from bwctl.daemon.config import Settings
from bwctl.daemon.selfcheck import SelfCheck
from bwctl.net import prompt
from bwctl.net.factory import ControlFactory
from bwctl.net.host import Host
from bwctl.net.probe import Probe
from bwctl.values import NTPTime

if TYPE_CHECKING:
    from bwctl.daemon.quota_file import QuotaFile
    from bwctl.net.tls import ServerSide, ServerTLS

QUOTA_FILE = "bwctl-server.quota"
BACKLOG = 1024  # the server speaks first: a full backlog leaves clients hanging


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a daemon is at."""

    connections: int  # control connections
    reservations: int
    tests: int  # reservations that were confirmed
    exchanges: int  # tests whose ends still trade results, or have not begun to
    ports: int  # of testers, in use
    timers: int
    next_start: NTPTime | None  # of the first reservation
    testers: Mapping[str, str]  # those found here, with their versions
    plugin_failures: Mapping[str, int]  # by plug-in, where there are any
    violations: int  # leaks and the like that the daemon has found in itself; 0, or it has a defect
    quota_failures: int = 0  # of reading or writing the file of quotas


class BwctldService(Service):
    """One daemon: listens, looks for testers, and on stopping leaves no process behind.

    Args:
        host: made by `bwctl.daemon.build.make_host`, or by hand.
        settings: listening address, and the user to become when started as root.
    """

    name = "bwctld"
    log: ClassVar[Logger] = Logger()

    def __init__(self, host: Host, settings: Settings) -> None:
        self.host = host
        self.factory = ControlFactory(host)
        self._settings = settings
        self._probe = Probe(host)
        self._selfcheck = SelfCheck(self.factory, host.reactor, lambda: self._probe.running)
        self._port: IListeningPort | None = None
        self._tls_port: IListeningPort | None = None
        self.tls = make_tls(settings)
        self.quota_file = make_quota_file(host, settings)

    def status(self) -> Status:
        """What there is at this moment; looks whether all of it is as it has to be."""
        self._selfcheck.look()
        host, connections = self.host, self.factory.connections.open
        return Status(
            connections=len(connections),
            reservations=len(host.broker.timetable),
            tests=sum(1 for one in connections if one.agent is not None),
            exchanges=len(self.factory.connections.agents),
            ports=sum(pool.in_use for pool in (host.test_ports, *host.ports.values())),
            timers=len(host.timers),
            next_start=host.broker.timetable.next_start,
            testers=dict(host.versions),
            plugin_failures=dict(host.plugged.failures),
            violations=self._selfcheck.count,
            quota_failures=self.quota_file.failures if self.quota_file is not None else 0,
        )

    @property
    def port(self) -> int:
        """The control port; 0 while not listening."""
        return int(self._port.getHost().port) if self._port is not None else 0  # type: ignore[attr-defined]

    def privilegedStartService(self) -> None:
        """Take the control port, while we still may."""
        self._listen()

    def startService(self) -> None:
        """Give up privileges, then look for testers; clients are answered meanwhile."""
        super().startService()
        self._listen()
        self._drop_privileges()
        self.host.plugged.start()
        self._selfcheck.begin()
        if self.quota_file is None:
            self._probe.begin()
        else:
            self.quota_file.begin().addCallback(self._quotas_known)
        self.log.info(
            "bwctld listens on port {port} of {address}, {tls}",
            port=self.port,
            address=interface(self._settings) or "*",
            tls=f"TLS on port {self._settings.tls_port}" if self._tls_port else "no TLS",
            event="daemon.started",
        )

    def _quotas_known(self, _: None) -> None:
        """Clients are let in when the testers are known, so never before their quotas are."""
        if self.running:
            self._probe.begin()

    def _listen(self) -> None:
        if self._port is None:
            self._port = self._listen_on(self._settings.listen.port, self.factory)
        if self._tls_port is None and self.tls is not None:
            encrypted = TLSMemoryBIOFactory(self.tls, False, self.factory)
            self._tls_port = self._listen_on(self._settings.tls_port, encrypted)

    def _listen_on(self, port: int, factory: IProtocolFactory) -> IListeningPort:
        reactor = self.host.reactor
        return prompt.listen(reactor, port, factory, BACKLOG, interface(self._settings))

    def _drop_privileges(self) -> None:
        uid, gid = final_ids(self._settings)
        if os.getuid() == 0 and (uid, gid) != (0, os.getgid()):
            switchUID(uid or None, gid)  # None: stay root, in another group

    def stopService(self) -> Deferred[None]:
        """Stop listening, end tests, close connections; fires when every tester is gone."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._selfcheck.end()
        self._selfcheck.look()
        ports, self._port, self._tls_port = (self._port, self._tls_port), None, None
        for port in filter(None, ports):
            await maybeDeferred(port.stopListening)
        self._probe.stop()
        await self._probe.ended()
        await self.factory.drain()
        if self.host.hooks is not None:
            await self.host.hooks.stop()
        await self.host.plugged.stop(self.host.reactor)
        if self.quota_file is not None:
            await self.quota_file.stop()
        self._selfcheck.last_look()
        self.log.info("bwctld stopped", event="daemon.stopped")


def make_quota_file(host: Host, settings: Settings) -> QuotaFile | None:
    """What keeps quotas over a restart, if the settings have a place for it."""
    path = quota_path(settings)
    if path is None:
        return None
    from bwctl.daemon.quota_file import QuotaFile

    return QuotaFile(path, host.quotas, host.timers, host.reactor)


def quota_path(settings: Settings) -> str | None:
    """Where to keep what requesters have used up; None: in memory only."""
    if settings.quota_file is not None:
        return os.path.abspath(settings.quota_file)
    if settings.var_dir is not None:
        return os.path.join(os.path.abspath(settings.var_dir), QUOTA_FILE)
    return None


def final_ids(settings: Settings) -> tuple[int, int]:
    """User and group id to run with: those of the settings if we are root, else what we are.

    Raises:
        KeyError: there is no such user or group; with the option's name, and a sentence.
    """
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    uid, gid = 0, os.getgid()
    try:
        user = settings.user
        if user is not None:
            entry = pwd.getpwnam(user) if isinstance(user, str) else pwd.getpwuid(user)
            uid, gid = entry.pw_uid, entry.pw_gid
    except KeyError:
        raise KeyError("user", f"there is no user {settings.user}") from None
    try:
        if isinstance(settings.group, str):
            gid = grp.getgrnam(settings.group).gr_gid
        elif settings.group is not None:
            gid = settings.group
    except KeyError:
        raise KeyError("group", f"there is no group {settings.group}") from None
    return uid, gid


def make_tls(settings: Settings) -> ServerTLS | None:
    """The TLS side of a daemon, if its settings name a certificate.

    Raises:
        CertificateError: the files cannot be used.
    """
    if settings.tls_cert is None:
        return None
    from bwctl.net.tls import ServerTLS

    return ServerTLS(tls_side(settings))


def tls_side(settings: Settings) -> ServerSide:
    """What the settings say about TLS; read anew each time.

    Raises:
        CertificateError: the files cannot be used.
    """
    from bwctl.net.tls import Files, server_side

    files = Files(settings.tls_cert or "", settings.tls_key or "", settings.tls_client_ca or "")
    return server_side(files, settings.tls_require_client)


def interface(settings: Settings) -> str:
    """Where to listen; without an address the IPv6 wildcard, which takes IPv4 too, as in C."""
    return settings.listen.host or ("::" if os.path.exists("/proc/net/if_inet6") else "")
