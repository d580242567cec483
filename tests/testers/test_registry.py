"""The registry and the choice of a tester."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.trial.unittest import SynchronousTestCase

from bwctl.testers.iperf import Iperf
from bwctl.testers.iperf3 import Iperf3
from bwctl.testers.registry import Registry, built_in, choose
from bwctl.values import Kind, ToolID
from tests.testers.support import REGISTRY, spec

ALL = ToolID.IPERF | ToolID.IPERF3 | ToolID.NUTTCP | ToolID.THRULAY


@dataclass(frozen=True)
class Ping(Iperf):
    """A tester of another kind, as a plugin could bring it."""

    name: str = "ping"
    tool_id: ToolID = ToolID.PING


class RegistryTests(SynchronousTestCase):
    """Testers by name and by bit."""

    def test_order(self) -> None:
        """The preferred one comes first."""
        names = [one.name for one in REGISTRY]
        self.assertEqual(names, ["iperf3", "iperf", "nuttcp", "thrulay"])
        self.assertEqual(len(REGISTRY), 4)

    def test_by_name(self) -> None:
        """In any case of letters."""
        self.assertEqual(REGISTRY.by_name("IPerf3"), Iperf3())
        self.assertIsNone(REGISTRY.by_name("owamp"))

    def test_by_id(self) -> None:
        """By exactly one bit."""
        self.assertEqual(REGISTRY.by_id(ToolID.IPERF), Iperf())
        self.assertIsNone(REGISTRY.by_id(ToolID.PING))
        self.assertIsNone(REGISTRY.by_id(ToolID.IPERF | ToolID.IPERF3))

    def test_names(self) -> None:
        """The names of a set of bits, as preferred."""
        self.assertEqual(
            REGISTRY.names(ToolID.NUTTCP | ToolID.IPERF3 | ToolID.PING), ["iperf3", "nuttcp"]
        )

    def test_more(self) -> None:
        """Further testers follow, and take part by kind."""
        registry = built_in(Ping())
        self.assertEqual([one.name for one in registry.of_kind(Kind.LATENCY)], ["ping"])
        self.assertEqual(len(registry.of_kind(Kind.THROUGHPUT)), 4)
        self.assertEqual(len(registry), 5)

    def test_doubles(self) -> None:
        """A name or a bit can only be taken once."""
        self.assertRaises(ValueError, built_in, Iperf(name="other"))
        self.assertRaises(ValueError, built_in, Iperf(tool_id=ToolID.PING))


class ChoiceTests(SynchronousTestCase):
    """The tester of a test. Source: clients.md 6."""

    def test_default_order(self) -> None:
        """iperf3, iperf, nuttcp, thrulay, as far as both ends have them."""
        offered = ALL
        chosen = []
        while offered:
            tester = choose(REGISTRY, spec(), offered).tester
            assert tester is not None
            chosen.append(tester.name)
            offered &= ~tester.tool_id
        self.assertEqual(chosen, ["iperf3", "iperf", "nuttcp", "thrulay"])

    def test_list(self) -> None:
        """The first one of a list that works; the spec gets its bit."""
        choice = choose(REGISTRY, spec(), ALL, ["nuttcp", "iperf"])
        self.assertEqual(choice.tester, REGISTRY.by_name("nuttcp"))
        self.assertEqual(choice.spec.tool, ToolID.NUTTCP)
        self.assertEqual(choice.refusals, {})

    def test_refusals(self) -> None:
        """Whoever is passed over has a reason."""
        registry = built_in(Ping())
        wanted = ["iperf", "fast", "ping", "nuttcp", "IPERF3"]
        choice = choose(registry, spec(server_sends=True), ~ToolID.NUTTCP, wanted)
        self.assertEqual(choice.tester, Iperf3())
        self.assertEqual(
            choice.refusals,
            {
                "iperf": ["iperf cannot send from its server to its client (-o)"],
                "fast": ["there is no tester named fast"],
                "ping": ["ping is not for throughput tests"],
                "nuttcp": ["nuttcp is not available at both ends"],
            },
        )

    def test_nothing_left(self) -> None:
        """No tester, and the spec as it was."""
        test = spec()
        choice = choose(Registry([Iperf()]), test, ToolID.IPERF3)
        self.assertIsNone(choice.tester)
        self.assertIs(choice.spec, test)
        self.assertEqual(choice.refusals, {"iperf": ["iperf is not available at both ends"]})
