"""What a client refuses to ask of an older server: wire.md 7.4."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.versions import unsupported
from bwctl.values import ToolID
from tests.support.sessions import SPEC

# Fields of a test, and the first version that can be asked for them.
SINCE: list[tuple[dict[str, Any], int]] = [
    ({}, 0),
    ({"udp": True, "bandwidth": 0xFFFFFFFF}, 0),
    ({"report_interval_ms": 2000}, 0),
    ({"tos": 32}, 0),
    ({"tool": ToolID.IPERF3}, 1),
    ({"output_format": "c"}, 1),
    ({"parallel": 2}, 1),
    ({"units": "m"}, 1),
    ({"udp": True, "bandwidth": 0x100000000}, 1),
    ({"omit": 1}, 2),
    ({"server_sends": True}, 4),
    ({"no_server_endpoint": True}, 4),
    ({"bandwidth": 1}, 4),
    ({"report_interval_ms": 500}, 4),
    ({"tool": ToolID.PING, "tos": 32}, 5),
    ({"tool": ToolID.TRACEROUTE, "tos": 32}, 5),
    ({"mss": 1400}, 6),
]


class UnsupportedTests(SynchronousTestCase):
    def test_each_field(self) -> None:
        """Each is refused below its version and nowhere else."""
        for fields, since in SINCE:
            spec = replace(SPEC, **fields)
            fine = [version for version in range(7) if not unsupported(spec, version)]
            self.assertEqual(fine, list(range(since, 7)), fields)

    def test_all_are_named(self) -> None:
        """A test that needs several is told of each, not of the first only."""
        spec = replace(SPEC, parallel=2, omit=1, mss=1400)
        self.assertEqual(
            [len(unsupported(spec, version)) for version in (0, 1, 2, 6)], [3, 2, 1, 0]
        )
