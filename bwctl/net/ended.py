"""The story of a test that is over, for post-hooks and result sinks."""

from __future__ import annotations

from bwctl.control.session import Stopped
from bwctl.interfaces import ClientFacts
from bwctl.net.agent import Outcome
from bwctl.net.broker import Booking
from bwctl.net.host import Host
from bwctl.results import TestEnded


def ended_test(
    host: Host, booking: Booking, client: ClientFacts, ours: Outcome, theirs: Stopped | None
) -> TestEnded:
    """What both ends have told of a test, as far as they did."""
    reservation = booking.reservation
    return TestEnded(
        spec=booking.spec,
        role=reservation.role,
        sid=booking.sid,
        user=client.user,
        limit_class=booking.limit_class.name,
        client=client.address,
        start=reservation.start,
        end=reservation.end,
        output=ours.output,
        status=ours.status,
        other_output=theirs.output if theirs is not None else None,
        other_status=theirs.accept if theirs is not None else None,
        tester=booking.tester.name,
        tester_version=host.versions.get(booking.tester.name),
    )
