"""A poll whose descriptors have handlers."""

from __future__ import annotations

import select
from collections.abc import Callable

READ = select.POLLIN
WRITE = select.POLLOUT
BROKEN = select.POLLERR | select.POLLHUP

Handler = Callable[[int], None]
"""Takes the events of poll."""


class Loop:
    """Descriptors, each with a handler and the events that are waited for."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Handler] = {}
        self._events: dict[int, int] = {}

    def watch(self, fd: int, handler: Handler, events: int = READ) -> None:
        """Wait for events of a descriptor; a second call changes handler and events."""
        self._handlers[fd] = handler
        self._events[fd] = events
        self._poll.register(fd, events)

    def want(self, fd: int, events: int) -> None:
        """Wait for other events."""
        if self._events[fd] != events:
            self._events[fd] = events
            self._poll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Wait for it no more; harmless when that is so already."""
        if self._handlers.pop(fd, None) is not None:
            del self._events[fd]
            self._poll.unregister(fd)

    def turn(self, timeout_ns: int) -> None:
        """Wait until something happens or the time is over, rounded up to ms, and handle it."""
        handlers = self._handlers
        for fd, events in self._poll.poll(max(-(-timeout_ns // 1_000_000), 0)):
            if handler := handlers.get(fd):  # it may be forgotten meanwhile
                handler(events)
