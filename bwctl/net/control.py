"""A daemon's control connections. Source: wire.md 4.1."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IAddress, IHandshakeListener, ISSLTransport
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from bwctl.control import server as asked
from bwctl.control.legality import State
from bwctl.control.server import ServerSession
from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.interfaces import ClientFacts, RequestFacts
from bwctl.limits import policy
from bwctl.limits.addresses import unmapped
from bwctl.limits.classes import LimitClass
from bwctl.limits.keys import Key
from bwctl.limits.places import Asker
from bwctl.limits.quota import requester
from bwctl.net.agent import Outcome, PeerAgent
from bwctl.net.broker import Booking, BrokerService, Refusal
from bwctl.net.carrier import Carrier
from bwctl.net.connections import Connections, plain_address
from bwctl.net.ends import NoPeerAgent, PeerWay, make_agent
from bwctl.net.eventlog import EventLog
from bwctl.net.hook_input import HookEvent
from bwctl.net.host import Host
from bwctl.net.names import peer_names
from bwctl.net.once import Once
from bwctl.net.plugged import PluginFailure
from bwctl.net.rules import Application
from bwctl.values import SID, SID_SIZE, IPAddress, Role
from bwctl.wire.fields import Mode
from bwctl.wire.request import TestRequest

MAX_CLIENT_RESULT = 64 * 1024  # octets; clients send none, and nobody reads them
_KILLING_S = 5.0  # from the last signal to the point where a stopping daemon waits no longer


@implementer(IHandshakeListener)
class ControlProtocol(Carrier):
    """One control client: who it is, what it asks the broker for, and its test."""

    log: ClassVar[EventLog] = EventLog()

    def __init__(
        self, host: Host, broker: BrokerService, peer: IPAddress, book: Connections[ControlProtocol]
    ) -> None:
        super().__init__(host, peer)
        self._book = book
        self._broker = broker
        self._names: Sequence[str] = ()  # of the client's certificate
        self._user: str | None = None
        self._facts: ClientFacts | None = None  # once it is known who the client is
        self._offered = Mode.NONE
        self._mode = Mode.OPEN
        self._rtt = 0.0
        self._greeted_at = 0.0
        self._booking: Booking | None = None
        self._agent: PeerAgent | None = None
        self._key: Deferred[Key | None] | None = None
        self._lost = False
        self._gone: Once[None] | None = None  # if somebody asked
        self._too_many = ""  # which bound on connections this one is beyond

    def _answer(self, event: asked.ServerEvent) -> None:
        _ANSWERS[type(event)](self, event)

    # -- transport -------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """The daemon speaks first; over TLS when it knows whose certificate it sees."""
        super().connectionMade()
        self._too_many = self._book.enter(self, self._peer, self._host)
        self._arm(self._host.handshake_timeout)
        if not ISSLTransport.providedBy(self.transport):
            self._greet()
            return
        self._session = ServerSession(Mode.NONE)
        if self._too_many:  # no handshake of TLS is worth the words
            self._close(self._too_many, "control.no_service")
            self.transport.abortConnection()

    def handshakeCompleted(self) -> None:
        """TLS is up."""
        self._names = peer_names(self.transport)
        self._greet()

    def _greet(self) -> None:
        host = self._host
        modes = Mode(policy.offered_modes(host.limits, self._peer, host.modes, self._names))
        if self._too_many:
            modes = Mode.NONE
        self._offered = modes
        self._session = ServerSession(modes, max_result=MAX_CLIENT_RESULT)
        self._greeted_at = host.clock.mono()
        self.transport.write(self._session.greet())
        if not modes:
            reason = self._too_many or f"no service for this address: {self._why_not_open()}"
            self._close(reason, "control.no_service")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Whatever the client held is free again."""
        self._lost = True
        self._book.leave(self, self._peer)
        self._drop_pending()
        if self._key is not None:
            self._key.cancel()
        self._release()
        if self._agent is not None:
            self._agent.abandon()
        if self._gone is not None:
            self._gone.fire(None)
        silent = not self._greeted_at and not self._too_many
        if silent and ISSLTransport.providedBy(self.transport):
            self.log.info(
                "{peer} turned away by TLS: {reason}",
                peer=self._peer,
                reason=reason.getErrorMessage(),
                event="control.turned_away",
            )
        self.log.debug("{peer} is gone", peer=self._peer, event="control.lost")

    @property
    def gone(self) -> Once[None]:
        """Fires when the connection is lost and nothing is held for it."""
        if self._gone is None:
            self._gone = Once()
            if self._lost:
                self._gone.fire(None)
        return self._gone

    @property
    def is_gone(self) -> bool:
        """Whether `gone` has fired, without making one."""
        return self._lost if self._gone is None else self._gone.fired

    @property
    def agent(self) -> PeerAgent | None:
        """The test that runs or waits for its start, if there is one."""
        return self._agent

    @property
    def booking(self) -> Booking | None:
        """What it holds, or has held until its time passed."""
        return self._booking

    @property
    def peer(self) -> IPAddress:
        """Where the client is."""
        return self._peer

    # -- handshake -------------------------------------------------------------------------------

    def _on_greeted(self, event: asked.ClientGreeted) -> None:
        self._rtt = self._host.clock.mono() - self._greeted_at
        self._mode = event.mode
        if self._host.probed.fired and (event.mode is Mode.OPEN or self._host.has_keys):
            key = None if event.mode is Mode.OPEN else self._host.keys.find(event.user)
            self._admit(key, event)  # nothing to wait for, as nearly always
            return
        admission: Deferred[Any] = self._host.probed.wait()
        admission.addCallback(lambda _: self._look_up(event))
        admission.addCallback(self._admit, event)
        admission.addCallback(lambda _: self._resume()).addErrback(self._broken)

    def _look_up(self, event: asked.ClientGreeted) -> Deferred[Key | None] | None:
        """The client's key; a site's own store may take its time."""
        if self._lost or event.mode is Mode.OPEN:
            return None
        self._key = self._host.key(event.user)
        return self._key

    def _admit(self, key: Key | None, event: asked.ClientGreeted) -> None:
        """Let the client in or turn it away, once it is known which testers there are."""
        if self._lost or self._closing:
            return
        if not self._session.verify(key):
            self._turn_away(event, self._why_not_verified(event, key))
            return
        self._user = event.user if event.mode is not Mode.OPEN else None
        self._facts = ClientFacts(
            address=self._peer, user=self._user, certificate_names=tuple(self._names)
        )
        limit_class = self._classify(self._facts)
        if limit_class is None:
            self._turn_away(event, "the policy failed")
            return
        # A policy's class may forbid the mode that the limits, by address alone, allowed.
        denials = policy.open_mode_denials(limit_class) if event.mode is Mode.OPEN else []
        reason = "; ".join(map(str, denials)) or self._book.enter_class(self, limit_class)
        if reason:
            self._turn_away(event, reason)
            return
        self.log.info(
            "{peer} connected, user {user}, class {limit_class}, mode {mode}",
            peer=self._peer,
            user=self._user or next(iter(self._names), "-"),
            limit_class=limit_class.name,
            mode=event.mode.name,
            event="control.opened",
        )
        self.transport.write(self._session.open(self._host.tools, self._host.started))
        self._arm(self._host.control_timeout)

    def _why_not_verified(self, event: asked.ClientGreeted, key: Key | None) -> str:
        """For the log alone: the client is told nothing."""
        if event.mode & self._offered:
            return "unknown user" if key is None else "wrong key"
        why = f" ({self._why_not_open()})" if event.mode is Mode.OPEN else ""
        return f"the mode was not offered{why}"

    def _why_not_open(self) -> str:
        """Whether the configuration or the class of the address leaves out the open mode."""
        host = self._host
        if not host.modes & Mode.OPEN:
            return "auth_mode has no O"
        limit_class = policy.classify(host.limits, self._peer, names=self._names)
        return "; ".join(map(str, policy.open_mode_denials(limit_class)))

    def _broken(self, failure: Failure) -> None:
        """A defect of ours: it costs this connection, and is logged with its traceback."""
        self.log.failure("control connection failed", failure=failure, event="control.broken")
        self.transport.abortConnection()

    def _classify(self, facts: ClientFacts) -> LimitClass | None:
        """The client's class, by the limits of this moment: they may have been read anew.

        None if a plugged-in policy fails.
        """
        try:
            return self._host.classify(facts)
        except PluginFailure:
            return None

    def _turn_away(self, event: asked.ClientGreeted, reason: str) -> None:
        self.log.warn(
            "{peer} turned away, user {user!r}, mode {mode}: {reason}",
            peer=self._peer,
            user=event.user,
            mode=event.mode.name,
            reason=reason,
            event="control.turned_away",
        )
        self.transport.write(self._session.refuse(AcceptType.REJECT))
        self._close("turned away", "control.closed")

    # -- requests --------------------------------------------------------------------------------

    def _on_time(self, event: asked.TimeAsked) -> None:
        self._arm(self._host.control_timeout)
        clock = self._host.clock
        self.transport.write(self._session.time(clock.now(), clock.error()))

    def _on_test(self, event: asked.TestAsked) -> None:
        self._arm(self._host.control_timeout)
        held = self._booking if event.update else None
        if held is not None:
            application = self._application(event.request, held.sid, moves=True)
            answer = self._broker.move(held, application)
        else:
            sid = self._new_sid(event.request)
            application = self._application(event.request, sid, moves=False)
            answer = self._broker.reserve(application)
        if isinstance(answer, Refusal):
            self._booking = None
            self.transport.write(self._session.deny(answer.accept, answer.start))
            return
        self._booking = answer
        port = answer.port if answer.reservation.role is Role.SERVER else 0
        self.transport.write(self._session.grant(answer.reservation.start, answer.sid, port))

    def _application(self, request: TestRequest, sid: SID, *, moves: bool) -> Application:
        assert self._facts is not None  # since it was let in
        limit_class = self._classify(self._facts)
        objections: Sequence[str] = ()
        if limit_class is None:
            limit_class = self._host.limits.default  # for the log: the answer is no
            objections = ("the policy failed",)
        elif self._host.plugged.policy is not None:
            objections = self._objections(self._facts, request, limit_class, moves)
        return Application(
            request=request,
            sid=sid,
            limit_class=limit_class,
            rtt=self._rtt,
            asker=self._asker,
            third_party=self._is_third_party(request),
            client=self._client_name,
            objections=objections,
            requester=self._requester,
        )

    # Worked out when the first request asks, as an idle client never does.

    @cached_property
    def _client_name(self) -> str:
        """Who it is, for the log."""
        return f"{self._peer} ({self._user or 'open'})"

    @cached_property
    def _requester(self) -> str:
        return requester(self._peer, self._user, self._names)

    @cached_property
    def _asker(self) -> Asker:
        host = getattr(self.transport.getHost(), "host", None)
        return Asker(self._peer, host is None or self._peer == plain_address(host))

    def _objections(
        self, client: ClientFacts, request: TestRequest, limit_class: LimitClass, moves: bool
    ) -> Sequence[str]:
        """What the site's own policy says."""
        facts = RequestFacts(
            client=client,
            limit_class=limit_class.name,
            spec=request.spec,
            role=request.role,
            earliest=request.time,
            latest=request.latest or None,
            moves=moves,
        )
        return self._host.plugged.denials(facts)

    def _is_third_party(self, request: TestRequest) -> bool:
        """Whether the client has others test: by its address it is not at the other end.

        What it writes for our end does not count: not every tester looks at that.
        """
        theirs = unmapped(request.spec.address(request.role.other))
        return not self._asker.local and self._peer != theirs

    def _new_sid(self, request: TestRequest) -> SID:
        """The server daemon makes the id, the client daemon takes it as told (wire.md 5)."""
        return SID(os.urandom(SID_SIZE)) if request.role is Role.SERVER else request.sid

    def _on_cancel(self, event: asked.CancelAsked) -> None:
        self._arm(self._host.control_timeout)
        port = self._booking.port if self._booking is not None else 0
        self._release()
        self.transport.write(self._session.deny(AcceptType.REJECT, sid=event.sid, port=port))

    def _on_unsupported(self, event: asked.UnsupportedAsked) -> None:
        self._arm(self._host.control_timeout)
        self.log.info(
            "{peer}: {reason}", peer=self._peer, reason=event.reason, event="reservation.refused"
        )
        self._release()
        self.transport.write(self._session.deny(AcceptType.UNSUPPORTED))

    def _release(self) -> None:
        booking, self._booking = self._booking, None
        if booking is not None and self._agent is None:
            self._broker.release(booking)

    # -- the test --------------------------------------------------------------------------------

    def _on_start(self, event: asked.StartAsked) -> None:
        booking = self._booking
        if booking is None or booking.released:
            self._refuse_start("the reservation is over: StartSession came too late")
            return
        try:
            way = PeerWay(self._peer_mode(), event.protected)
            agent, peer_port = make_agent(self._host, booking, way, event.peer_port)
        except NoPeerAgent as error:
            self._refuse_start(str(error))
            return
        self._disarm()  # the client is silent now until the test is over
        self._broker.confirm(booking)
        self._agent = agent
        finished, over = agent.finished.wait(), agent.over.wait()
        finished.addCallback(self._finished, agent, booking).addErrback(self._broken)
        self._book.agents[agent] = booking
        over.addCallback(self._over, agent, booking).addErrback(self._broken)
        self.transport.write(self._session.start(peer_port))
        agent.begin()

    def _peer_mode(self) -> Mode:
        """What decides how the peer connection is protected; TLS counts as encrypted.

        The session id travels inside TLS then, so only both ends' daemons can know it.
        """
        return Mode.ENCRYPTED if ISSLTransport.providedBy(self.transport) else self._mode

    def _refuse_start(self, reason: str) -> None:
        self.log.warn("{peer}: {reason}", peer=self._peer, reason=reason, event="test.refused")
        self._release()
        self.transport.write(self._session.refuse_start(AcceptType.FAILURE))
        self._arm(self._host.control_timeout)

    def _finished(self, outcome: Outcome, agent: PeerAgent, booking: Booking) -> None:
        """No process of the test is left: free the slot, then report."""
        self.log.info(
            "test ended: {status}, {tester} as {role} for {client}",
            status=outcome.status.name,
            tester=booking.tester.name,
            role=booking.reservation.role.value,
            client=self._client_name,
            sid=booking.sid.hex(),
            event="test.ended",
        )
        self._broker.release(booking)
        self._broker.measure(booking, outcome.output, booking.reservation.role)
        if self._agent is agent:
            self._agent, self._booking = None, None
        if self._lost:
            return
        self.transport.write(self._session.stop(outcome.status, outcome.output))
        waiting = self._session.state is State.SERVER_STOPPED
        self._arm(self._host.die_by if waiting else self._host.control_timeout)
        self._resume()

    def _over(self, theirs: Stopped | None, agent: PeerAgent, booking: Booking) -> None:
        self._book.agents.pop(agent, None)
        self._tell_hooks(theirs, agent, booking)

    def _tell_hooks(self, theirs: Stopped | None, agent: PeerAgent, booking: Booking) -> None:
        """Both ends are done; one that never came to its tester is no test (daemon.md 1.8)."""
        ours, reservation = agent.finished.value, booking.reservation
        if ours is None or not agent.ran:
            return
        if theirs is not None:
            self._broker.measure(booking, theirs.output, reservation.role.other)
        event = HookEvent(
            spec=booking.spec,
            role=reservation.role,
            sid=booking.sid,
            user=self._user,
            limit_class=booking.limit_class.name,
            client=self._peer,
            start=reservation.start,
            end=reservation.end,
            output=ours.output,
            status=ours.status,
            other_output=theirs.output if theirs is not None else None,
            other_status=theirs.accept if theirs is not None else None,
            tester=booking.tester.name,
            tester_version=self._host.versions.get(booking.tester.name),
        )
        if self._host.hooks is not None:
            self._host.hooks.submit(event)
        self._host.plugged.tell(event, booking.tester)

    def _on_stop(self, event: Stopped) -> None:
        """The client is done. 0: it waits for the end of the test; else the test is to end now."""
        if self._agent is None:
            self._arm(self._host.control_timeout)
        elif event.accept is not AcceptType.ACCEPT:
            self._agent.stop()


