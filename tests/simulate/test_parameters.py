"""The parameters of a mesh file's `simulate`."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.broker.obstacles import Guard
from bwctl.errors import ConfigurationError
from bwctl.limits.parser import parse_limits
from bwctl.mesh.node import parse_json
from bwctl.simulate.parameters import DAEMON, SHARED, make_settings, read_parameters
from bwctl.simulate.settings import HostSettings, Settings


def read(value: Any) -> dict[str, Any]:
    node = parse_json(json.dumps({"simulate": value}), "mesh.json").at("simulate")
    assert node is not None
    found = read_parameters(node, {"a": None, "b": None})
    node.finish()
    return found


class ParameterTests(SynchronousTestCase):
    def test_everything(self) -> None:
        """All keys that there are end in the settings."""
        given = {
            **{"duration": "1d", "seed": 7, "rtt": "40ms", "clock_offset": 0.5, "clock_error": 1},
            **{"failure_rate": 0.25, "late_after": "5m", "sync_fuzz": "100ms"},
            **{"setup_margin": 0.5, "overrun": 1, "guard": "sum", "max_connections": 500},
            **{"max_connections_per_host": 64, "client": "198.51.100.7", "user": "noc"},
            "hosts": {"a": {"rtt": "600ms", "clock_offset": -0.25, "clock_error": 2}},
        }
        settings = make_settings(read(given), None)
        shared = [getattr(settings, name) for name in SHARED]
        self.assertEqual(shared, [86_400.0, 7, 0.04, 0.5, 1.0, 0.25, 300.0, 0.1])
        daemon = [getattr(settings.daemon, name) for name in DAEMON]
        self.assertEqual(daemon, [0.5, 1.0, Guard.SUM, 500, 64])
        self.assertEqual(
            settings.hosts["a"], HostSettings(rtt=0.6, clock_offset=-0.25, clock_error=2.0)
        )
        client = (settings.client.address, settings.client.user)
        self.assertEqual(client, (IPv4Address("198.51.100.7"), "noc"))

    def test_nothing(self) -> None:
        """What is not given is as usual."""
        self.assertEqual(make_settings(read_parameters(None, {}), None), Settings())
        self.assertEqual(make_settings(read({}), None), Settings())

    def test_limits(self) -> None:
        """The limits file is read by whoever knows where it is."""
        self.assertEqual(read({"limits": "x/limits"})["limits"], "x/limits")
        limits, _ = parse_limits("limit root with duration=5\n", "limits")
        self.assertIs(make_settings(read({"limits": "x"}), limits).daemon.limits, limits)

    def test_problems(self) -> None:
        """Every mistake is told with its path into the file."""
        for value, expected in (
            ([], "simulate: must be an object, not []"),
            ({"sed": 1}, "simulate: unknown key 'sed'; did you mean 'seed'?"),
            ({"seed": -1}, "simulate.seed: must be a whole number from 0 to"),
            ({"rtt": "1h"}, "simulate.rtt: must be a time from 0 to 60 seconds, not"),
            ({"guard": "min"}, 'simulate.guard: must be max or sum, not "min"'),
            ({"client": "here"}, 'simulate.client: must be an IP address, not "here"'),
            ({"hosts": {"c": {}}}, "simulate.hosts: unknown key 'c'"),
            ({"hosts": {"a": {"x": 1}}}, "simulate.hosts.a: unknown key 'x'"),
            ({"hosts": {"a": 7}}, "simulate.hosts.a: must be an object, not 7"),
        ):
            error = self.assertRaises(ConfigurationError, read, value)
            self.assertIn(expected, str(error))
