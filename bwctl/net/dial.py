"""Finding and reaching daemons: names, families, addresses, one time limit for each."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.protocol import ClientFactory, Factory
from twisted.python.failure import Failure

from bwctl.net.client import ControlClient
from bwctl.net.failures import SessionFailure
from bwctl.net.once import Once
from bwctl.values import IPAddress

RESOLVE_TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 5.0  # for each address; C gives two, too little for a lost SYN


async def resolve(reactor: Any, host: str) -> list[IPAddress]:
    """All addresses of a name, IPv6 first.

    Raises:
        SessionFailure: it has none.
    """
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    found = await _look_up(reactor, host)
    addresses = dict.fromkeys(ip_address(str(entry[4][0]).split("%")[0]) for entry in found)
    return sorted(addresses, key=lambda address: -address.version)


async def _look_up(reactor: Any, host: str) -> list[Any]:
    """`getaddrinfo` in a thread that nobody waits for when the client ends."""
    answer: Once[Any] = Once()

    def look() -> None:
        try:
            found: Any = socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            found = error
        reactor.callFromThread(answer.fire, found)

    try:
        Thread(target=look, daemon=True, name="resolver").start()
    except RuntimeError as error:  # the user may have no more threads
        answer.fire(error)
    late = reactor.callLater(RESOLVE_TIMEOUT_S, answer.fire, TimeoutError("no answer from DNS"))
    try:
        found = await answer.wait()
    finally:
        if late.active():
            late.cancel()
    if isinstance(found, BaseException):
        reason = getattr(found, "strerror", None) or str(found)
        raise SessionFailure("unresolved", f"{host}: {reason}", "check the name")
    return list(found)


def source_towards(target: IPAddress) -> IPAddress:
    """Our address for a target: what the routing table says; nothing is sent.

    Raises:
        SessionFailure: there is no route.
    """
    family = socket.AF_INET6 if isinstance(target, IPv6Address) else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:  # there may be no IPv6 at all
            probe.connect((str(target), 9))
            return ip_address(probe.getsockname()[0].split("%")[0])
    except OSError as error:
        text = f"no route to {target}: {error.strerror}"
        raise SessionFailure("unreachable", text) from error


async def reach(
    reactor: Any,
    client: ControlClient,
    addresses: Sequence[IPAddress],
    port: int,
    bind: str = "",
) -> IPAddress:
    """Connect to the first of some addresses that answers; returns it.

    Raises:
        SessionFailure: none does; tells of the last.
    """
    failure = SessionFailure("unreachable", f"{client.name} has no address of that family")
    for address in addresses:
        try:
            await _connect(reactor, client, address, port, bind)
            return address
        except ConnectError as error:
            failure = _unreached(client.name, address, port, error)
    raise failure


def _connect(
    reactor: Any, client: ControlClient, address: IPAddress, port: int, bind: str
) -> Deferred[None]:
    """One try. Endpoints would do, but importing them costs a quarter of the client's start."""
    attempt = _Attempt(client)
    source = (bind, 0) if bind else None
    factory: Any = attempt
    if client.tls is not None:
        from twisted.protocols.tls import TLSMemoryBIOFactory

        factory = TLSMemoryBIOFactory(client.tls, True, attempt)
    attempt.connector = reactor.connectTCP(
        str(address), port, factory, CONNECT_TIMEOUT_S, bindAddress=source
    )
    return attempt.done


class _Attempt(ClientFactory):
    """Gives the one protocol made beforehand; `done` tells how connecting went.

    Cancelling `done` gives the attempt up.
    """

    noisy = False

    def __init__(self, client: ControlClient) -> None:
        self._client = client
        self._given_up = False
        self.connector: Any = None
        self.done: Deferred[None] = Deferred(self._give_up)

    def _give_up(self, done: Deferred[None]) -> None:
        self._given_up = True
        self.connector.stopConnecting()

    def buildProtocol(self, addr: Any) -> ControlClient:
        self.done.callback(None)
        return self._client

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        if not self._given_up:
            self.done.errback(reason)


def _unreached(name: str, address: IPAddress, port: int, error: ConnectError) -> SessionFailure:
    written = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    where = name if name == written else f"{name} ({address})"
    if isinstance(error, ConnectionRefusedError):
        return SessionFailure(
            "refused", f"no daemon listens at {where}", "is bwctld running there, on that port?"
        )
    if isinstance(error, ConnectTimeout):
        text = f"no answer from {where} within {CONNECT_TIMEOUT_S:g} s"
        return SessionFailure("unreachable", text, "a firewall may drop the packets")
    return SessionFailure("unreachable", f"cannot reach {where}: {error}")


def adopt_pair(reactor: Any, server: Factory, client: ControlClient) -> None:
    """Join a client to a server factory of this process, through a pair of local sockets."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end, factory in ((theirs, server), (ours, _Attempt(client))):
        with end:
            end.setblocking(False)
            reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, factory)
