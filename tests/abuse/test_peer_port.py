"""The peer connection of a real daemon: strangers, peers that do not read, calls that come late."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.values import SID, Role, ticks
from tests.support.daemons import running, start_ours, until
from tests.support.faulty import FLOODS, Faulty, sockets
from tests.support.raw import opened, peer, request
from tests.support.testers import need

ONE, TWO = "127.0.0.80", "127.0.0.81"
STRANGERS = 8


class PeerPortTests(SynchronousTestCase):
    def setUp(self) -> None:
        need("iperf3")
        tester = Faulty("iperf3")
        self.addCleanup(tester.remove)
        tester.does(FLOODS)
        self.daemon = start_ours(ONE, tester.option)
        self.addCleanup(self.daemon.kill)
        self.idle = sockets(self.daemon)

    def test_peer_port(self) -> None:
        """One daemon, one thing after the other: it has to be as before after each."""
        with running(self.daemon):
            self.silent_strangers()
            self.peer_that_does_not_read()
            self.call_that_nobody_takes()

    def assert_free(self, patience_s: float) -> None:
        freed = until(lambda: sockets(self.daemon) == self.idle, patience_s)
        self.assertTrue(freed, f"{sockets(self.daemon)} sockets\n{self.daemon.log()}")
        self.daemon.assert_idle()

    def silent_strangers(self) -> None:
        """As many as there are places do not keep the peer out, nor put it out once it is in."""
        with ExitStack() as everything, opened(ONE, self.daemon.ports.control) as client:
            now = client.time().time
            asked = request(now + ticks(3), server=ONE, client=TWO, duration=1)
            granted = client.ask(asked)
            port = client.start().peer_port

            def strangers() -> None:
                for _ in range(STRANGERS):
                    stranger = socket.create_connection((ONE, port), 5)
                    everything.enter_context(stranger)
                time.sleep(0.1)

            strangers()
            with peer(ONE, port, granted.sid) as other:
                strangers()
                client.stop_only(AcceptType.REJECT)
                self.assertEqual(other.next(Stopped, 5).accept, AcceptType.REJECT)
                other.stop_only()
            self.assertEqual(client.next(Stopped, 5).accept, AcceptType.REJECT)
        self.assert_free(3)

    def peer_that_does_not_read(self) -> None:
        """Its results do not reach it, so its connection is dropped within seconds."""
        with opened(ONE, self.daemon.ports.control) as client:
            asked = request(client.time().time, server=ONE, client=TWO, duration=1)
            granted = client.ask(asked)
            port = client.start().peer_port
            with peer(ONE, port, granted.sid) as other:
                other.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                stopped = client.stop()
                self.assertEqual(stopped.accept, AcceptType.FAILURE)
                self.assertGreater(len(stopped.output), 4_000_000)
                other.send(other.session.stop(AcceptType.ACCEPT))
                client.socket.close()
                self.assert_free(9)

    def call_that_nobody_takes(self) -> None:
        """The control client leaves while the other end is still called: no call is left."""
        with ExitStack() as everything, opened(ONE, self.daemon.ports.control) as client:
            full = everything.enter_context(socket.socket())
            full.bind((TWO, 0))
            full.listen(0)
            for _ in range(2):  # more does not go into the backlog
                caller = everything.enter_context(socket.socket())
                caller.setblocking(False)
                caller.connect_ex(full.getsockname())
            time.sleep(0.1)
            at = client.time().time + ticks(4)
            sid = SID(b"0123456789abcdef")
            asked = request(at, role=Role.CLIENT, sid=sid, server=TWO, client=ONE, port=20001)
            self.assertEqual(client.ask(asked).accept, AcceptType.ACCEPT)
            ack = client.start(full.getsockname()[1])
            self.assertEqual(ack.accept, AcceptType.ACCEPT)
            self.assertTrue(until(lambda: sockets(self.daemon) == self.idle + 2, 2))
            client.socket.close()
            self.assert_free(3)
