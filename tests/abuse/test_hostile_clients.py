"""Control clients that harm: they do not read, change their role, come in crowds, or stay."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType
from bwctl.values import Role, seconds, ticks
from bwctl.wire.fields import Mode
from tests.support.daemons import Daemon, running, start_ours, until
from tests.support.faulty import sockets
from tests.support.raw import Raw, opened, request

ADDRESS, OTHER = "127.0.0.84", "127.0.0.85"
ENDS = {"server": ADDRESS, "client": OTHER}
REJECT, UNSUPPORTED = AcceptType.REJECT, AcceptType.UNSUPPORTED
FLOODERS = 20
QUIET_S = 3.0  # in which nothing more is taken
WITHOUT_END = 64 << 20  # octets; the kernel's buffers hold some megabytes of them
CLASSES = (
    "limit root with max_connections=4\nlimit few with parent=root, max_connections=2\n"
    "assign default root\nassign user testuser few\n"
)
_FLOODER = """
import socket, sys
from tests.support.raw import opened
client = opened(sys.argv[1], int(sys.argv[2]))
octets = client.session.ask_time() * 4096
client.socket.settimeout(60)
while True: client.socket.sendall(octets)
"""


def memory(daemon: Daemon) -> int:
    """Resident size of a daemon, MB."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return next(int(row.split()[1]) for row in status.splitlines() if "VmRSS" in row) // 1024


class ReservationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.daemon = start_ours(ADDRESS)
        self.addCleanup(self.daemon.kill)
        self.idle = sockets(self.daemon)

    def opened(self) -> Raw:
        return opened(ADDRESS, self.daemon.ports.control)

    def test_what_clients_hold(self) -> None:
        """What an odd client does costs nobody else a port, a slot or time."""
        with running(self.daemon):
            self.update_for_the_other_role()
            self.update_after_expiry()
            self.client_that_does_not_read()
            self.twenty_of_them()

    def update_for_the_other_role(self) -> None:
        """Such an update is refused, and neither keeps its ports nor frees those of others."""
        first, last = map(int, self.daemon.ports.test.split("-"))
        with self.opened() as victim:
            at = victim.time().time
            held = victim.ask(request(at + ticks(20), **ENDS))
            for number in range(last - first + 5):  # more than there are ports
                with self.opened() as client:
                    later = at + ticks(100 + 10 * number)
                    mine = client.ask(request(later, **ENDS))
                    self.assertEqual(mine.accept, AcceptType.ACCEPT, f"connection {number}")
                    self.assertNotEqual(mine.port, held.port)
                    odd = request(later, role=Role.CLIENT, sid=mine.sid, port=held.port, **ENDS)
                    self.assertEqual(client.ask(odd).accept, UNSUPPORTED)

    def update_after_expiry(self) -> None:
        """A reservation that was taken back is not moved."""
        with self.opened() as client:
            at = client.time().time
            mine = client.ask(request(at, **ENDS))
            time.sleep(max(0.0, seconds(mine.start - at)) + 0.2)
            moved = client.ask(request(at + ticks(9), sid=mine.sid, **ENDS))
            self.assertEqual(moved.accept, REJECT)
            anew = client.ask(request(at + ticks(9), **ENDS))
            self.assertEqual(anew.accept, AcceptType.ACCEPT)

    def client_that_does_not_read(self) -> None:
        """Nothing more is taken of its octets once it does not read the answers to them."""
        with self.opened() as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            octets = client.session.ask_time() * 4096
            client.socket.setblocking(False)
            taken, last = 0, time.monotonic()
            while time.monotonic() - last < QUIET_S:
                try:
                    taken += client.socket.send(octets)
                    last = time.monotonic()
                except BlockingIOError:
                    time.sleep(0.05)
                self.assertLess(taken, WITHOUT_END, "the daemon takes octets without end")

    def twenty_of_them(self) -> None:
        """Twenty that flood and never read cost little memory and nobody else's time."""
        before, idle = memory(self.daemon), self.idle
        command = [sys.executable, "-c", _FLOODER, ADDRESS, str(self.daemon.ports.control)]
        root = str(Path(__file__).parents[2])
        flooders = [
            subprocess.Popen(
                command, env=os.environ | {"PYTHONPATH": root}, stderr=subprocess.DEVNULL
            )
            for _ in range(FLOODERS)
        ]
        try:
            there = until(lambda: sockets(self.daemon) >= idle + FLOODERS, 30)
            self.assertTrue(there, f"{sockets(self.daemon) - idle} flooders came")
            time.sleep(1)
            took = [self.served_after() for _ in range(3)]
            self.assertLess(max(took), 1.5)
            self.assertLess(memory(self.daemon) - before, 16)
        finally:
            for flooder in flooders:
                flooder.kill()
                flooder.wait()
        self.assertTrue(until(lambda: sockets(self.daemon) == idle, 10), self.daemon.log())

    def served_after(self) -> float:
        began = time.monotonic()
        with self.opened() as client:
            client.time()
        return time.monotonic() - began


class CrowdTests(SynchronousTestCase):
    def test_bounds(self) -> None:
        """max_connections in all, from one address, and of a class; a place is free again."""
        options = "max_connections 6\nmax_connections_per_host 3\n"
        with running(start_ours(ADDRESS, options, limits=CLASSES)) as (daemon,):
            port = daemon.ports.control

            def come(source: str, mode: Mode = Mode.OPEN) -> Raw:
                client = Raw(ADDRESS, port, mode, source=source)
                self.addCleanup(client.socket.close)
                return client

            def is_full(source: str) -> bool:
                client = come(source)
                return not client.greeting.modes and client.is_closed(3)

            three = [come("127.0.0.86") for _ in range(3)]
            self.assertTrue(all(one.greeting.modes for one in three))
            self.assertTrue(is_full("127.0.0.86"))
            more = [come("127.0.0.87") for _ in range(3)]
            self.assertTrue(all(one.greeting.modes for one in more))
            self.assertTrue(is_full("127.0.0.88"))
            for one in (*three, more.pop()):
                one.socket.close()
            self.assertTrue(until(lambda: not is_full("127.0.0.86"), 3))

            # The user's class takes two of them, and they count in the class above too.
            user = [come("127.0.0.87", Mode.ENCRYPTED)]
            user.append(come("127.0.0.88", Mode.ENCRYPTED))
            for one in user:
                one.open()
            self.assertEqual(come("127.0.0.88", Mode.ENCRYPTED).refused(), REJECT)
            for one in more:
                one.open()
            self.assertEqual(come("127.0.0.88").refused(), REJECT)
            user[0].socket.close()
            self.assertTrue(until(lambda: "of class" in daemon.log(), 3))
            time.sleep(0.2)
            come("127.0.0.88").open()
