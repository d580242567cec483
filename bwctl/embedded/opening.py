"""The client's way to a test: connections, greetings, proposals and responses.

Source: thrulay.md sections 2 and 10.
"""

from __future__ import annotations

import socket

from bwctl.embedded import sockets
from bwctl.embedded.options import Options
from bwctl.embedded.protocol import (
    DEFAULT_WINDOW,
    GREETING,
    MAX_REASON,
    MAX_RESPONSE,
    Collector,
    ProtocolError,
    Refused,
    Response,
    TCPProposal,
    check_greeting,
    parse_response,
    printable,
)


def open_streams(options: Options) -> tuple[list[socket.socket], Response]:
    """Connections of all streams, ready for blocks, and what the server said to the first one.

    As C does: all are connected and greeted before the first proposal.

    Raises:
        OSError, Refused, ProtocolError: there is no test.
    """
    connections: list[socket.socket] = []
    try:
        for _ in range(options.streams):
            connections.append(connect(options, options.window))
        return connections, _agreed([negotiate(one, options) for one in connections])
    except BaseException:
        for connection in connections:
            connection.close()
        raise


def connect(options: Options, window: int) -> socket.socket:
    """A connection that the server has greeted; its buffers have `window` octets, 0: any.

    Raises:
        OSError: no connection.
        Refused, ProtocolError: the server does not want us, or is another kind of server.
    """
    family, target = sockets.resolve(options.connect, options.port)
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(options.timeout)
        _prepare(connection, options, window)
        connection.connect(target)
        _read_greeting(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: socket.socket, options: Options, window: int) -> None:
    sockets.set_window(connection, window)
    sockets.set_tos(connection, options.tos)
    if options.mss:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, options.mss)
    if options.bind:
        connection.bind(sockets.resolve(options.bind, 0)[1])


def _read_greeting(connection: socket.socket) -> None:
    octets = b""
    while len(octets) < len(GREETING):
        octets += receive(connection, len(GREETING) - len(octets))
    if not check_greeting(octets):
        raise Refused(printable(connection.recv(MAX_REASON)) or "no reason given")


def receive(connection: socket.socket, size: int) -> bytes:
    """Some octets of the server, before the test.

    Raises:
        OSError, ProtocolError: there are none.
    """
    octets = connection.recv(size)
    if not octets:
        raise ProtocolError("the server closed the connection before the test")
    return octets


def negotiate(connection: socket.socket, options: Options) -> Response:
    """Propose a TCP test; the server's response.

    Raises:
        OSError, ProtocolError: no response, or one that makes no sense.
    """
    proposal = TCPProposal(options.window or DEFAULT_WINDOW, options.block)
    connection.sendall(proposal.encode())
    collector = Collector(MAX_RESPONSE)
    while (text := collector.feed(receive(connection, MAX_RESPONSE))) is None:
        pass
    return parse_response(text)


def _agreed(responses: list[Response]) -> Response:
    if len({response.block for response in responses}) != 1:
        raise ProtocolError("the server gave the streams different block sizes")
    return responses[0]
