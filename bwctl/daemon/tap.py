"""`twistd bwctld`: options, then `makeService`. Source: daemon.md 1.5."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.python import usage

import bwctl
from bwctl.daemon import preflight
from bwctl.daemon.config import Settings
from bwctl.errors import ConfigurationError, Problem

_OVERRIDING = {
    "var-dir": "var_dir",
    "listen": "src_node",
    "user": "user",
    "group": "group",
    "auth-mode": "auth_mode",
    "facility": "facility",
}
_OVERRIDING_FLAGS = {
    "root-folly": "root_folly",
    "verbose": "verbose",
    "allow-unsync": "allow_unsync",
}


class Options(usage.Options):
    """Command line of `twistd bwctld`; flags beat the configuration file."""

    synopsis = "[options]"
    longdesc = (
        "BWCTL daemon: lets others run network tests from and to this host, within its limits. "
        "Reads bwctl-server.conf, .limits and .keys from the configuration directory."
    )
    optParameters = [
        ["config-dir", "c", None, "configuration directory (without it the current one)"],
        ["var-dir", "R", None, "directory of pid and info file; without it there are none"],
        ["listen", "S", None, "listen on HOST, HOST:PORT or :PORT (default :4823)"],
        ["user", "U", None, "user to become when started as root"],
        ["group", "G", None, "group to become when started as root"],
        ["auth-mode", "a", None, "modes offered: letters of O, A, E"],
        ["facility", "e", None, "syslog facility"],
        ["as", None, None, "with --check: who gets which class; ADDRESS, user:NAME or cert:NAME"],
    ]
    optFlags = [
        ["root-folly", "f", "allow to run as root"],
        ["verbose", "v", "log debug messages"],
        ["check", None, "check the files, print what they mean, and exit with 0 or 1"],
        ["check-clock", None, "say whether the clock is synchronised, and exit with 0 or 1"],
        ["allow-unsync", None, "take part in tests although the clock is not synchronised"],
        ["foreground", "Z", "accepted for scripts of the C daemon; use `twistd --nodaemon`"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self.overrides: dict[str, str | None] = {}
        self.warnings: list[Problem] = []
        self.configuration: Any = None
        self.daemon_log: Any = None
        self.pid_files: Any = None
        self._started_in = ""
        self._directory = os.curdir

    def opt_option(self, text: str) -> None:
        """set any option of bwctl-server.conf: KEY or KEY=VALUE; may be repeated"""
        key, equals, value = text.partition("=")
        self.overrides[key.strip()] = value.strip() if equals else None

    opt_O = opt_option

    def opt_version(self) -> None:
        """print the version and exit"""
        print(f"bwctld {bwctl.__version__}")
        raise SystemExit(0)

    opt_V = opt_version

    def opt_h(self) -> None:
        """display this help and exit"""
        self.opt_help()

    def parseOptions(self, options: Any = None) -> None:
        """Read the command line; twistd would hide what is wrong with it behind all its options."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            if self.parent is None:  # not twistd's, so whoever made us may want to catch it
                raise
            reason = str(error).rstrip(".")
            sys.stderr.write(f"bwctld: {reason}; `twistd bwctld --help` lists the options\n")
            raise SystemExit(1) from None

    def postOptions(self) -> None:
        """Read and check the three files, so that a mistake is told before anything starts."""
        self._started_in = os.getcwd()  # twistd's --rundir takes effect later
        for name, key in _OVERRIDING.items():
            if self[name] is not None:
                self.overrides[key] = self[name]
        self.overrides.update({key: None for name, key in _OVERRIDING_FLAGS.items() if self[name]})
        # twistd may change to another directory when it makes a daemon; a reload comes later.
        self["config-dir"] = os.path.abspath(self["config-dir"]) if self["config-dir"] else None
        self._directory = os.path.abspath(self["config-dir"] or os.curdir)
        try:
            self.configuration = self.read()
        except ConfigurationError as error:
            _end("\n".join([str(error), *self._further_problems()]))
        if self["check-clock"]:
            self._check_clock()
        if self["as"]:
            self._report([])
        settings = self.configuration.settings
        problems = [*preflight.problems(settings), *self._prepare_files(settings)]
        twistd: dict[str, Any] = self.parent or {}
        becomes_another = bool(twistd.get("uid"))
        if self["check"]:
            for problem in preflight.root_problems(settings, becomes_another):
                print(f"warning: as root, as now: {problem}", file=sys.stderr)
            self._report(problems)
        problems += preflight.start_problems(settings, becomes_another)
        if problems:
            _end("\n".join(problems))

    def read(self) -> Any:
        """The Configuration that the three files hold now.

        Raises:
            ConfigurationError: it cannot be used.
        """
        from bwctl.daemon.embed import read_configuration

        configuration, self.warnings = read_configuration(
            self._directory,
            required=self["config-dir"] is not None,
            overrides=self.overrides,
            base=self._started_in,
        )
        return configuration

    def _further_problems(self) -> list[str]:
        """What this host lacks, told together with the mistakes of the files."""
        from bwctl.daemon.config_files import SETTINGS_FILE
        from bwctl.daemon.embed import read_settings
        from bwctl.daemon.plugins import find_testers

        file = os.path.join(self._directory, SETTINGS_FILE)
        try:
            settings, _ = read_settings(
                file, find_testers(), overrides=self.overrides, base=self._started_in
            )
        except ConfigurationError:  # told already
            return []
        return [*preflight.problems(settings), *self._prepare_files(settings)]

    def files(self) -> list[str]:
        """The files that a reload reads again, as far as there are any."""
        from bwctl.daemon.config_files import KEYS_FILE, LIMITS_FILE, SETTINGS_FILE

        settings = self.configuration.settings
        tls = filter(None, (settings.tls_cert, settings.tls_key, settings.tls_client_ca))
        names = (SETTINGS_FILE, LIMITS_FILE, KEYS_FILE)
        paths = [*(os.path.join(self._directory, name) for name in names), *tls]
        return [path for path in paths if os.path.exists(path)]

    def _report(self, problems: list[str]) -> NoReturn:
        """Print what the configuration means, and exit; problems of this host on stderr."""
        from bwctl.daemon.check import UnknownRequester, report

        for warning in self.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        try:
            print(report(self.configuration, self["as"] or ""), end="")
        except UnknownRequester as error:
            raise usage.UsageError(f"--as: {error}") from error
        if problems:
            _end("\n".join(problems))
        raise SystemExit(0)

    def _check_clock(self) -> None:
        from bwctl.daemon.clock_check import clock_report

        synchronised, text = clock_report(self.configuration)
        print(text, end="")
        raise SystemExit(0 if synchronised else 1)

    def _prepare_files(self, settings: Settings) -> list[str]:
        """Make sure of the log and of the pid files, as far as that goes before the daemon."""
        from bwctl.daemon.log import DaemonLog
        from bwctl.daemon.pidfile import PidFileError, PidFiles

        problems = []
        if settings.var_dir is not None:
            self.pid_files = PidFiles(os.path.abspath(settings.var_dir))
            try:
                self.pid_files.check()
            except PidFileError as error:
                problems.append(str(settings.problem("var_dir", str(error))))
        try:
            self.daemon_log = DaemonLog(settings, self.parent)
        except OSError as error:
            text = f"cannot write the log {error.filename}: {error.strerror}"
            problems.append(str(settings.problem("log_file", text)) if settings.log_file else text)
        return problems


