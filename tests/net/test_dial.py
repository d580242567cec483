"""Finding our own address, on hosts that lack a family."""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from bwctl.net.dial import source_towards
from bwctl.net.failures import SessionFailure


class SourceTests(SynchronousTestCase):
    def test_loopback(self) -> None:
        """What the routing table says."""
        for address in ("127.0.0.1", "::1"):
            self.assertEqual(str(source_towards(ip_address(address))), address)

    def test_no_such_family(self) -> None:
        """A kernel without IPv6 has no sockets of it: no route, so that IPv4 is tried."""

        def without_ipv6(family: int, kind: int, *more: Any) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            return real(family, kind, *more)

        real = socket.socket
        with mock.patch("bwctl.net.dial.socket.socket", without_ipv6):
            failure = self.assertRaises(SessionFailure, source_towards, ip_address("::1"))
        self.assertEqual(failure.code, "unreachable")
        self.assertIn("Address family not supported", failure.message)
