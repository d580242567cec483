"""How the two peer agents of a test find each other. Source: wire.md 6.1, 8.2."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IReactorTCP
from twisted.internet.protocol import ClientFactory, ServerFactory
from twisted.internet.protocol import Protocol as Dialogue
from twisted.python.failure import Failure

from bwctl.control.session import Stopped
from bwctl.limits.addresses import plain_address, unmapped
from bwctl.net.link import ClientLink, PeerFailure, PeerLink, ServerLink
from bwctl.net.once import Once
from bwctl.values import IPAddress

_MAX_CANDIDATES = 8  # connections on the peer port at one time; more are dropped at once
_CONNECT_TIMEOUT_S = 10


class Meeting(Protocol):
    """One end's way to the other end's peer agent."""

    met: Once[PeerFailure | None]
    """Fires with None when somebody is there, with the failure when nobody can be."""

    receiver_ready: Once[None]
    """Fires when the tool's server is known to listen, or when nobody can tell."""

    ended: Once[Stopped | None]
    """Fires when the other end's agent says that it is done, or is gone."""

    @property
    def port(self) -> int | None:
        """Where it listens now; None: nowhere."""

    def settle(self) -> PeerLink | None:
        """At the start of the test: the connection to use, None if there is none."""

    def tell_ready(self) -> None:
        """Our tester listens: tell the other end if it can hear that."""

    def close(self) -> None:
        """Let go of everything but the connection that `settle` gave."""


class NoMeeting:
    """A test whose other end has no daemon (no_server_endpoint)."""

    def __init__(self) -> None:
        self.met: Once[PeerFailure | None] = Once()
        self.met.fire(None)
        self.receiver_ready: Once[None] = Once()
        self.receiver_ready.fire(None)
        self.ended: Once[Stopped | None] = Once()

    port = None

    def settle(self) -> PeerLink | None:
        """Nobody."""
        return None

    def tell_ready(self) -> None:
        """Nobody listens."""

    def close(self) -> None:
        """Nothing is open."""


class _TurnedAway(Dialogue):
    """One too many."""

    def connectionMade(self) -> None:
        self.transport.abortConnection()  # type: ignore[union-attr]


