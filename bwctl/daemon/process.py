"""The daemon as a process: log, pid file, service manager, signals. Source: daemon.md 1.7."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock

from bwctl.daemon.build import Configuration, apply_settings
from bwctl.daemon.config import Settings, reload_settings
from bwctl.daemon.descriptors import make_room, needed
from bwctl.daemon.log import DaemonLog
from bwctl.daemon.notify import Notifier
from bwctl.daemon.pidfile import PidFiles
from bwctl.daemon.service import BwctldService, final_ids, tls_side
from bwctl.errors import CertificateError, ConfigurationError
from bwctl.net.hooks import HookRunner
from bwctl.net.host import Host
from bwctl.values import seconds


class BwctldProcess(BwctldService):
    """What `twistd bwctld` runs: the service, and what makes it a daemon of the system.

    HUP reads limits, keys, certificates and the options that need no restart again, and keeps the
    old ones if the new have an error. USR1 writes a line of status. TERM and INT stop, by twistd.

    Args:
        read: reads the three files; raises ConfigurationError or CertificateError.
        log, pid_files: not begun and not taken; no pid files without a `var_dir`.
        files: what `read` reads.
    """

    def __init__(
        self,
        host: Host,
        settings: Settings,
        read: Callable[[], Configuration],
        log: DaemonLog,
        pid_files: PidFiles | None,
        files: Sequence[str] = (),
    ) -> None:
        super().__init__(host, settings)
        self._read = read
        self._daemon_log = log
        self._pid_files = pid_files
        self._files = files
        self._notifier = Notifier()
        self._reloads = DeferredLock()
        self._old_handlers: dict[int, Any] = {}

    def setServiceParent(self, parent: Any) -> None:
        """Take the place of twistd's log before it begins."""
        self._daemon_log.attach(parent)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Make room for connections, and take the control port, while we still may."""
        self._make_room()
        super().privilegedStartService()

    def _make_room(self) -> None:
        """Serve no more connections than there can be descriptors for."""
        room = make_room(self._settings.max_connections)
        self.host.max_connections = room.connections
        if room.connections < self._settings.max_connections:
            self.log.warn(
                "only {connections} connections at a time are served, not max_connections="
                "{wanted}: the process may have {limit} descriptors; allow it {needed} "
                "(LimitNOFILE of its unit, `ulimit -n`), or lower max_connections",
                connections=room.connections,
                wanted=self._settings.max_connections,
                limit=room.limit,
                needed=needed(self._settings.max_connections),
                event="daemon.few_descriptors",
            )
        elif room.limit != room.before:
            self.log.info(
                "limit of descriptors raised from {before} to {limit}",
                before=room.before,
                limit=room.limit,
                event="daemon.descriptors",
            )

    def _listen(self) -> None:
        if self._pid_files is not None:
            self._pid_files.take(self.host.started)
        super()._listen()

    def _drop_privileges(self) -> None:
        ids = final_ids(self._settings)
        self._daemon_log.hand_over(*ids)
        if self._pid_files is not None:
            self._pid_files.hand_over(*ids)
        super()._drop_privileges()
        for path in self._files:
            if not os.access(path, os.R_OK):
                self.log.warn(
                    "{path} cannot be read by user {user}: no reload will succeed",
                    path=path,
                    user=self._settings.user or os.geteuid(),
                    event="daemon.unreadable",
                )

    def startService(self) -> None:
        """Start, and tell who started us when clients are answered."""
        super().startService()
        self._daemon_log.begin(self.host.reactor)
        self._notifier.begin(self.host.timers)
        self._catch(signal.SIGHUP, self._hung_up)
        self._catch(signal.SIGUSR1, self.write_status)
        self.host.reactor.callWhenRunning(self._notifier.ready, f"listens on port {self.port}")

    def _catch(self, number: int, call: Callable[[], Any]) -> None:
        def handle(number: int, frame: FrameType | None) -> None:
            self.host.reactor.callFromThread(call)

        self._old_handlers[number] = signal.signal(number, handle)

    async def _stop(self) -> None:
        try:
            self._notifier.stopping()
            await super()._stop()
            for number, handler in self._old_handlers.items():
                signal.signal(number, handler)
            self._notifier.end()
            if self._pid_files is not None:
                self._pid_files.drop()
        finally:
            self._daemon_log.end()

    def write_status(self) -> None:
        """One line: what there is at this moment, and the next start."""
        status = self.status()
        first = status.next_start
        plugins = ", ".join(f"{name} {count}" for name, count in status.plugin_failures.items())
        failures = f", failures of plug-ins: {plugins}" if plugins else ""
        if status.quota_failures:
            failures += f", failures of the quota file: {status.quota_failures}"
        self.log.info(
            "status: {connections} connections, {reservations} reservations, {tests} confirmed, "
            "{exchanges} exchanges, {ports} ports, {timers} timers, "
            "next start {next_start}, testers {testers}, {violations} violations{failures}",
            connections=status.connections,
            reservations=status.reservations,
            tests=status.tests,
            exchanges=status.exchanges,
            ports=status.ports,
            timers=status.timers,
            next_start="none"
            if first is None
            else f"in {seconds(first - self.host.clock.now()):.1f} s",
            testers=" ".join(sorted(status.testers)) or "none",
            violations=status.violations,
            failures=failures,
            event="daemon.status",
        )

    def _hung_up(self) -> None:
        if not self._reloads.waiting:  # one that waits will read the files as they are then
            self.reload()

    def reload(self) -> Deferred[bool]:
        """Read the files again; fires with whether the new ones are in force.

        One reload after the other: while hooks are checked the files may have changed again.
        """
        self._notifier.reloading()
        done: Deferred[bool] = self._reloads.run(lambda: Deferred.fromCoroutine(self._reload()))
        done.addErrback(self._not_reloaded)
        done.addCallback(self._tell_reloaded)
        return done

    async def _reload(self) -> bool:
        new = self._read()
        settings, waiting = reload_settings(self._settings, new.settings)
        if (self.tls is None) is not (settings.tls_cert is None):
            waiting = sorted([*waiting, "tls_cert"])  # the port for TLS is there or not
        side = tls_side(settings) if self.tls is not None and settings.tls_cert else None
        problems = await HookRunner(
            self.host.reactor, self.host.timers, settings.post_hooks
        ).validate()
        if problems:
            self._refuse("; ".join(problems))
            return False
        if self.tls is not None and side is not None:
            self.tls.reload(side)
        self._settings = settings
        apply_settings(self.host, Configuration(settings, new.limits, new.keys))
        self._make_room()
        self.factory.recheck()
        self._daemon_log.reload(settings)
        self.log.info(
            "configuration read again{waiting}",
            waiting=f"; a restart is needed for {', '.join(waiting)}" if waiting else "",
            event="daemon.reloaded",
        )
        return True

    def _refuse(self, reason: str) -> None:
        self.log.error(
            "the old configuration stays in force: {reason}",
            reason=reason,
            event="daemon.not_reloaded",
        )

    def _not_reloaded(self, failure: Any) -> bool:
        if failure.check(ConfigurationError):
            self._refuse("; ".join(map(str, failure.value.problems)))
        elif failure.check(CertificateError):
            self._refuse(failure.getErrorMessage())
        else:
            self.log.failure("reload failed", failure=failure, event="daemon.reload_broken")
        return False

    def _tell_reloaded(self, good: bool) -> bool:
        self._notifier.ready(f"listens on port {self.port}")
        return good