def _end(reason: str) -> NoReturn:
    """What is wrong is in the files or on the host: the usage of options would only hide it."""
    sys.stderr.write(f"bwctld cannot start:\n{reason}\n")
    raise SystemExit(1)


def makeService(options: Options, reactor: Any = None) -> IService:
    """The daemon's service, for twistd or for another application.

    Args:
        options: parsed; they hold the configuration.
        reactor: the caller's; None: the global one.
    """
    if reactor is None:
        from twisted.internet import reactor

        from bwctl.net.reactortime import use_monotonic

        use_monotonic(reactor)
    from twisted.logger import Logger

    from bwctl.daemon.build import make_host
    from bwctl.daemon.process import BwctldProcess

    log = Logger(namespace="bwctl.daemon")

    def warn() -> None:
        for warning in options.warnings:
            log.warn("{warning}", warning=str(warning), event="daemon.configuration")

    def read_again() -> Any:
        configuration = options.read()
        warn()
        return configuration

    warn()
    host = make_host(options.configuration, options.configuration.testers, reactor)
    if not (host.allow_unsync or host.clock.synchronised() or host.clock.name == "chrony"):
        log.warn(
            "this host's clock is not synchronised: every test will be refused; "
            "run an NTP daemon (chrony needs `rtcsync`), or set allow_unsync",
            event="daemon.unsynchronised",
        )
    settings = options.configuration.settings
    log_and_pid_files = (options.daemon_log, options.pid_files)
    return BwctldProcess(host, settings, read_again, *log_and_pid_files, options.files())
