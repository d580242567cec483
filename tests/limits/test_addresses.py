"""Tests of network rules: how they are written and which one an address finds."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.limits.addresses import AddressTable, IPNetwork, parse_network, unmapped
from bwctl.values import IPAddress
from tests.limits import QUIET

networks4 = st.builds(
    lambda number, bits: ip_network((number >> (32 - bits) << (32 - bits), bits)),
    st.integers(0, 255).map(lambda octet: octet * 0x01010101),
    st.integers(0, 32),
)
networks6 = st.builds(
    lambda number, bits: ip_network((number << 120 >> (128 - bits) << (128 - bits), bits)),
    st.integers(1, 255),
    st.integers(0, 128),
)
addresses = st.integers(0, 255).map(lambda octet: IPv4Address(octet * 0x01010101)) | st.integers(
    0, 255
).map(lambda octet: IPv6Address(octet << 120))


def slow_find(rules: list[tuple[IPNetwork, int]], address: IPAddress) -> int | None:
    """The longest prefix, by looking at every rule."""
    holding = {network: value for network, value in rules if address in network}
    return holding[max(holding, key=lambda net: net.prefixlen)] if holding else None


class NetworkTests(SynchronousTestCase):
    """Words of `assign net` (daemon.md 2.5, M9)."""

    def test_accepted(self) -> None:
        """Numeric addresses with or without a prefix length; mapped ones are IPv4."""
        table = {
            "10.0.0.0/8": "10.0.0.0/8",
            "10.1.2.3": "10.1.2.3/32",
            "0.0.0.0/0": "0.0.0.0/0",
            "::/0": "::/0",
            "2001:DB8::/32": "2001:db8::/32",
            "::1": "::1/128",
            "::ffff:10.0.0.0/8": "10.0.0.0/8",
            "::ffff:10.0.0.1": "10.0.0.1/32",
            "10.0.0.0/08": "10.0.0.0/8",
        }
        for word, network in table.items():
            self.assertEqual(parse_network(word), (ip_network(network), False), word)

    def test_short_forms(self) -> None:
        """Short IPv4 forms mean what they mean in C, and are marked."""
        self.assertEqual(parse_network("10.1"), (ip_network("10.0.0.1/32"), True))
        self.assertEqual(parse_network("010.0.0.1"), (ip_network("8.0.0.1/32"), True))
        self.assertRaises(ValueError, parse_network, "10/8")  # that is 0.0.0.10

    def test_refused(self) -> None:
        """Names, bad lengths, masks and host bits are errors."""
        words = [
            "localhost",
            "10.1.2.3/24",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "/8",
            "",
            "1.2.3.4.5",
        ]
        words += [
            "10.0.0.0/255.0.0.0",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "::ffff:10.0.0.0/104",
            "a\0",
            "\ud800",
        ]
        for word in [*words, "fe80::1%eth0", "10.0.0.0/\u0661"]:
            self.assertRaises(ValueError, parse_network, word)

    @QUIET
    @given(st.text(alphabet="0123456789abf.:/%x") | st.text())
    def test_any_word(self, word: str) -> None:
        """Any word is a network or a ValueError."""
        try:
            network, _ = parse_network(word)
        except ValueError:
            return
        self.assertIn(network.network_address, network)


class AddressTableTests(SynchronousTestCase):
    """Longest prefix."""

    def test_nested(self) -> None:
        """The longest prefix wins, whatever the order; next to it the outer one holds."""
        rules = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "0.0.0.0/0", "::1/128"]
        table = AddressTable((ip_network(rule), rule) for rule in reversed(rules))
        expected = {
            "10.1.2.3": "10.1.2.3/32",
            "10.1.2.2": "10.1.2.0/24",
            "10.1.2.4": "10.1.2.0/24",
            "10.1.3.0": "10.1.0.0/16",
            "10.2.0.0": "10.0.0.0/8",
            "9.255.255.255": "0.0.0.0/0",
            "255.255.255.255": "0.0.0.0/0",
            "::ffff:10.1.2.3": "10.1.2.3/32",
            "::1": "::1/128",
            "::2": None,
            "::": None,
        }
        for address, rule in expected.items():
            self.assertEqual(table.find(ip_address(address)), rule, address)
        self.assertEqual(len(table), 6)

    def test_empty(self) -> None:
        """Without rules no address finds anything."""
        table: AddressTable[int] = AddressTable()
        self.assertIsNone(table.find(IPv4Address("10.0.0.1")))
        self.assertIsNone(table.find(IPv6Address("::1")))

    def test_unmapped(self) -> None:
        """Only a mapped address changes."""
        for word, plain in {
            "::ffff:1.2.3.4": "1.2.3.4",
            "1.2.3.4": "1.2.3.4",
            "::1": "::1",
        }.items():
            self.assertEqual(unmapped(ip_address(word)), ip_address(plain))

    @QUIET
    @given(st.lists(st.tuples(networks4 | networks6, st.integers())), st.lists(addresses))
    def test_same_as_looking_at_every_rule(
        self, rules: list[tuple[IPNetwork, int]], wanted: list[IPAddress]
    ) -> None:
        """The table finds what a search through all rules finds, at the edges too."""
        table = AddressTable(rules)
        for network, _ in rules:
            wanted += [network.network_address, network.broadcast_address]
        for address in wanted:
            self.assertEqual(table.find(address), slow_find(rules, address))
