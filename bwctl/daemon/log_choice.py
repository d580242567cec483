"""Which events the daemon writes, and at which level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from twisted.logger import LogEvent, LogLevel

from bwctl.daemon.config import Settings
from bwctl.daemon.log_format import message

LEVELS: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""Names of levels, the gravest first; the place is the number that syslog gives it."""

ACCESS_EVENTS: Final = frozenset(
    {
        "control.opened",
        "control.turned_away",
        "control.no_service",
        "reservation.made",
        "reservation.refused",
        "reservation.expired",
        "test.refused",
        "test.ended",
    }
)
"""Decisions about clients: one line each, at the level `access_priority`."""

_NOTHING: Final = -1  # the priority `none`
WARNING: Final = LEVELS.index("warning")
_DEBUG: Final = LEVELS.index("debug")
_SEVERITY: Final = {
    LogLevel.critical: LEVELS.index("crit"),
    LogLevel.error: LEVELS.index("err"),
    LogLevel.warn: WARNING,
    LogLevel.info: LEVELS.index("info"),
    LogLevel.debug: _DEBUG,
}

_PORT_NOISE: Final = (" starting on ", " Closed)")  # Twisted's words about ports, in its old log


@dataclass(frozen=True, slots=True)
class Choice:
    """Which events are written, and how; a reload replaces it."""

    worst: int  # least severe level that is written
    access: int  # level of ACCESS_EVENTS
    verbose: bool
    location: bool
    json: bool

    @classmethod
    def of(cls, settings: Settings) -> Choice:
        """What the settings say."""
        return cls(
            _severity_named(settings.priority),
            _severity_named(settings.access_priority),
            settings.verbose,
            settings.log_location,
            getattr(settings, "log_format", "text") == "json",
        )

    def severity(self, event: LogEvent) -> int:
        """The level of an event, as syslog counts."""
        if event.get("event") in ACCESS_EVENTS:
            return self.access
        return _SEVERITY.get(event.get("log_level", LogLevel.info), WARNING)

    def hears(self, level: Any, event: str) -> bool:
        """Whether an event of ours is to be written, asked before it is made."""
        severity = self.access if event in ACCESS_EVENTS else _SEVERITY.get(level, WARNING)
        return 0 <= severity <= self.worst and (self.verbose or severity != _DEBUG)

    def wants(self, event: LogEvent, severity: int) -> bool:
        """Whether an event of such a level is to be written."""
        if not 0 <= severity <= self.worst:
            return False
        return self.verbose or not (severity == _DEBUG or _is_noise(event, severity))


def _severity_named(priority: str) -> int:
    return _NOTHING if priority == "none" else LEVELS.index(priority)


def _is_noise(event: LogEvent, severity: int) -> bool:
    """Whether it is Twisted talking to itself."""
    if severity <= WARNING:
        return False
    namespace = str(event.get("log_namespace", ""))
    if namespace == "log_legacy":
        return any(words in message(event) for words in _PORT_NOISE)
    return namespace.startswith("twisted.")
