"""Host syntax of the clients."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.hosts import DEFAULT_PORT, HostPort, parse_host

GOOD = {
    "host": ("host", None),
    "host.example.net": ("host.example.net", None),
    "h\N{LATIN SMALL LETTER O WITH DIAERESIS}st": (
        "h\N{LATIN SMALL LETTER O WITH DIAERESIS}st",
        None,
    ),
    "127.0.0.2": ("127.0.0.2", None),
    "127.0.0.2:4900": ("127.0.0.2", 4900),
    "host:1": ("host", 1),
    "host:65535": ("host", 65535),
    "eth0": ("eth0", None),
    "::1": ("::1", None),
    "2001:db8::7": ("2001:db8::7", None),
    "fe80::1%eth0": ("fe80::1%eth0", None),
    "[::1]": ("::1", None),
    "[::1]:4900": ("::1", 4900),
    "[127.0.0.2]:4900": ("127.0.0.2", 4900),
    "[host]": ("host", None),
    "[host]:4900": ("host", 4900),
    ":4900": ("localhost", 4900),
    "bwctl://host": ("host", None),
    "bwctl://[::1]:4900/": ("::1", 4900),
}

BAD = {
    "host:": "port must be 1 to 65535",
    "host:0": "port must be 1 to 65535",
    "host:65536": "port must be 1 to 65535",
    "host:abc": "port must be 1 to 65535",
    "host:-1": "port must be 1 to 65535",
    "host: 80": "port must be 1 to 65535",
    "[::1]:": "port must be 1 to 65535",
    "host:\N{ARABIC-INDIC DIGIT FOUR}": "port must be 1 to 65535",
    "host:1:2": "not an IPv6 address; write [ADDRESS]:PORT for one with a port",
    "1::2::3": "not an IPv6 address; write [ADDRESS]:PORT for one with a port",
    "[::1]4900": "not an IPv6 address; write [ADDRESS]:PORT for one with a port",
    "": "not a host name or address",
    ":": "port must be 1 to 65535",
    "[]": "not a host name or address",
    "[]:4900": "not a host name or address",
    "a b": "not a host name or address",
    "a/b": "not a host name or address",
    "a\x1b[1m": "not a host name or address",
    "-c": "not a host name or address",
    "[host": "not a host name or address",
    "host]": "not a host name or address",
    "https://host": "https:// is not one of bwctl:// and bwctls://",
    "bwctls://": "not a host name or address",
}


class HostTests(SynchronousTestCase):
    """parse_host."""

    def test_tls(self) -> None:
        """bwctls:// means TLS on its own port, unless another is given."""
        plain, tls, other = map(parse_host, ("h", "bwctls://h", "bwctls://[::1]:9"))
        self.assertEqual((plain.tls, plain.port), (False, 4823))
        self.assertEqual((tls.tls, tls.port), (True, 4824))
        self.assertEqual((other.host, other.tls, other.port), ("::1", True, 9))
        self.assertEqual(plain.with_tls(), tls)
        self.assertEqual(parse_host("h:9").with_tls().port, 9)

    def test_accepted(self) -> None:
        """Names, addresses and bracket forms are read, with or without a port."""
        for text, (host, port) in GOOD.items():
            expected = HostPort(host, port or DEFAULT_PORT, explicit_port=port is not None)
            self.assertEqual(parse_host(text), expected, text)
            self.assertEqual(parse_host(text).explicit_port, port is not None, text)

    def test_rejected(self) -> None:
        """A bad port is an error, not a silent 4823; so is everything that is no host."""
        for text, reason in BAD.items():
            error = self.assertRaises(ValueError, parse_host, text)
            self.assertEqual(str(error), reason, text)

    def test_text_is_read_again(self) -> None:
        """The text of a host is host syntax for the same daemon."""
        for text in GOOD:
            host = parse_host(text)
            self.assertEqual(parse_host(str(host)), host, text)

    def test_written_port_does_not_matter(self) -> None:
        """The default port names the same daemon whether it is written or not."""
        self.assertEqual(parse_host("host"), parse_host("host:4823"))
        self.assertNotEqual(parse_host("host"), parse_host("host:4824"))

    def test_address(self) -> None:
        """A host written as an address gives it."""
        self.assertEqual(parse_host("[::1]:4900").address, ip_address("::1"))
        self.assertIsNone(parse_host("host").address)

    def test_other_default_port(self) -> None:
        """The default port is an argument."""
        self.assertEqual(parse_host("host", 4824).port, 4824)