class Doorway(ServerFactory):
    """The server daemon's peer port: takes connections until the test starts.

    Strangers use nothing up. In open mode anybody can complete the handshake, so until the start
    all who did are kept, and `settle` takes the best: knowledge of the SID counts most, then the
    expected address. What a stranger sends before that has no effect.

    Args:
        strict: nobody from another address counts. An address behind a translator differs, but
            where our tester sends to one at which nothing has to answer, it has to be the peer's.
    """

    noisy = False

    def __init__(
        self, make_link: Callable[[], ServerLink], expected: IPAddress, *, strict: bool = False
    ) -> None:
        self.met: Once[PeerFailure | None] = Once()
        self.receiver_ready: Once[None] = Once()
        self.ended: Once[Stopped | None] = Once()
        self._make_link = make_link
        self._expected = unmapped(expected)
        self._strict = strict
        self._candidates: list[ServerLink] = []
        self._chosen: ServerLink | None = None
        self._port: IListeningPort | None = None

    def open(
        self, reactor: IReactorTCP, ports: Sequence[int], address: IPAddress, *, tls: bool = False
    ) -> int:
        """Listen on a free port of a range, from a random one on; an empty range: any port.

        Raises:
            CannotListenError: the address is not ours, or no port is free.
        """
        factory: Any = self
        if tls:
            from bwctl.net.peertls import protected

            factory = protected(self, calls=False)
        self._port = _listen(reactor, ports, factory, str(address))
        return self.port or 0

    @property
    def port(self) -> int | None:
        """Where it listens now."""
        return int(self._port.getHost().port) if self._port is not None else None  # type: ignore[attr-defined]

    def buildProtocol(self, addr: IAddress | None) -> ServerLink | _TurnedAway:
        """One more candidate; if there are too many, the least likely one makes room."""
        if len(self._candidates) >= _MAX_CANDIDATES:
            worst = min(self._candidates, key=self._likelihood)
            if worst.proven:
                return _TurnedAway()
            self._candidates.remove(worst)
            worst.abort()
        link = self._make_link()
        link.factory = self
        self._candidates.append(link)
        link.established.wait().addCallback(self._established, link)
        link.stopped.wait().addCallback(self._gone, link)
        return link

    def _established(self, failure: PeerFailure | None, link: ServerLink) -> None:
        if failure is not None:
            return
        if self.receiver_ready.fired:
            link.tell_ready()
        self.met.fire(None)

    def _gone(self, stop: Stopped | None, link: ServerLink) -> None:
        if link is self._chosen or (stop is not None and link.proven):
            self.ended.fire(stop)
        elif link in self._candidates:
            self._candidates.remove(link)
            link.abort()  # a stranger who says that it is done; nobody else would close it

    def settle(self) -> ServerLink | None:
        """The best candidate that is there; the others are dropped."""
        there = [link for link in self._candidates if link.established.value is None]
        there = [link for link in there if link.established.fired]
        if self._strict:
            there = [link for link in there if self._is_expected(link)]
        self._chosen = max(there, key=self._rank, default=None)
        self.close()
        return self._chosen

    def _rank(self, link: ServerLink) -> tuple[bool, bool]:
        return (link.proven, self._is_expected(link))

    def _is_expected(self, link: ServerLink) -> bool:
        host = getattr(link.transport.getPeer(), "host", None)
        return host is not None and plain_address(host) == self._expected

    def _likelihood(self, link: ServerLink) -> tuple[bool, bool, bool]:
        """Who stays when there are too many; of equals the older one goes.

        The address counts before the handshake: anybody can finish one in open mode, and who
        belongs here may still be in the middle of its own.
        """
        proven, expected = self._rank(link) if link.connected else (False, False)
        return (proven, expected, link.established.fired)

    def tell_ready(self) -> None:
        """Tell all who are there, and those who come."""
        self.receiver_ready.fire(None)
        for link in self._candidates:
            link.tell_ready()

    def close(self) -> None:
        """Listen no more, and drop all candidates but the chosen one."""
        if self._port is not None:
            self._port.stopListening()
            self._port = None
        for link in list(self._candidates):
            if link is not self._chosen:
                link.abort()


def _listen(
    reactor: IReactorTCP, ports: Sequence[int], factory: ServerFactory, host: str
) -> IListeningPort:
    first = random.randrange(len(ports)) if ports else 0  # noqa: S311 - spreads load, no secret
    failure: CannotListenError | None = None
    for port in [*ports[first:], *ports[:first]] or [0]:
        try:
            return reactor.listenTCP(port, factory, backlog=_MAX_CANDIDATES, interface=host)
        except CannotListenError as error:
            failure = error
    assert failure is not None, "at least one port was tried"
    raise failure


class Call(ClientFactory):
    """The client daemon's one connection to the other end's peer port."""

    noisy = False
    port = None

    def __init__(self, link: ClientLink) -> None:
        self._link = link
        self._connector: Any = None
        self._settled = False
        self.met = link.established
        self.receiver_ready = link.ready
        self.ended = link.stopped

    def dial(
        self,
        reactor: IReactorTCP,
        source: IPAddress,
        target: IPAddress,
        port: int,
        *,
        tls: bool = False,
    ) -> None:
        """Connect from our test address to the other end's."""
        factory: Any = self
        if tls:
            from bwctl.net.peertls import protected

            factory = protected(self, calls=True)
        self._connector = reactor.connectTCP(
            str(target), port, factory, _CONNECT_TIMEOUT_S, bindAddress=(str(source), 0)
        )

    def buildProtocol(self, addr: IAddress | None) -> ClientLink:
        """The link made beforehand."""
        return self._link

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """Nobody is there."""
        why = f"cannot connect to the other end: {reason.getErrorMessage()}"
        self._link.established.fire(PeerFailure(why))
        self._link.stopped.fire(None)

    def settle(self) -> ClientLink | None:
        """The link, if it was ever connected."""
        self._settled = bool(self._link.connected)
        return self._link if self._settled else None

    def tell_ready(self) -> None:
        """The tool's client does not listen."""

    def close(self) -> None:
        """Stop calling, and drop a link that nobody has."""
        if self._settled or self._connector is None:
            return
        if self._connector.state == "connecting":
            self._connector.stopConnecting()
        else:
            self._link.abort()
