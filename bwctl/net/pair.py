"""The two ends of a client's tests: reached, opened, and known to each other by address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults

from bwctl.control.client import Identity, Opened
from bwctl.control.session import MAX_RESULT
from bwctl.control.timing import Reading
from bwctl.errors import CertificateError
from bwctl.interfaces import ITester
from bwctl.net.client import ControlClient
from bwctl.net.clock import IClock
from bwctl.net.dial import adopt_pair, reach, resolve, source_towards
from bwctl.net.failures import SessionFailure
from bwctl.net.once import Once, settled
from bwctl.net.standin import StandIn
from bwctl.net.timers import Timers
from bwctl.results import ClockReading
from bwctl.values import IPAddress, seconds, ticks

if TYPE_CHECKING:  # a client between two daemons never needs them
    from bwctl.net.factory import ControlFactory
    from bwctl.net.host import Host
    from bwctl.net.probe import Probe
    from bwctl.net.tls import ClientTLS

CLOSING_S = 5.0  # a tester is killed within two seconds, its guard one later


@dataclass(frozen=True, slots=True)
class TLSWish:
    """A daemon's TLS port: whom to trust, and what to show. Paths of PEM files."""

    trusted: str = ""  # "": the system's issuers
    certificate: str = ""  # ours, for a daemon that wants one
    key: str = ""  # "": in the same file


@dataclass(frozen=True, slots=True, kw_only=True)
class EndWish:
    """One test end as the user names it."""

    host: str = ""  # "": the host that the client runs on
    port: int = 4823
    identity: Identity = Identity()
    tls: TLSWish | None = None  # None: plain TCP
    needs_daemon: bool = True  # False: -E, and this end is the tester's server

    @property
    def is_local(self) -> bool:
        """Not named: a local daemon if there is one, else the client runs that end itself."""
        return not self.host

    @property
    def name(self) -> str:
        """For messages."""
        if self.is_local:
            return "the local end"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(kw_only=True)
class Surroundings:
    """What a client works with."""

    reactor: Any
    clock: IClock
    timers: Timers
    testers: Mapping[str, ITester]
    ip_version: int = 0  # 4 or 6; 0: any
    bind: str = ""  # local address of control connections
    max_result: int = 16 * MAX_RESULT  # a daemon may be set to keep more than we would
    local_host: Callable[[], Host] | None = None  # makes the private local end
    note: Callable[[str], None] = lambda text: None  # told at once what the user should know


@dataclass(slots=True, eq=False)
class OpenEnd:
    """A daemon that took us, its test address, and its clock."""

    wish: EndWish
    client: ControlClient | StandIn
    address: IPAddress
    opened: Opened
    private: bool = False  # run by this client, without a daemon
    clock: ClockReading | None = None
    remote: Reading | None = None
    read_at: float = 0.0  # our monotonic time when the clock was read

    @property
    def has_daemon(self) -> bool:
        """Whether anybody is there whom one can ask."""
        return isinstance(self.client, ControlClient)

    @property
    def over_tls(self) -> bool:
        """Whether nobody but it and us knows what is said; a private end is in our own process."""
        client = self.client
        return self.private or (isinstance(client, ControlClient) and client.tls is not None)

    @property
    def rtt(self) -> float:
        """Bound of the round trip, seconds."""
        return self.client.rtt

    async def read_clock(self, clock: IClock) -> None:
        """Ask for the daemon's time. Source: clients.md 7.1."""
        response = await self.client.time()
        self.read_at = clock.mono()
        error = response.error.plus(ticks(self.rtt))
        self.remote = Reading(response.time, error)
        offset = seconds(response.time - clock.now())
        self.clock = ClockReading(error=response.error, rtt_s=self.rtt, offset_s=offset)


