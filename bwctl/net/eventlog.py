"""A logger for what every connection and request brings: an event that nobody hears costs nothing.

Twisted's own makes a logger anew for each access and an event for each call, before anybody can say
that he does not want it; for a busy daemon that is a tenth of its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar

from twisted.logger import Logger, LogLevel

Hears = Callable[[Any, str], bool]  # (level, name of the event)


def everything(level: Any, event: str) -> bool:
    """Any observer may want it."""
    return True


class EventLog(Logger):
    """`twisted.logger.Logger` as a class attribute, for events that have a name (`event=`).

    `hears` belongs to whoever owns the log of the process; as long as nobody does, all is told.
    """

    hears: ClassVar[Hears] = staticmethod(everything)

    def __get__(self, instance: object, owner: type | None = None) -> EventLog:
        return self

    def __set_name__(self, owner: type, name: str) -> None:
        self.namespace = f"{owner.__module__}.{owner.__name__}"
        self.source = owner

    def info(self, format: str | None = None, **fields: Any) -> None:
        """As Twisted's, which hands on what it was given twice."""
        if EventLog.hears(LogLevel.info, fields["event"]):
            self.tell(LogLevel.info, format, fields)

    def debug(self, format: str | None = None, **fields: Any) -> None:
        """As `info`."""
        if EventLog.hears(LogLevel.debug, fields["event"]):
            self.tell(LogLevel.debug, format, fields)

    def emit(self, level: Any, format: str | None = None, **fields: Any) -> None:
        """Make an event and hand it on, if somebody hears it."""
        if EventLog.hears(level, fields["event"]):
            self.tell(level, format, fields)

    def tell(self, level: Any, format: str | None, fields: dict[str, Any]) -> None:
        """Make the event and hand it on; all that is logged comes here."""
        fields.update(
            log_logger=self,
            log_level=level,
            log_namespace=self.namespace,
            log_source=self.source,
            log_format=format,
            log_time=time.time(),
        )
        self.observer(fields)
