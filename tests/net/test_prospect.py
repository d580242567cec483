"""What forbids a test is remembered for those to whom it applies, and as long as it does."""

from __future__ import annotations

import gc
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from bwctl.limits.parser import parse_limits
from bwctl.limits.places import Asker
from bwctl.net.application import Application
from bwctl.net.prospect import Prospects
from bwctl.net.rules import Rules
from bwctl.values import NTPTime, Role, ToolID, ticks
from bwctl.wire.request import TestRequest
from tests.support.clocks import FakeClock
from tests.support.inmemory import make_host
from tests.support.raw import request

LIMITS = """\
limit root with duration=60, allow_third_party=off, allow_udp=on
limit short with parent=root, duration=3
assign default root
"""
HERE, FAR, ELSEWHERE = "192.0.2.1", "192.0.2.9", "198.51.100.7"


class ProspectTests(SynchronousTestCase):
    def setUp(self) -> None:
        reactor = Clock()
        self.host = make_host(reactor, FakeClock(reactor))
        self.host.limits = parse_limits(LIMITS, "f")[0]
        self.prospects = Prospects(self.host)

    def asked(self, **words: Any) -> TestRequest:
        """Five seconds, soon."""
        at = self.host.clock.now() + ticks(60)
        return request(at, **{"server": HERE, "client": FAR, "tool": ToolID.IPERF3} | words)

    def application(self, asked: TestRequest, name: str = "root", **changes: Any) -> Application:
        """Of a client that is far away."""
        words: dict[str, Any] = {
            "limit_class": self.host.limits.classes[name],
            "asker": Asker(ip_address(FAR), local=False),
            "third_party": False,
        }
        return Application(
            request=asked, sid=bytes(16), rtt=0.0, client="a test", **words | changes
        )

    def reasons(self, asked: TestRequest, **words: Any) -> str:
        """What is said to an application for it, each time that it comes."""
        application, tester = self.application(asked, **words), self.host.testers["iperf3"]
        prospect = self.prospects.of(application, tester)
        self.assertIs(self.prospects.of(application, tester), prospect)
        rules = Rules(self.host)
        return "; ".join(rules.against(application, prospect, rules.moment(application)))

    def differs(self, asked: TestRequest, word: str, *changes: dict[str, Any]) -> None:
        """One of two applications for the very same test is refused, whoever comes first."""
        for order in (changes, changes[::-1]):
            self.prospects = Prospects(self.host)
            found = {str(change): self.reasons(asked, **change) for change in order}
            self.assertEqual(found[str(changes[0])], "")
            self.assertIn(word, found[str(changes[1])])

    def test_class(self) -> None:
        """A narrower class."""
        self.differs(self.asked(duration=5), "duration=3", {}, {"name": "short"})

    def test_third_party(self) -> None:
        """A client at neither end."""
        self.differs(self.asked(), "allow_third_party", {}, {"third_party": True})

    def test_loopback(self) -> None:
        """Loopback is for clients of this host."""
        asked = self.asked(server="127.0.0.1", client="127.0.0.2")
        inside, outside = (Asker(ip_address(one), local=False) for one in ("127.0.0.2", ELSEWHERE))
        self.differs(asked, "loopback", {"asker": inside}, {"asker": outside})

    def test_local(self) -> None:
        """A test with one daemon is for clients of this host."""
        asked = self.asked(role=Role.CLIENT, server=FAR, client=HERE)
        asked = replace(asked, spec=replace(asked.spec, no_server_endpoint=True))
        near, far = (Asker(ip_address("127.0.0.1"), local=local) for local in (True, False))
        self.differs(asked, "allow_no_endpoint", {"asker": near}, {"asker": far})

    def test_role(self) -> None:
        """The same test asked for at its other end."""
        server = self.asked()
        server = replace(server, spec=replace(server.spec, no_server_endpoint=True))
        client = replace(server, role=Role.CLIENT)
        self.assertIs(server.spec, client.spec)
        for order in ((server, client), (client, server)):
            self.prospects = Prospects(self.host)
            found = {one.role: self.reasons(one) for one in order}
            self.assertEqual(found[Role.SERVER], "")
            self.assertIn("allow_no_endpoint", found[Role.CLIENT])

    def test_testers(self) -> None:
        """Another tester for the same test, as a plug-in may bring, is asked by itself."""
        asked = self.asked()
        application = self.application(asked)
        for _ in range(2):
            first, second = (
                self.prospects.of(application, self.host.testers[name])
                for name in ("iperf3", "ping")
            )
            self.assertEqual((list(first.problems), first.ports), ([], 1))
            self.assertEqual((second.tester.name, second.ports), ("ping", 0))
        self.assertEqual(len(self.prospects), 2)

    def test_what_the_tester_says(self) -> None:
        """Length with overtime, and the ports of our own end."""
        nuttcp = self.host.testers["nuttcp"]
        server = self.asked(tool=ToolID.NUTTCP, duration=5, udp=True)
        for asked in (server, replace(server, role=Role.CLIENT)):
            prospect = self.prospects.of(self.application(asked), nuttcp)
            self.assertEqual(prospect.length, ticks(5 + nuttcp.overtime(asked.spec)))
            self.assertGreater(prospect.length, ticks(5))
            self.assertEqual(prospect.ports, nuttcp.ports(asked.spec, asked.role))
        self.assertNotEqual(nuttcp.ports(server.spec, Role.SERVER), prospect.ports)

    def test_forbidden(self) -> None:
        """A tester is asked nothing but problems about a test that the limits forbid."""
        prospect = self.prospects.of(
            self.application(self.asked(duration=61)), self.host.testers["iperf3"]
        )
        self.assertEqual([one.limit for one in prospect.denials], ["duration"])
        self.assertEqual((prospect.ports, prospect.length), (0, 0))

    def test_problems(self) -> None:
        """A test that nobody can run has problems, and its tester is asked nothing else."""
        prospect = self.prospects.of(
            self.application(self.asked(duration=0)), self.host.testers["iperf3"]
        )
        self.assertIn("a test of 0 seconds", prospect.problems)
        self.assertEqual((prospect.ports, prospect.length, list(prospect.denials)), (0, 0, []))

    def test_latest_start(self) -> None:
        """The earlier one of what the client wants and its class allows, if there is any."""
        horizon = parse_limits("limit root with event_horizon=60\nassign default root\n", "f")[0]
        bounded, now = horizon.classes["root"], self.host.clock.now()
        rules, soon, late = Rules(self.host), NTPTime(now + ticks(5)), NTPTime(now + ticks(99))
        for limit_class, wanted, latest in (
            (self.host.limits.classes["root"], NTPTime(0), None),
            (self.host.limits.classes["root"], late, late),
            (bounded, NTPTime(0), now + ticks(60)),
            (bounded, soon, soon),
            (bounded, late, now + ticks(60)),
        ):
            asked = replace(self.asked(), latest=wanted)
            application = self.application(asked, limit_class=limit_class)
            self.assertEqual(rules.latest(application, now), latest)

    def test_freed_tests(self) -> None:
        """A test that takes the place of one that is gone is looked at, and the memory is small."""
        for number in range(3000):
            asked = self.asked(duration=5 if number % 2 else 90)
            # One that nobody else keeps, and that is run another way than it is written.
            asked = replace(asked, spec=replace(asked.spec, report_interval_ms=1))
            self.assertEqual("duration=60" in self.reasons(asked), not number % 2)
            del asked
            if not number % 500:
                gc.collect()
        self.assertLessEqual(len(self.prospects), 1024)

    def test_new_limits(self) -> None:
        """With new limits everything is looked at again, and nothing old is kept."""
        asked = self.asked(duration=5)
        self.assertEqual(self.reasons(asked), "")
        self.host.limits = parse_limits(LIMITS.replace("duration=60", "duration=4"), "f")[0]
        self.assertIn("duration=4", self.reasons(asked))
        self.assertEqual(len(self.prospects), 1)