@dataclass(slots=True, eq=False)
class Held:
    """What has to be given back: connections, and the parts of an end that the client runs."""

    clients: list[ControlClient] = field(default_factory=list)
    factory: ControlFactory | None = None
    probe: Probe | None = None

    @property
    def output(self) -> bytes:
        """What the tester of the end that the client runs has written so far."""
        agents = self.factory.connections.agents if self.factory is not None else ()
        return b"".join(one.process.output for one in agents if one.process is not None)

    def close(self) -> None:
        """Begin to give all of it back; harmless when done already."""
        for client in self.clients:
            client.close()
        if self.probe is not None:
            self.probe.stop()

    @property
    def is_gone(self) -> bool:
        """Whether nothing is left."""
        connected = any(one.connected and not one.lost.fired for one in self.clients)
        inside = self.factory is not None and not self.factory.all_over().called
        probing = self.probe is not None and not self.probe.ended().called
        return not (connected or inside or probing)

    async def gone(self, timers: Timers, most_s: float = CLOSING_S) -> None:
        """After `close`: until nothing is left, or should be."""
        waits: list[Deferred[Any]] = [
            client.lost.wait() for client in self.clients if client.connected
        ]
        if self.probe is not None:
            waits.append(self.probe.ended())
        if self.factory is not None:
            waits.append(self.factory.all_over())
        enough: Once[None] = Once()
        timer = timers.after(most_s, enough.fire, None)
        gatherResults(waits, consumeErrors=True).addBoth(lambda _: enough.fire(None))
        try:
            await enough.wait()
        finally:
            timer.cancel()
            for client in self.clients:
                if client.connected and not client.lost.fired:
                    client.transport.abortConnection()


