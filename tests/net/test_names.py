"""Names of hosts, as post-hooks are given them."""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from bwctl.net.names import confirmed_name

ADDRESS, OTHER = "192.0.2.7", "198.51.100.1"


def forward(*addresses: str) -> object:
    """A resolver that knows one name."""
    return lambda name, port: [(socket.AF_INET, 0, 0, "", (one, 0)) for one in addresses]


class NameTests(SynchronousTestCase):
    def name(self, *addresses: str) -> str:
        reverse = lambda address: ("noc.example.net", [], [address])  # noqa: E731
        return confirmed_name(ADDRESS, reverse, forward(*addresses))  # type: ignore[arg-type]

    def test_confirmed(self) -> None:
        """A name that leads back to the address, among others."""
        self.assertEqual(self.name(OTHER, ADDRESS), "noc.example.net")

    def test_borrowed(self) -> None:
        """Nobody is called by a name that leads to somebody else."""
        self.assertEqual(self.name(OTHER), ADDRESS)
        self.assertEqual(self.name(), ADDRESS)

    def test_loopback(self) -> None:
        """With the host's own resolver."""
        self.assertIn(
            confirmed_name("127.0.0.1"), ("127.0.0.1", socket.gethostbyaddr("127.0.0.1")[0])
        )
