"""Limits files of C installations: what C loads we load, and we never permit more than C."""

from __future__ import annotations

from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType
from bwctl.values import ticks
from bwctl.wire.fields import Mode
from tests.support.daemons import NO_C, Daemon, running, start
from tests.support.raw import Raw, request
from tests.support.testers import need

ADDRESS = "127.0.0.74"
OTHERS = ("owamp", "ping", "traceroute", "tracepath", "paris-traceroute", "iperf", "nuttcp")
ONLY_IPERF3 = "".join(f"disable_{name}\n" for name in OTHERS)  # C looks for one after the other
KID = "limit kid with parent=root, "
AS_KID = "assign default kid\n"

# lines of a file; whether a class says there that it permits more than its parent
FILES = (
    (f"limit root with allow_udp=off\n{KID}allow_udp=on\n{AS_KID}", True),
    (f"limit root with allow_tcp=off\n{KID}allow_tcp=on\n{AS_KID}", True),
    (f"limit root with allow_open_mode=off\n{KID}allow_open_mode=on\n{AS_KID}", True),
    (f"limit root with event_horizon=60\n{KID}event_horizon=0\n{AS_KID}", True),
    (f"limit root with event_horizon=60\n{KID}event_horizon=\n{AS_KID}", True),
    (f"limit root with duration=3\n{KID}duration=0\n{AS_KID}", False),
    (f"limit root with duration=3\n{KID}duration=, allow_udp = off\n{AS_KID}", False),
    (f"limit root with duration=3\n{KID}duration=9\n{AS_KID}", False),
    ("limit root with bandwidth=, allow_udp=ON,\nassign default root\n", False),
    ("limitroot with duration==3,,allow_udp on\nassigndefault root and more\n", False),
    (
        f"limit root with allow_udp=on\n{KID}allow_tcp=off\nassign default root\n"
        "assign net 127.0.0.0/8 root\nassign net 127.0.0.0/8 kid\n"
        "assign user testuser kid\nassign user testuser root\n",
        False,
    ),
)

ASKED = (
    {"duration": 2},
    {"duration": 5},
    {"duration": 2, "udp": True, "bandwidth": 10**6},
    {"duration": 2, "ahead": 100},
)


class FileTests(SynchronousTestCase):
    def test_same_or_stricter(self) -> None:
        """Without contradictions both daemons answer the same; with them ours permits less."""
        if NO_C:
            raise SkipTest(NO_C)
        need("iperf3")
        for text, contradicts in FILES:
            theirs, ours = (
                start(kind, ADDRESS, ONLY_IPERF3, limits=text) for kind in ("C", "ours")
            )
            with running(theirs, ours):
                permitted = [self.permitted(daemon) for daemon in (theirs, ours)]
                self.assertIn("daemon.configuration", ours.log()) if contradicts else None
            if contradicts:
                self.assertLess(permitted[1], permitted[0], text)
            else:
                self.assertEqual(permitted[1], permitted[0], text)

    def permitted(self, daemon: Daemon) -> set[str]:
        """What it permits to a client without a key, and to one with."""
        return {
            f"{mode.name}: {asked}"
            for mode in (Mode.OPEN, Mode.AUTHENTICATED)
            for asked in ASKED
            if self.permits(daemon, mode, **asked)
        }

    def permits(self, daemon: Daemon, mode: Mode, ahead: int = 30, **asked: object) -> bool:
        with Raw(ADDRESS, daemon.ports.control, mode) as client:
            if not client.greeting.modes & mode:
                return False
            client.open()
            at = client.time().time + ticks(ahead)
            wanted = request(at, latest=at + ticks(20), server=ADDRESS, **asked)
            return client.ask(wanted).accept is AcceptType.ACCEPT
