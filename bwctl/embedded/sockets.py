"""Sockets of the embedded tester: addresses, buffers, and what the kernel knows of a connection."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

from bwctl.embedded.protocol import MIN_WINDOW

_IP_MTU = 14  # linux/in.h
_IPV6_MTU = 24
_TCP_INFO_SIZE = 104
_TOTAL_RETRANS = struct.Struct("100xI")  # linux/tcp.h, struct tcp_info, tcpi_total_retrans

SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_TIMESPEC = struct.Struct("@ll")
_NOTE = (socket.SOL_SOCKET, SO_TIMESTAMPNS, _TIMESPEC.size)
NOTE_SPACE = socket.CMSG_SPACE(_TIMESPEC.size)  # octets of ancillary data per datagram
DATAGRAM_BUFFER = 4 << 20  # octets, as in C

Address = tuple[Any, ...]  # as socket has it: two items for IPv4, four for IPv6


def resolve(address: str, port: int) -> tuple[socket.AddressFamily, Address]:
    """Family and socket address of a numeric address.

    Raises:
        OSError: it is not one.
    """
    host = address.encode()  # octets: text would import the codec for domain names
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    family, _, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)[
        0
    ]
    return family, target


def listen(address: str, port: int, window: int) -> socket.socket:
    """A listening, non-blocking socket.

    Raises:
        OSError: the address or port is not to be had.
    """
    family, target = resolve(address, port)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        set_window(listener, window)  # the window scale of connections comes from here
        listener.bind(target)
        listener.listen(128)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def receive_datagrams(address: str, port: int, window: int) -> socket.socket:
    """A non-blocking socket for datagrams; where the kernel can it notes their time of arrival.

    Raises:
        OSError: the address or port is not to be had.
    """
    one = _datagram_socket(address, port)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window or DATAGRAM_BUFFER)
        one.setblocking(False)
    except OSError:
        one.close()
        raise
    if sys.platform == "linux":
        with suppress(OSError):  # some kernels in the clothes of Linux cannot
            one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return one


def send_datagrams(address: str, port: int, window: int, tos: int) -> socket.socket:
    """A socket for datagrams from an address, and from a port if that is free.

    Raises:
        OSError: the address is not to be had.
    """
    try:
        one = _datagram_socket(address, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        one = _datagram_socket(address, 0)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, window or DATAGRAM_BUFFER)
        set_tos(one, tos)
    except OSError:
        one.close()
        raise
    return one


def _datagram_socket(address: str, port: int) -> socket.socket:
    family, target = resolve(address, port)
    one = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(target)
    except OSError:
        one.close()
        raise
    return one


def notes_arrivals(one: socket.socket) -> bool:
    """Whether the kernel notes the times of arrival on a socket."""
    try:
        return bool(one.getsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS))
    except OSError:
        return False


def arrival(notes: list[tuple[int, int, bytes]]) -> tuple[int, int] | None:
    """Unix time, s and ns, that the kernel noted for a datagram; None if it noted none."""
    for level, kind, data in notes:
        if (level, kind, len(data)) == _NOTE:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            return seconds, nanoseconds
    return None


def set_window(connection: socket.socket, window: int) -> None:
    """Fix both socket buffers, octets; 0 leaves them to the kernel's autotuning."""
    if window:
        window = max(window, MIN_WINDOW)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, window)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)


def window_of(connection: socket.socket) -> int:
    """The smaller of the two buffers that the kernel gave, octets."""
    return min(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
    )


def set_tos(connection: socket.socket, tos: int) -> None:
    """Set the TOS octet, or the traffic class of IPv6."""
    if tos and connection.family == socket.AF_INET6:
        connection.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    elif tos:
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)


def no_delay(connection: socket.socket) -> None:
    """Let small writes go out at once."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def mss_of(connection: socket.socket) -> int:
    """Maximum segment size, octets."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)


def mtu_of(connection: socket.socket) -> int:
    """Path MTU as the kernel knows it, octets; 0 if it does not tell."""
    try:
        if connection.family == socket.AF_INET6:
            return connection.getsockopt(socket.IPPROTO_IPV6, _IPV6_MTU)
        return connection.getsockopt(socket.IPPROTO_IP, _IP_MTU)
    except OSError:
        return 0


def retransmits_of(connection: socket.socket) -> int | None:
    """Segments that TCP sent again so far; None if the kernel does not tell."""
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
        return int(_TOTAL_RETRANS.unpack(info)[0])
    except (OSError, struct.error):
        return None


class StopSignals:
    """TERM, INT and HUP as octets to read beside the sockets: the test ends with a report."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)

    def name(self) -> str:
        """The signal that came; only when `reader` is readable."""
        return signal.Signals(os.read(self.reader, 1)[0]).name
