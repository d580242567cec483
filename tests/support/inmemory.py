"""A daemon without sockets, on clocks that are turned by hand."""

from __future__ import annotations

from ipaddress import ip_address
from random import Random

from twisted.internet.task import Clock

from bwctl.broker.ports import PortPool
from bwctl.limits.places import Asker
from bwctl.net.application import Application
from bwctl.net.broker import Booking, BrokerService
from bwctl.net.host import Host
from bwctl.net.timers import Timers
from bwctl.testers.registry import BUILT_IN
from bwctl.values import SID, ToolID
from tests.support.clocks import FakeClock
from tests.support.raw import request

PEER = "127.0.0.3"


def make_host(reactor: Clock, clock: FakeClock) -> Host:
    """A host with the embedded tester and the tester ports 5301 to 5310."""
    host = Host(
        reactor=reactor,
        clock=clock,
        timers=Timers(reactor, clock),
        testers={tester.name: tester for tester in BUILT_IN},
        test_ports=PortPool(5301, 5310, Random(1)),
        allow_unsync=True,
    )
    host.versions["thrulay"] = "1"
    return host


def application(
    host: Host, number: int, at: int, tool: ToolID = ToolID.THRULAY, duration: int = 5
) -> Application:
    """What a client at PEER asks for, from a time on."""
    return Application(
        request=request(at, tool=tool, duration=duration),
        sid=SID(bytes([number]) * 16),
        limit_class=host.limits.default,
        rtt=0.0,
        asker=Asker(ip_address(PEER), local=False),
        third_party=False,
        client="a test",
        requester=f"net:{PEER}",
    )


def book(host: Host, broker: BrokerService, number: int, at: int, duration: int = 5) -> Booking:
    """A reservation for a client at PEER, as early as can be from a time on."""
    booking = broker.reserve(application(host, number, at, duration=duration))
    assert isinstance(booking, Booking), booking
    return booking
