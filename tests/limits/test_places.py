"""Where tests may lead, and for whom."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from bwctl.limits.places import Asker, place_denials
from bwctl.values import Role, TestSpec, ToolID

OURS, CLIENT, THIRD = "192.0.2.1", "192.0.2.2", "198.51.100.9"


def denied(ours: str, theirs: str, asker: str = CLIENT, local: bool = False) -> set[str]:
    """Names of the rules that forbid a test, in either role."""
    found = []
    for role in Role:
        ends = (ours, theirs) if role is Role.SERVER else (theirs, ours)
        server, client = map(ip_address, ends)
        spec = TestSpec(tool=ToolID.IPERF3, server=server, client=client, duration=1)
        who = Asker(ip_address(asker), local)
        found.append({one.limit for one in place_denials(spec, role, who)})
    assert found[0] == found[1], found
    return found[0]


class PlaceTests(SynchronousTestCase):
    def test_single_hosts(self) -> None:
        """Nobody makes a daemon send to a group, to everybody, or to no address."""
        for address in ("224.0.0.1", "239.1.2.3", "255.255.255.255", "0.0.0.0", "ff02::1", "::"):
            for local in (False, True):
                self.assertEqual(denied(OURS, address, local=local), {"addresses"})
        self.assertEqual(denied(OURS, "::ffff:224.0.0.1"), {"addresses"})
        self.assertEqual(denied("0.0.0.0", CLIENT), {"addresses"})

    def test_loopback(self) -> None:
        """Services that only listen for their own host cannot be reached from elsewhere."""
        for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
            self.assertEqual(denied(OURS, address), {"loopback"}, address)
            self.assertEqual(denied(address, THIRD), {"loopback"}, address)
            self.assertEqual(denied(address, address, local=True), set())
            self.assertEqual(denied(address, address, asker="127.0.0.1"), set())
