"""A daemon's control connections. Source: wire.md 4.1."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, ISSLTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from bwctl.control import server as asked
from bwctl.control.legality import State
from bwctl.control.server import ServerSession
from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.interfaces import ClientFacts
from bwctl.limits.addresses import plain_address
from bwctl.limits.keys import Key
from bwctl.net.admission import (
    Admitted,
    Visitor,
    class_of,
    modes_for,
    why_no_longer,
    why_not_in_class,
    why_not_open,
    why_not_verified,
)
from bwctl.net.agent import Outcome, PeerAgent
from bwctl.net.broker import Booking, BrokerService, Refusal
from bwctl.net.carrier import Carrier
from bwctl.net.claim import Claim
from bwctl.net.connections import Connections
from bwctl.net.ended import ended_test
from bwctl.net.ends import NoPeerAgent, PeerWay, make_agent
from bwctl.net.eventlog import EventLog
from bwctl.net.host import Host
from bwctl.net.names import peer_names
from bwctl.net.once import Once
from bwctl.values import IPAddress, Role
from bwctl.wire.fields import Mode

MAX_CLIENT_RESULT = 64 * 1024  # octets; clients send none, and nobody reads them


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
        self._visitor = Visitor(peer)
        self._admitted: Admitted | None = None  # once it was let in
        self._offered = Mode.NONE
        self._rtt = 0.0
        self._greeted_at = 0.0
        self._agent: PeerAgent | None = None
        self._key: Deferred[Key | None] | None = None
        self._revoked = ""  # why the client has to go once its test is over
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
        self._visitor = Visitor(self._peer, tuple(peer_names(self.transport)))
        self._greet()

    def _greet(self) -> None:
        host = self._host
        modes = Mode.NONE if self._too_many else modes_for(host, self._visitor)
        self._offered = modes
        self._session = ServerSession(modes, max_result=MAX_CLIENT_RESULT)
        self._greeted_at = host.clock.mono()
        self.transport.write(self._session.greet())
        if not modes:
            why = self._too_many or self._why_closed()
            self._close(why, "control.no_service")

    def _why_closed(self) -> str:
        return f"no service for this address: {why_not_open(self._host, self._visitor)}"

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
            self._tell_no_tls(reason)
        self.log.debug("{peer} is gone", peer=self._peer, event="control.lost")

    def _tell_no_tls(self, reason: Failure) -> None:
        from bwctl.net.tls import why_turned_away

        self.log.info(
            "{peer} turned away by TLS: {reason}",
            peer=self._peer,
            reason=why_turned_away(reason.value),
            event="control.turned_away",
        )

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
        claim: Claim | None = self.__dict__.get("_claim")
        return claim.booking if claim is not None else None

    @property
    def peer(self) -> IPAddress:
        """Where the client is."""
        return self._peer

    # -- handshake -------------------------------------------------------------------------------

    def _on_greeted(self, event: asked.ClientGreeted) -> None:
        self._rtt = self._host.clock.mono() - self._greeted_at
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
        visitor, mode = self._visitor, event.mode
        if not self._session.verify(key):
            why = why_not_verified(self._host, visitor, mode, key, offered=self._offered)
            self._turn_away(event, why)
            return
        user = event.user if mode is not Mode.OPEN else None
        facts = ClientFacts(address=self._peer, user=user, certificate_names=visitor.names)
        limit_class = class_of(self._host, facts)
        if limit_class is None:
            self._turn_away(event, "the policy failed")
            return
        why = why_not_in_class(limit_class, mode) or self._book.enter_class(self, limit_class)
        if why:
            self._turn_away(event, why)
            return
        self._admitted = Admitted(facts, mode, key)
        self.log.info(
            "{peer} connected, user {user}, class {limit_class}, mode {mode}",
            peer=self._peer,
            user=user or next(iter(visitor.names), "-"),
            limit_class=limit_class.name,
            mode=mode.name,
            event="control.opened",
        )
        self.transport.write(self._session.open(self._host.tools, self._host.started))
        self._arm(self._host.control_timeout)

    def recheck(self) -> None:
        """Limits, keys and modes are new: who would not be let in now has to go.

        A test that runs may come to its end.
        """
        if "_claim" in self.__dict__:
            self._claim.forget_class()
        reason = "" if self._lost or self._closing else self._why_no_longer()
        if not reason:
            return
        if self._agent is None:
            self._close(reason, "control.revoked")
            return
        self._revoked = reason
        if not self._agent.ran:
            self._agent.stop()

    def _why_no_longer(self) -> str:
        if self._admitted is not None:
            return why_no_longer(self._host, self._admitted)
        gone = self._offered & ~modes_for(self._host, self._visitor)
        return "a mode of its greeting is no longer offered" if gone else ""

    def _broken(self, failure: Failure) -> None:
        """A defect of ours: it costs this connection, and is logged with its traceback."""
        self.log.failure("control connection failed", failure=failure, event="control.broken")
        self.transport.abortConnection()

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
        answer = self._claim.ask(event.request, update=event.update)
        if isinstance(answer, Refusal):
            self.transport.write(self._session.deny(answer.accept, answer.start))
            return
        port = answer.port if answer.reservation.role is Role.SERVER else 0
        self.transport.write(self._session.grant(answer.reservation.start, answer.sid, port))

    @cached_property
    def _claim(self) -> Claim:
        """Made when the first request comes, as an idle client never asks."""
        assert self._admitted is not None  # since it asks
        ours = getattr(self.transport.getHost(), "host", None)
        local = ours is None or self._peer == plain_address(ours)
        return Claim(self._host, self._broker, self._admitted.facts, local=local, rtt=self._rtt)

    def _on_cancel(self, event: asked.CancelAsked) -> None:
        self._arm(self._host.control_timeout)
        port = self.booking.port if self.booking is not None else 0
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
        if self.booking is None:
            return
        if self._agent is None:
            self._claim.release()
        else:
            self._claim.booking = None  # the slot is the test's, until that is over

    # -- the test --------------------------------------------------------------------------------

    def _on_start(self, event: asked.StartAsked) -> None:
        booking = self._claim.standing
        if booking is None:
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
        assert self._admitted is not None  # since it asks
        return Mode.ENCRYPTED if ISSLTransport.providedBy(self.transport) else self._admitted.mode

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
            client=self._claim.client,
            sid=booking.sid.hex(),
            event="test.ended",
            **({"reason": outcome.reason} if outcome.reason else {}),
        )
        self._broker.release(booking)
        self._broker.measure(booking, outcome.report)
        if outcome.status is not AcceptType.ACCEPT:  # the other end may say what it likes
            self._broker.estimate(booking, outcome.report, agent.ran_s)
        if self._agent is agent:
            self._agent, self._claim.booking = None, None
        if self._lost:
            return
        self.transport.write(self._session.stop(outcome.status, outcome.output))
        waiting = self._session.state is State.SERVER_STOPPED
        self._arm(self._host.die_by if waiting else self._host.control_timeout)
        if self._revoked:
            self._close(self._revoked, "control.revoked")
        self._resume()

    def _over(self, theirs: Stopped | None, agent: PeerAgent, booking: Booking) -> None:
        self._book.agents.pop(agent, None)
        self._tell_hooks(theirs, agent, booking)

    def _tell_hooks(self, theirs: Stopped | None, agent: PeerAgent, booking: Booking) -> None:
        """Both ends are done; one that never came to its tester is no test (daemon.md 1.8)."""
        ours = agent.finished.value
        if ours is None or not agent.ran:
            return
        if theirs is not None:
            self._broker.measure_theirs(booking, theirs.output)
        self._broker.estimate(booking, ours.report, agent.ran_s)
        assert self._admitted is not None  # since it had a test
        event = ended_test(self._host, booking, self._admitted.facts, ours, theirs)
        if self._host.hooks is not None:
            self._host.hooks.submit(event)
        self._host.plugged.tell(event, booking.tester, self._host.readings)

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
