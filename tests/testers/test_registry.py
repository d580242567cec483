"""The testers of this package."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bwctl.testers.registry import BUILT_IN


class RegistryTests(SynchronousTestCase):
    def test_order(self) -> None:
        """The preferred one comes first."""
        names = [one.name for one in BUILT_IN]
        self.assertEqual(
            names,
            ["iperf3", "iperf", "nuttcp", "thrulay", "ping", "owamp"]
            + ["traceroute", "tracepath", "paris-traceroute"],
        )

    def test_doubles(self) -> None:
        """No two have the same name or the same bit."""
        self.assertEqual(len({one.name for one in BUILT_IN}), len(BUILT_IN))
        self.assertEqual(len({one.tool_id for one in BUILT_IN}), len(BUILT_IN))
