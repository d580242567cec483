"""Making the peer agent of a confirmed reservation: server daemon, client daemon, or alone."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.error import CannotListenError

from bwctl.errors import BWCTLError
from bwctl.net.agent import PeerAgent
from bwctl.net.broker import Booking
from bwctl.net.host import Host
from bwctl.net.link import ClientLink, ServerLink
from bwctl.net.meeting import Call, Doorway, Meeting, NoMeeting
from bwctl.net.plan import Plan
from bwctl.values import Role
from bwctl.wire.fields import Mode


class NoPeerAgent(BWCTLError):
    """The test cannot be started here; the text says why."""


@dataclass(frozen=True, slots=True)
class PeerWay:
    """How the peer connection is protected, at least."""

    mode: Mode  # of the control connection
    tls: bool  # the control client reached both daemons over TLS, and says so


def make_agent(host: Host, booking: Booking, way: PeerWay, peer_port: int) -> tuple[PeerAgent, int]:
    """A peer agent that has not begun, and the port where it listens (0: it does not).

    Args:
        peer_port: of the other end's agent, for the client daemon.

    Raises:
        NoPeerAgent: no peer port, or an address that is not ours.
    """
    plan = _plan(host, booking)
    listening, meeting = 0, _alone(booking)
    if meeting is None and booking.reservation.role is Role.SERVER:
        meeting = doorway = _doorway(host, booking, way, strict=plan.other_is_idle)
        try:
            listening = doorway.open(
                host.reactor, host.peer_ports, booking.spec.server, tls=way.tls
            )
        except CannotListenError as error:
            raise NoPeerAgent(f"cannot listen for the other end: {error}") from error
    elif meeting is None:
        meeting = _call(host, booking, way, peer_port)
    return PeerAgent(plan, meeting, host.reactor, host.clock, host.timers, host.readings), listening


def _plan(host: Host, booking: Booking) -> Plan:
    return Plan(
        spec=booking.spec,
        role=booking.reservation.role,
        tester=booking.tester,
        port=booking.port,
        own_port=booking.own_port,
        start=booking.reservation.start,
        fuzz=booking.reservation.fuzz,
        version=host.versions.get(booking.tester.name, ""),
        commands=host.commands,
        cpus=host.cpus.get(booking.tester.name),
        max_output=host.max_output,
    )


def _alone(booking: Booking) -> Meeting | None:
    return NoMeeting() if booking.spec.no_server_endpoint else None


def _doorway(host: Host, booking: Booking, way: PeerWay, *, strict: bool) -> Doorway:
    started = host.clock.now()

    def make_link() -> ServerLink:
        return ServerLink(
            host.timers,
            host.clock,
            booking.sid,
            way.mode,
            started,
            max_result=host.max_result,
            tls=way.tls,
        )

    return Doorway(make_link, booking.spec.client, strict=strict)


def _call(host: Host, booking: Booking, way: PeerWay, peer_port: int) -> Call:
    if not peer_port:
        raise NoPeerAgent("StartSession names no peer port")
    link = ClientLink(
        host.timers, host.clock, booking.sid, way.mode, max_result=host.max_result, tls=way.tls
    )
    call = Call(link)
    call.dial(host.reactor, booking.spec.client, booking.spec.server, peer_port, tls=way.tls)
    return call
