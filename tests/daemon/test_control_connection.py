"""What a real daemon answers on its control port, above all to what it has to refuse."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType
from bwctl.values import ErrorEstimate, NTPTime, Role, ToolID, seconds, ticks
from bwctl.wire.crypto import ZERO_BLOCK
from bwctl.wire.fields import Mode
from bwctl.wire.messages import Ready
from tests.support.daemons import Daemon, running, start_ours, until
from tests.support.raw import Raw, opened, peer, request

ADDRESS = "127.0.0.2"
REJECT, UNSUPPORTED = AcceptType.REJECT, AcceptType.UNSUPPORTED
NO_PERIOD = NTPTime(1)  # long ago


class DaemonTestCase(SynchronousTestCase):
    """One daemon for all tests of a class; after each it has to be idle and clean."""

    options = ""
    limits = ""
    daemon: Daemon

    def setUp(self) -> None:
        limits = {"limits": self.limits} if self.limits else {}
        self.daemon = start_ours(ADDRESS, self.options, **limits)
        self.addCleanup(self.daemon.kill)

    @contextmanager
    def checked(self) -> Iterator[None]:
        """The body, then a stop that finds nothing left behind."""
        with running(self.daemon):
            yield
            self.daemon.assert_idle()

    def opened(self, mode: Mode = Mode.OPEN) -> Raw:
        return opened(ADDRESS, self.daemon.ports.control, mode)

    def raw(self, mode: Mode = Mode.OPEN, **options: object) -> Raw:
        return Raw(ADDRESS, self.daemon.ports.control, mode, **options)  # type: ignore[arg-type]

    def is_served(self) -> bool:
        """A clean client gets the time promptly."""
        with self.opened() as client:
            return client.time().time > 0


class HandshakeTests(DaemonTestCase):
    options = "auth_mode AE\nhandshake_timeout 1\n"

    def test_handshakes(self) -> None:
        """Only who is known and picks an offered mode gets in, and silence ends."""
        with self.checked():
            for mode in (Mode.AUTHENTICATED, Mode.ENCRYPTED):
                with self.raw(mode) as client:
                    self.assertEqual(client.greeting.modes, Mode.AUTHENTICATED | Mode.ENCRYPTED)
                    self.assertTrue(client.open().tools)
                with self.raw(mode, key=bytes(16)) as client:
                    self.assertEqual(client.refused(), REJECT)
                    self.assertTrue(client.is_closed())
                with self.raw(mode, user="nobody") as client:
                    self.assertEqual(client.refused(), REJECT)
            with self.raw() as client:
                hello = bytes([6, 0, 0, int(Mode.OPEN)]) + bytes(64)  # not on offer
                client.send(hello)
                answer = client.socket.recv(100)
                self.assertEqual((answer[15], len(answer)), (REJECT, 48))
                self.assertTrue(client.is_closed())
            for mode_octet in (0, 3, 5, 8, 0x11, 0x80):
                with self.raw() as client:
                    client.send(bytes([6, 0, 0, mode_octet]) + bytes(64))
                    self.assertTrue(client.is_closed(), hex(mode_octet))
            with self.raw() as client:
                began = time.monotonic()
                self.assertTrue(client.is_closed(5))
                self.assertGreater(time.monotonic() - began, 0.8)


class RequestTests(DaemonTestCase):
    limits = (
        "limit root with allow_udp=on\nlimit few with parent=root, pending=2, duration=100000\n"
        "assign default few\nassign user testuser root\n"
    )

    def test_requests(self) -> None:
        """Refused are requests that C grants wrongly; the connection stays usable."""
        with self.checked(), self.opened() as client:
            now = client.time().time
            for what, asked, accept in (
                ("no time", request(0), REJECT),
                ("2**32-1 seconds", request(now, duration=(1 << 32) - 1), UNSUPPORTED),
                ("no duration", request(now, duration=0), UNSUPPORTED),
                ("a clock off by centuries", request(now, error=ErrorEstimate(63, 255)), REJECT),
                ("a clock off by days", request(now, error=ErrorEstimate(42, 255)), REJECT),
                ("at the end of time", request((1 << 64) - 1), REJECT),
                ("long gone and too late", request(NO_PERIOD, latest=2), REJECT),
                ("a tester that is not here", request(now, tool=ToolID.OWAMP), UNSUPPORTED),
                (
                    "reverse flow with iperf",
                    request(now, tool=ToolID.IPERF, server_sends=True),
                    UNSUPPORTED,
                ),
            ):
                self.assertEqual(client.ask(asked).accept, accept, what)
            odd = bytearray(request(now).encode())
            odd[99] |= 1  # two testers at once
            self.assertEqual(client.send_request(bytes(odd)).accept, UNSUPPORTED)
            granted = client.ask(request(NO_PERIOD))
            self.assertEqual(granted.accept, AcceptType.ACCEPT)
            self.assertLess(abs(seconds(granted.start - now)), 10)

    def test_pending_does_not_leak(self) -> None:
        """Places in a class come back on every path: refusal, cancel, close, time passed."""
        with self.checked():
            first, second, third = (self.opened() for _ in range(3))
            now = first.time().time
            later = now + ticks(100)
            for _ in range(3):  # a refusal as too late takes nothing
                late = first.ask(request(later, latest=later - ticks(50)))
                self.assertEqual((late.accept, late.start), (REJECT, later))
            self.assertEqual(first.ask(request(later)).accept, AcceptType.ACCEPT)
            held = second.ask(request(later))
            self.assertEqual(held.accept, AcceptType.ACCEPT)
            refused = third.ask(request(later))
            self.assertEqual((refused.accept, refused.start), (REJECT, 0))
            first.socket.close()
            self.assertTrue(until(lambda: third.ask(request(later)).accept is AcceptType.ACCEPT, 5))
            cancelled = second.ask(request(0, sid=held.sid))
            self.assertEqual((cancelled.accept, cancelled.start), (REJECT, 0))
            soon = second.ask(request(now))  # nobody confirms it
            self.assertEqual(soon.accept, AcceptType.ACCEPT)
            fourth = self.opened()
            self.assertEqual(fourth.ask(request(later)).accept, REJECT)
            time.sleep(max(0.0, seconds(soon.start - fourth.time().time)) + 0.2)
            self.assertEqual(fourth.ask(request(later)).accept, AcceptType.ACCEPT)
            ack = second.start()
            self.assertEqual(ack.accept, AcceptType.FAILURE)  # too late
            for one in (second, third, fourth):
                one.socket.close()

    def test_refusal_frees_nobody_elses_slot(self) -> None:
        """A third client that is refused does not open the slots of the first two."""
        with self.checked():
            clients = [self.opened(Mode.ENCRYPTED) for _ in range(4)]
            at = clients[0].time().time + ticks(30)
            starts = [one.ask(request(at)).start for one in clients[:2]]
            refused = clients[2].ask(request(at, latest=at + ticks(2)))
            self.assertEqual(refused.accept, REJECT)
            last = clients[3].ask(request(at)).start
            self.assertGreaterEqual(seconds(last - max(starts)), 5)
            # The one asked first was answered bit for bit.
            self.assertEqual(starts[0], at)
            for one in clients:
                one.socket.close()

    def test_update(self) -> None:
        """An update moves the slot and keeps the port; a foreign session id ends it all."""
        with self.checked(), self.opened() as client:
            at = client.time().time + ticks(30)
            first = client.ask(request(at))
            moved = client.ask(request(at + ticks(7), sid=first.sid))
            self.assertEqual((moved.start, moved.sid), (at + ticks(7), first.sid))
            self.assertEqual(moved.port, first.port)
            lost = client.ask(request(at, sid=first.sid, latest=at - ticks(1)))
            self.assertEqual(lost.accept, REJECT)
            again = client.ask(request(at, sid=first.sid))
            self.assertNotEqual(again.sid, first.sid)  # a new session
            client.send(client.session.request(request(at, sid=first.sid)))
            self.assertTrue(client.is_closed())


class StartTests(DaemonTestCase):
    def test_start_and_close(self) -> None:
        """StartSession followed at once by a close frees slot, peer port and processes."""
        with self.checked():
            for _ in range(10):
                client = self.opened()
                at = client.time().time
                granted = client.ask(request(at, client=ADDRESS))
                self.assertLess(seconds(granted.start - at), 4)  # the place is free again
                ack = client.start()
                self.assertEqual(ack.accept, AcceptType.ACCEPT)
                client.socket.close()
                self.assertTrue(until(partial(self.is_shut, ack.peer_port), 2), "peer port")
            self.assertTrue(self.is_served())

    def is_shut(self, port: int) -> bool:
        try:
            socket.create_connection((ADDRESS, port), 1).close()
        except OSError:
            return True
        return False

    def test_strangers_on_the_peer_port(self) -> None:
        """Garbage, wrong keys and open-mode strangers neither use up nor end a session."""
        with self.checked(), self.opened() as client:
            granted = client.ask(request(client.time().time + ticks(9), client=ADDRESS))
            port = client.start().peer_port
            for _ in range(20):
                with socket.create_connection((ADDRESS, port), 5) as garbage:
                    garbage.sendall(os.urandom(200))
            with Raw(ADDRESS, port, Mode.ENCRYPTED, key=bytes(16)) as wrong:
                self.assertEqual(wrong.refused(), REJECT)
            stranger = peer(ADDRESS, port, bytes(16), Mode.OPEN)
            stranger.stop_only()
            with peer(ADDRESS, port, granted.sid) as real:
                real.next(Ready)
                real.send(real.session.stop(AcceptType.ACCEPT, b"client's output\n"))
                theirs = real.stop()
            stopped = client.stop()
            self.assertEqual(stopped.accept, theirs.accept)
            self.assertIn(b"Server listening", stopped.output)
            stranger.socket.close()

    def test_nobody_comes(self) -> None:
        """Without the other end the test fails at its start, and says so."""
        with self.checked(), self.opened() as client:
            granted = client.ask(request(client.time().time, client=ADDRESS))
            client.start()
            stopped = client.stop()
            self.assertEqual(stopped.accept, AcceptType.FAILURE)
            self.assertIn(b"the other end never came", stopped.output)
            self.assertEqual(client.ask(request(0)).accept, REJECT)  # still usable
            [line] = [one for one in self.daemon.log().splitlines() if " test.ended " in one]
            self.assertIn("test ended: FAILURE, iperf3 as server for 127.0.0.1 (open)", line)
            self.assertIn(' reason="the other end never came"', line)
            self.assertIn(f" sid={granted.sid.hex()}", line)

    def test_abort(self) -> None:
        """A StopSession other than 0 ends the test at once."""
        with self.checked(), self.opened() as client:
            granted = client.ask(request(client.time().time, client=ADDRESS, duration=60))
            port = client.start().peer_port
            with peer(ADDRESS, port, granted.sid) as other:
                other.next(Ready)
                began = time.monotonic()
                stopped = client.stop(REJECT)
                self.assertEqual(stopped.accept, REJECT)
                self.assertLess(time.monotonic() - began, 5)
            self.assertIn("ended: REJECT", self.ended("the control client stopped the test"))

    def ended(self, reason: str) -> str:
        """The line of a test that ended for a reason."""
        wanted = f' reason="{reason}"'
        self.assertTrue(until(lambda: wanted in self.daemon.log(), 5), self.daemon.log())
        return next(line for line in self.daemon.log().splitlines() if wanted in line)

    def test_client_goes_away(self) -> None:
        """The log says of a test that ended because its client is gone that this was why."""
        with self.checked():
            with self.opened() as client:
                granted = client.ask(request(client.time().time, client=ADDRESS, duration=60))
                port = client.start().peer_port
                other = peer(ADDRESS, port, granted.sid)
                other.next(Ready)
            self.assertIn("ended: REJECT", self.ended("the control connection was lost"))
            other.socket.close()

    def test_tls_on_the_plain_port(self) -> None:
        """Who begins to speak TLS is told apart from garbage in the log."""
        with self.checked(), self.raw() as client:
            client.send(bytes([0x16, 3, 1, 2, 0, 1]) + bytes(200))
            self.assertTrue(client.is_closed())
            self.assertIn("broke the protocol: TLS, on a port where", self.daemon.log())

    def test_killed_daemon_leaves_nothing(self) -> None:
        """KILL to the daemon ends its testers too."""
        with self.opened() as client:
            granted = client.ask(request(client.time().time, client=ADDRESS, duration=60))
            port = client.start().peer_port
            with peer(ADDRESS, port, granted.sid) as other:
                other.next(Ready)
                self.assertTrue(self.daemon.testers())
                self.daemon.process.send_signal(signal.SIGKILL)
                self.daemon.process.wait()
                self.daemon.assert_idle()


class HostileTests(DaemonTestCase):
    options = "control_timeout 2\nhandshake_timeout 2\nmax_result_size 100000\n"

    def test_garbage_at_every_state(self) -> None:
        """Octets that are no message end their own connection, and nothing else."""
        with self.checked():
            for prepare in (self.raw, self.opened, self.reserved, self.in_test):
                for garbage in (b"\xff" * 200, b"\x09" + bytes(31), b"GET / HTTP/1.0\r\n\r\n" * 9):
                    with prepare() as client:
                        client.send(garbage)
                        self.assertTrue(client.is_closed(), (prepare.__name__, garbage[:8]))
            self.assertTrue(self.is_served())

    def reserved(self) -> Raw:
        client = self.opened()
        client.ask(request(client.time().time + ticks(50)))
        return client

    def in_test(self) -> Raw:
        client = self.opened()
        client.ask(request(client.time().time + ticks(50), client=ADDRESS))
        client.start()
        return client

    def test_results_are_bounded(self) -> None:
        """Results beyond the limit are refused when announced; half sent ones time out."""
        with self.checked():
            with self.in_test() as client:
                announced = bytes([3, 0, 0, 0, 0, 0, 0, 0]) + (100_001).to_bytes(4, "big")
                client.send(announced.ljust(16, b"\0") + ZERO_BLOCK)
                self.assertTrue(client.is_closed())
            with self.opened() as silent:
                self.assertTrue(silent.is_closed(6))  # control_timeout

    def test_pipelined(self) -> None:
        """What comes before its time waits for the answer before it."""
        with self.checked(), self.raw() as client:
            hello = client.session.greet()
            time_request = bytes([4]) + bytes(31)
            client.send(hello + time_request * 3)
            received = b""
            while len(received) < 48 + 96:
                octets = client.socket.recv(1000)
                self.assertTrue(octets, "closed before all was answered")
                received += octets
            self.assertEqual(len(received), 48 + 96)


class BothRolesTests(DaemonTestCase):
    def test_one_daemon_both_ends(self) -> None:
        """Both ends of one test may be the same daemon, at the same time to the bit."""
        with self.checked():
            server, client = self.opened(), self.opened()
            first = server.ask(request(server.time().time, client=ADDRESS))
            second = client.ask(
                request(
                    first.start, role=Role.CLIENT, sid=first.sid, port=first.port, client=ADDRESS
                )
            )
            self.assertEqual((second.accept, second.start), (AcceptType.ACCEPT, first.start))
            other = self.opened()
            third = other.ask(request(first.start))
            self.assertGreater(third.start, first.start)
            for one in (server, client, other):
                one.socket.close()
