"""What one control client has with the broker: who asks, and the reservation that it holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property

from bwctl.interfaces import ClientFacts, RequestFacts
from bwctl.limits.addresses import unmapped
from bwctl.limits.classes import LimitClass, Limits
from bwctl.limits.places import Asker
from bwctl.limits.quota import requester
from bwctl.net.admission import class_of
from bwctl.net.application import Application
from bwctl.net.broker import Booking, BrokerService, Refusal
from bwctl.net.host import Host
from bwctl.values import SID, SID_SIZE, Role
from bwctl.wire.request import TestRequest


class Claim:
    """One control client before the broker: at most one reservation at a time.

    Args:
        local: the client is on this host.
        rtt: bound of the round trip to it, seconds.
        random: gives so many octets, for session ids.
    """

    def __init__(
        self,
        host: Host,
        broker: BrokerService,
        facts: ClientFacts,
        *,
        local: bool,
        rtt: float,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._host = host
        self._broker = broker
        self._facts = facts
        self._asker = Asker(facts.address, local)
        self._rtt = rtt
        self._random = random
        self._classified: tuple[Limits, LimitClass] | None = None  # the class by which limits
        self.booking: Booking | None = None  # what it holds, or has held until its time passed

    @cached_property
    def client(self) -> str:
        """Who it is, for the log."""
        return f"{self._facts.address} ({self._facts.user or 'open'})"

    @cached_property
    def _requester(self) -> str:
        facts = self._facts
        return requester(facts.address, facts.user, facts.certificate_names)

    @property
    def standing(self) -> Booking | None:
        """What is held and not over: what may be started."""
        booking = self.booking
        return None if booking is None or booking.released else booking

    def ask(self, request: TestRequest, *, update: bool) -> Booking | Refusal:
        """A time slot, or another one for what is held; a refusal leaves the client with none."""
        held = self.booking if update else None
        if held is not None:
            answer = self._broker.move(held, self._application(request, held.sid, moves=True))
        else:
            application = self._application(request, self._new_sid(request), moves=False)
            answer = self._broker.reserve(application)
        self.booking = None if isinstance(answer, Refusal) else answer
        return answer

    def release(self) -> None:
        """Give back what is held; harmless if that is nothing."""
        booking, self.booking = self.booking, None
        if booking is not None:
            self._broker.release(booking)

    def _application(self, request: TestRequest, sid: SID, *, moves: bool) -> Application:
        limit_class = self._class_now()
        objections: Sequence[str] = ()
        if limit_class is None:
            limit_class = self._host.limits.default  # for the log: the answer is no
            objections = ("the policy failed",)
        elif self._host.plugged.policy is not None:
            objections = self._objections(request, limit_class, moves)
        return Application(
            request=request,
            sid=sid,
            limit_class=limit_class,
            rtt=self._rtt,
            asker=self._asker,
            third_party=self._is_third_party(request),
            client=self.client,
            objections=objections,
            requester=self._requester,
        )

    def _class_now(self) -> LimitClass | None:
        """The client's class; a site's own policy is asked each time."""
        host = self._host
        if host.plugged.policy is not None:
            return class_of(host, self._facts)
        if self._classified is None or self._classified[0] is not host.limits:
            self._classified = host.limits, host.classify(self._facts)
        return self._classified[1]

    def forget_class(self) -> None:
        """The limits are new; the old ones are not to be kept by clients that ask for nothing."""
        self._classified = None

    def _objections(
        self, request: TestRequest, limit_class: LimitClass, moves: bool
    ) -> Sequence[str]:
        """What the site's own policy says."""
        facts = RequestFacts(
            client=self._facts,
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
        if self._asker.local:
            return False
        return self._facts.address != unmapped(request.spec.address(request.role.other))

    def _new_sid(self, request: TestRequest) -> SID:
        """The server daemon makes the id, the client daemon takes it as told (wire.md 5)."""
        return SID(self._random(SID_SIZE)) if request.role is Role.SERVER else request.sid
