"""What every connection of the control protocol is set to."""

from __future__ import annotations

import socket
from typing import Any, Final

IDLE_S = 30  # without a word; then the system asks the other host whether it is there
INTERVAL_S = 10
GONE_S = 60  # a host that has acknowledged nothing for so long is gone

_WISHES: Final = (
    ("TCP_KEEPIDLE", lambda: IDLE_S),
    ("TCP_KEEPINTVL", lambda: INTERVAL_S),
    ("TCP_KEEPCNT", lambda: max(1, (GONE_S - IDLE_S) // INTERVAL_S)),
    ("TCP_USER_TIMEOUT", lambda: GONE_S * 1000),
)
"""Options that not every system has, and their values."""


def prepare(transport: Any) -> None:
    """Small messages leave at once, and a host that is gone is noticed; local sockets need neither.

    During a test nobody says anything: without this a client whose host lost its power, or its
    network, would hold its connection for hours.
    """
    while hasattr(transport, "transport"):  # TLS
        transport = transport.transport
    if getattr(transport, "is_prepared", False):
        return
    get_handle = getattr(transport, "getHandle", None)  # not of a transport in memory
    handle = get_handle() if get_handle is not None else None
    if handle is not None and handle.family in (socket.AF_INET, socket.AF_INET6):
        set_options(handle)


def set_options(handle: socket.socket) -> None:
    """The same for a TCP socket; one that listens hands them on to what it accepts."""
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _WISHES:
        option = getattr(socket, name, None)
        if option is not None:
            handle.setsockopt(socket.IPPROTO_TCP, option, value())
