"""Who is turned away learns nothing from how: unknown user, wrong key, class that is full."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType
from bwctl.wire.fields import Mode
from tests.support.daemons import Daemon, running, start_ours
from tests.support.raw import Raw

ADDRESS = "127.0.0.77"
WRONG = bytes(range(16))


class AnswerTests(SynchronousTestCase):
    daemon: Daemon

    def answer(self, mode: Mode, **options: object) -> bytes:
        """All that comes after the client's greeting, to the end of the connection."""
        with Raw(ADDRESS, self.daemon.ports.control, mode, **options) as client:  # type: ignore[arg-type]
            client.send(client.session.greet())
            received = b""
            while octets := client.socket.recv(1000):
                received += octets
            return received

    def test_byte_for_byte(self) -> None:
        """The answer is the same 48 octets, and the connection ends, whatever was wrong."""
        limits = (
            "limit root with\nlimit full with parent=root, max_connections=1\n"
            "assign default root\nassign user testuser full\n"
        )
        expected = bytes(15) + bytes([AcceptType.REJECT]) + bytes(32)
        with running(start_ours(ADDRESS, limits=limits)) as (self.daemon,):
            with Raw(ADDRESS, self.daemon.ports.control, Mode.ENCRYPTED) as inside:
                inside.open()  # so that the next one of this user is one too many
                for mode in (Mode.AUTHENTICATED, Mode.ENCRYPTED):
                    for what, options in (
                        ("wrong key", {"key": WRONG}),
                        ("unknown user", {"user": "nobody"}),
                        ("unknown user, wrong key", {"user": "nobody", "key": WRONG}),
                        ("no user", {"user": ""}),
                        ("no identity at all", {"user": "a b\n"}),
                        ("the longest identity", {"user": "x" * 16}),
                        ("a class that is full", {}),
                    ):
                        self.assertEqual(self.answer(mode, **options), expected, what)
            log = self.daemon.log()
            for reason, times in (("wrong key", 2), ("unknown user", 10), ("max_connections", 2)):
                self.assertEqual(log.count(f": {reason}"), times, log)
