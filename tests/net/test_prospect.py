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
from bwctl.values import Role, ToolID, ticks
from bwctl.wire.request import TestRequest
from tests.support.clocks import FakeClock
from tests.support.inmemory import make_host
from tests.support.raw import request

LIMITS = """\
limit root with duration=60, allow_third_party=off
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

    def test_problems(self) -> None:
        """A test that nobody can run has problems, and nothing else is worked out."""
        prospect = self.prospects.of(
            self.application(self.asked(duration=0)), self.host.testers["iperf3"]
        )
        self.assertIn("a test of 0 seconds", prospect.problems)
        self.assertEqual((prospect.ports, prospect.length, list(prospect.denials)), (0, 0, []))

    def test_freed_tests(self) -> None:
        """A test that takes the place of one that is gone is looked at, and the memory is small."""
        for number in range(3000):
            asked = self.asked(duration=5 if number % 2 else 90)
            asked = replace(asked, spec=replace(asked.spec))  # one that nobody else keeps
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
