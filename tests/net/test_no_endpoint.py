"""Tests whose other end has no daemon: no peer connection, and maybe nothing to run here."""

from __future__ import annotations

import subprocess

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType
from bwctl.values import Role
from tests.support.daemons import LIMITS, running, start_ours
from tests.support.raw import opened, request
from tests.support.testers import need

SERVER, CLIENT = "127.0.0.97", "127.0.0.98"
ALLOWED = LIMITS.replace("allow_tcp=on", "allow_tcp=on, allow_no_endpoint=on")


class NoEndpointTests(SynchronousTestCase):
    def test_client_role(self) -> None:
        """The client daemon runs its tester against a server that somebody else has started."""
        need("iperf3")
        with running(start_ours(CLIENT, limits=ALLOWED)) as (daemon,):
            port = daemon.ports.first + 49  # of the block, and not of the peer ports
            server = ["iperf3", "-s", "-1", "-B", SERVER, "-p", str(port)]
            other = subprocess.Popen(
                server,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            self.addCleanup(other.wait)
            self.addCleanup(other.kill)
            with opened(CLIENT, daemon.ports.control) as client:
                asked = request(
                    client.time().time,
                    role=Role.CLIENT,
                    sid=b"x" * 16,
                    server=SERVER,
                    client=CLIENT,
                    port=port,
                    duration=1,
                    no_server_endpoint=True,
                )
                self.assertEqual(client.ask(asked).accept, AcceptType.ACCEPT)
                ack = client.start()
                self.assertEqual((ack.accept, ack.peer_port), (AcceptType.ACCEPT, 0))
                stopped = client.stop()
            other.terminate()
            other_said, _ = other.communicate(timeout=10)
            self.assertEqual(stopped.accept, AcceptType.ACCEPT, (stopped.output, other_said))
            self.assertIn(b"iperf Done", stopped.output)

    def test_server_role(self) -> None:
        """The server daemon opens no peer port, sits the time out, and says so."""
        with running(start_ours(SERVER, limits=ALLOWED)) as (daemon,):
            with opened(SERVER, daemon.ports.control) as client:
                now = client.time().time
                asked = request(
                    now, server=SERVER, client=CLIENT, duration=1, no_server_endpoint=True
                )
                self.assertEqual(client.ask(asked).accept, AcceptType.ACCEPT)
                self.assertEqual(client.start().peer_port, 0)
                stopped = client.stop()
            self.assertEqual(stopped.accept, AcceptType.ACCEPT)
            self.assertIn(b"nothing to exec for iperf3 server", stopped.output)

    def test_not_allowed(self) -> None:
        """Without allow_no_endpoint such a test is denied to clients of other hosts."""
        with running(start_ours(CLIENT)) as (daemon,), opened(CLIENT, daemon.ports.control) as one:
            asked = request(
                one.time().time, role=Role.CLIENT, sid=b"x" * 16, no_server_endpoint=True
            )
            self.assertEqual(one.ask(asked).accept, AcceptType.REJECT)
