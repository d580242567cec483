"""What one simulated control connection has with its daemon's broker: who asks, what it holds."""

from __future__ import annotations

from bwctl.interfaces import ClientFacts
from bwctl.limits.addresses import unmapped
from bwctl.limits.places import Asker
from bwctl.limits.quota import requester
from bwctl.net.broker import Booking, BrokerService, Refusal
from bwctl.net.host import Host
from bwctl.net.rules import Application
from bwctl.values import SID
from bwctl.wire.request import TestRequest


class Claimant:
    """A control client, as it is known to every daemon; it is on no host of the mesh."""

    def __init__(self, facts: ClientFacts) -> None:
        self.facts = facts
        self.asker = Asker(facts.address, local=False)
        self.name = f"{facts.address} ({facts.user or 'open'})"
        self.requester = requester(facts.address, facts.user, facts.certificate_names)


class Claim:
    """One control connection before the broker: at most one reservation at a time.

    It asks as `bwctl.net.control.ControlProtocol` does; no policy is plugged in here.

    Args:
        rtt: bound of the round trip to the client, seconds.
    """

    def __init__(self, host: Host, broker: BrokerService, who: Claimant, rtt: float) -> None:
        self._host = host
        self._broker = broker
        self._who = who
        self._rtt = rtt
        self.booking: Booking | None = None

    def ask(self, request: TestRequest, sid: SID) -> Booking | Refusal:
        """A time slot, or another one for what is held; a refusal leaves the client with none.

        Args:
            sid: of a session that begins; an update keeps the one it has.
        """
        held = self.booking
        if held is not None:
            answer = self._broker.move(held, self._application(request, held.sid))
        else:
            answer = self._broker.reserve(self._application(request, sid))
        self.booking = None if isinstance(answer, Refusal) else answer
        return answer

    @property
    def standing(self) -> Booking | None:
        """What is held and not over: what may be started."""
        booking = self.booking
        return None if booking is None or booking.released else booking

    def release(self) -> None:
        """Give back what is held; harmless if that is nothing."""
        booking, self.booking = self.booking, None
        if booking is not None:
            self._broker.release(booking)

    def _application(self, request: TestRequest, sid: SID) -> Application:
        who = self._who
        theirs = unmapped(request.spec.address(request.role.other))
        return Application(
            request=request,
            sid=sid,
            limit_class=self._host.classify(who.facts),
            rtt=self._rtt,
            asker=who.asker,
            third_party=who.facts.address != theirs,
            client=who.name,
            requester=who.requester,
        )