@dataclass(slots=True, eq=False)
class Pair:
    """Receiver and sender, both open."""

    receiver: OpenEnd
    sender: OpenEnd
    held: Held
    notes: list[str] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether another test can use the same connections."""
        return self.receiver.client.usable and self.sender.client.usable

    def close(self) -> None:
        """End both connections."""
        self.held.close()


class Opener:
    """Reaches both ends of a test. Source: clients.md 5, 7.1."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.held = Held()
        self._notes: list[str] = []

    async def open(self, receiver: EndWish, sender: EndWish) -> Pair:
        """Both ends, in one address family.

        Raises:
            SessionFailure: one of them cannot be had; nothing is left open.
        """
        try:
            pair = await self._open(receiver, sender)
        except BaseException:
            self.held.close()
            raise
        pair.notes = self._notes
        return pair

    async def open_one(self, wish: EndWish) -> OpenEnd:
        """One daemon alone, to ask it about itself.

        Raises:
            SessionFailure: it cannot be had; nothing is left open.
        """
        try:
            return (await self._open_named([wish]))[0]
        except BaseException:
            self.held.close()
            raise

    async def _open(self, receiver: EndWish, sender: EndWish) -> Pair:
        if receiver.is_local and sender.is_local:
            raise SessionFailure("unsupported", "name at least one end with -c or -s")
        named = [wish for wish in (receiver, sender) if not wish.is_local]
        ends = await self._open_named(named)
        if receiver.is_local or sender.is_local:
            local = await self._open_local(sender if sender.is_local else receiver, ends[0])
            ends = [*ends, local] if sender.is_local else [local, *ends]
        self._replace_loopback(ends)
        _check_daemons(ends)
        first, second = ends
        return Pair(first, second, self.held)

    async def _open_named(self, wishes: Sequence[EndWish]) -> list[OpenEnd]:
        reactor = self._around.reactor
        for wish in wishes:
            _client_tls(wish)  # files that cannot be used are told before anything is sent
        addresses = [await resolve(reactor, wish.host) for wish in wishes]
        failure: SessionFailure | None = None
        for version in self._families(wishes, addresses):
            try:
                return await self._open_family(wishes, addresses, version)
            except SessionFailure as error:
                if error.code not in ("unreachable", "refused"):
                    raise
                failure = failure or error
                self.held.close()  # the other end may have answered in this family
        assert failure is not None, "there is at least one family"
        raise failure

    def _families(
        self, wishes: Sequence[EndWish], addresses: Sequence[Sequence[IPAddress]]
    ) -> list[int]:
        """IP versions that all ends have, 6 first."""
        wanted = (self._around.ip_version,) if self._around.ip_version else (6, 4)
        common = [
            version
            for version in wanted
            if all(any(one.version == version for one in some) for some in addresses)
        ]
        if not common:
            names = " and ".join(wish.host for wish in wishes)
            family = f"IPv{wanted[0]}" if self._around.ip_version else "common"
            raise SessionFailure("unresolved", f"{names}: no {family} address")
        return common

    async def _open_family(
        self,
        wishes: Sequence[EndWish],
        addresses: Sequence[Sequence[IPAddress]],
        version: int,
    ) -> list[OpenEnd]:
        opening = [
            self._open_one(wish, [one for one in some if one.version == version])
            for wish, some in zip(wishes, addresses, strict=True)
        ]
        results = await settled(opening)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results

    async def _open_one(self, wish: EndWish, addresses: Sequence[IPAddress]) -> OpenEnd:
        around = self._around
        client = self._client(wish)
        try:
            address = await reach(around.reactor, client, addresses, wish.port, around.bind)
        except SessionFailure as failure:
            if wish.needs_daemon or failure.code not in ("refused", "unreachable"):
                raise
            return await self._stand_in(wish, addresses[0])
        return await self._opened(wish, client, address)

    async def _stand_in(self, wish: EndWish, address: IPAddress) -> OpenEnd:
        source_towards(address)  # a family without a route is none
        self._note(f"no daemon at {wish.name}; the other end tests against {address} alone")
        client = StandIn(self._around.clock)
        end = OpenEnd(wish, client, address, client.opened)
        await end.read_clock(self._around.clock)
        return end

    def _client(self, wish: EndWish) -> ControlClient:
        around = self._around
        client = ControlClient(
            wish.name,
            wish.identity,
            around.clock,
            around.timers,
            max_result=around.max_result,
            tls=_client_tls(wish),
        )
        self.held.clients.append(client)
        return client

    async def _opened(self, wish: EndWish, client: ControlClient, address: IPAddress) -> OpenEnd:
        opened = await client.open()
        end = OpenEnd(wish, client, address, opened)
        await end.read_clock(self._around.clock)
        return end

    async def _open_local(self, wish: EndWish, other: OpenEnd) -> OpenEnd:
        """A daemon of this host if it answers, else an end of our own (clients.md 5.4)."""
        address = source_towards(other.address)
        try:
            return await self._open_one(replace(wish, host=str(address)), [address])
        except SessionFailure as failure:
            if failure.code not in ("refused", "unreachable", "authentication", "denied"):
                raise
            self._note(f"no local daemon at {address}; this end runs without one")
        return await self._open_private(wish, address)

    async def _open_private(self, wish: EndWish, address: IPAddress) -> OpenEnd:
        from bwctl.net.factory import ControlFactory
        from bwctl.net.probe import Probe

        if self._around.local_host is None:
            raise SessionFailure("refused", "there is no local daemon, and none is to be made")
        host = self._around.local_host()
        self.held.probe = Probe(host)
        self.held.probe.begin()
        self.held.factory = ControlFactory(host)
        client = self._client(replace(wish, identity=Identity()))
        adopt_pair(self._around.reactor, self.held.factory, client)
        end = await self._opened(wish, client, address)
        end.private = True
        return end

    def _replace_loopback(self, ends: Sequence[OpenEnd]) -> None:
        """127.0.0.1 and ::1 mean nothing to another host (clients.md 5.3)."""
        for end, other in ((ends[0], ends[1]), (ends[1], ends[0])):
            first = str(end.address) in ("127.0.0.1", "::1")
            if first and not other.address.is_loopback:
                end.address = source_towards(other.address)
                self._note(f"{end.wish.name}: using address {end.address} for the test")

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self._around.note(text)


def _client_tls(wish: EndWish) -> ClientTLS | None:
    if wish.tls is None or wish.is_local:
        return None
    from bwctl.net.tls import ClientTLS, Files

    files = Files(wish.tls.certificate, wish.tls.key, wish.tls.trusted)
    try:
        return ClientTLS(wish.host, files)
    except CertificateError as error:
        hint = "--ca, --cert and --key name files in PEM"
        raise SessionFailure("usage", str(error), hint) from error


def _check_daemons(ends: Sequence[OpenEnd]) -> None:
    if not any(end.has_daemon for end in ends):
        text = "neither end has a daemon, so there is nobody to run the test"
        raise SessionFailure("refused", text, "-E spares the daemon of one end only")
