from __future__ import annotations

from unittest import TestCase

from bwctl.embedded.options import DEFAULT_BLOCK, UsageError, nanoseconds, parse
from tests.embedded.programs import run


class OptionsTests(TestCase):
    """The tester's command line."""

    def test_client(self) -> None:
        words = "client --connect ::1 --port 6000 --streams 3 --interval 0.5 --block 8192 --tos 184"
        options = parse(words.split())
        self.assertEqual((options.role, options.connect, options.bind), ("client", "::1", ""))
        self.assertEqual((options.port, options.streams, options.interval), (6000, 3, 0.5))
        self.assertEqual((options.block, options.tos, options.window), (8192, 184, 0))

    def test_zero_is_the_default(self) -> None:
        """0, as in a test request, chooses the default; a tiny block becomes the smallest."""
        options = parse(["client", "--connect", "::1", "--block", "0", "--streams", "0"])
        self.assertEqual((options.block, options.streams), (DEFAULT_BLOCK, 1))
        self.assertEqual(parse(["client", "--connect", "::1", "--block", "3"]).block, 16)

    def test_server(self) -> None:
        options = parse(["server", "--bind", "127.0.0.1", "--peer", "127.0.0.2", "--idle", "0.5"])
        self.assertEqual((options.peer, options.idle, options.deadline), ("127.0.0.2", 0.5, 30))

    def test_udp(self) -> None:
        words = "client --connect ::1 --rate 1000000 --packet 0 --schedule periodic"
        options = parse(words.split())
        self.assertEqual(
            (options.rate, options.packet, options.schedule), (10**6, 1500, "periodic")
        )
        options = parse(
            ["server", "--bind", "::1", "--protocol", "udp", "--rate", "5", "--duration", "0"]
        )
        self.assertEqual((options.protocol, options.rate, options.duration), ("udp", 5, 0))

    def test_refused(self) -> None:
        for words in (
            "",
            "both",
            "client",
            "server",
            "client --connect",
            "client ::1 --port",
            "client --connect ::1 --port 0",
            "client --connect ::1 --port 65536",
            "client --connect ::1 --port 5e3",
            "client --connect ::1 --streams 256",
            "client --connect ::1 --duration nan",
            "client --connect ::1 --duration -1",
            "client --connect ::1 --interval 0.001",
            "client --connect ::1 --interval 0.01 --duration 2000",
            "client --connect ::1 --block 2000000",
            "client --connect ::1 --peer ::1",
            "client --connect ::1 --udp 1",
            "client --connect ::1 --duration 0",
            "client --connect ::1 --schedule random",
            "client --connect ::1 --rate 1.5",
            "client --connect ::1 --rate 1000 --streams 2",
            "client --connect ::1 --rate 1000 --omit 1",
            "client --connect ::1 --packet 65536",
            "server --bind ::1 --tos 1",
            "server --bind ::1 --protocol sctp",
        ):
            with self.assertRaises(UsageError, msg=words):
                parse(words.split())

    def test_status(self) -> None:
        done = run("thrulay", "client")
        self.assertEqual((done.returncode, done.stdout), (64, ""))
        self.assertEqual(done.stderr, "bwctl: thrulay: --connect is missing\n")

    def test_nanoseconds(self) -> None:
        self.assertEqual(nanoseconds(1.5), 1_500_000_000)