_ANSWERS: dict[type, Callable[[ControlProtocol, Any], None]] = {
    asked.ClientGreeted: ControlProtocol._on_greeted,
    asked.TimeAsked: ControlProtocol._on_time,
    asked.TestAsked: ControlProtocol._on_test,
    asked.CancelAsked: ControlProtocol._on_cancel,
    asked.UnsupportedAsked: ControlProtocol._on_unsupported,
    asked.StartAsked: ControlProtocol._on_start,
    Stopped: ControlProtocol._on_stop,
}


class ControlFactory(ServerFactory):
    """Makes the control connections of one daemon, and can end them all."""

    noisy = False

    def __init__(self, host: Host) -> None:
        self.host = host
        self.broker = BrokerService(host)
        self.connections: Connections[ControlProtocol] = Connections()

    def buildProtocol(self, addr: IAddress | None) -> ControlProtocol:
        """A connection from an address; local sockets count as this host."""
        peer = plain_address(getattr(addr, "host", None) or "127.0.0.1")
        protocol = ControlProtocol(self.host, self.broker, peer, self.connections)
        protocol.factory = self
        return protocol

    def all_over(self) -> Deferred[list[None]]:
        """Fires when all that there is now is gone: connections, testers, exchanges of results."""
        waits: list[Deferred[Any]] = [one.gone.wait() for one in self.connections.open]
        waits += [agent.over.wait() for agent in self.connections.agents]
        return gatherResults(waits)

    async def drain(self) -> None:
        """Close every connection; over when no process of any test is left.

        Tests that run get `die_by` seconds to come to their end; those that wait get none. Results
        of those that have ended still go out.
        """
        running = [one for one in self.connections.open if one.agent and one.agent.ran]
        for protocol in self.connections.open - set(running):
            if protocol.agent is None:
                protocol.finish()
            else:
                protocol.abort()
        over: Once[None] = Once()
        timers = [
            self.host.timers.after(self.host.die_by, self._abort_all),
            self.host.timers.after(self.host.die_by + _KILLING_S, over.fire, None),
        ]
        # Also those whose control connections went away before.
        agents = {*self.connections.agents, *(one.agent for one in running if one.agent)}
        ended = gatherResults([agent.finished.wait() for agent in agents])
        ended.addBoth(lambda _: over.fire(None))
        await over.wait()
        for timer in timers:
            timer.cancel()
        await self._flush_all()

    async def _flush_all(self) -> None:
        """Close what is left; results that were just written still go out."""
        gone = [protocol.gone.wait() for protocol in self.connections.open]
        for protocol in tuple(self.connections.open):
            protocol.finish()
        await gatherResults(gone)

    def _abort_all(self) -> None:
        for protocol in tuple(self.connections.open):
            protocol.abort()
