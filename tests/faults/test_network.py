"""The network between the ends is cut, slow or partly closed."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from bwctl.net import tcp
from tests.faults.promises import CABLE, FIREWALL, LONG, SLACK_S, SLOW, cable_s
from tests.faults.scene import RECEIVER, RELAY, SENDER, Scene, chosen, lost
from tests.support import daemons
from tests.support.daemons import Client, Daemon, run_ours, start_ours
from tests.support.namespaces import NetHost, two_hosts
from tests.support.relay import relayed

# What waits for words from a host that is gone, and holds no slot.
UNANSWERED = ("connections", "exchanges")
FAR_RELAY = "127.0.0.133"
IDLE_S, INTERVAL_S, GONE_S = (tcp.IDLE_S, tcp.INTERVAL_S, tcp.GONE_S) if LONG else (1, 1, 4)
LONG_S = 4 * GONE_S
_IMPATIENT = f"""
import sys
from bwctl.net import tcp
tcp.IDLE_S, tcp.INTERVAL_S, tcp.GONE_S = {IDLE_S}, {INTERVAL_S}, {GONE_S}
"""
_TWISTD = _IMPATIENT + "from twisted.scripts.twistd import run; sys.exit(run())"
_CLIENT = _IMPATIENT + "from bwctl.cli.main import bwctl; sys.exit(bwctl())"


class CableTests(Scene):
    """The client and the receiver are on one host, the sender on another."""

    def setUp(self) -> None:
        self.patch(daemons, "_TWISTD", _TWISTD)
        hosts = two_hosts()
        self.left, self.right = hosts.__enter__()
        self.addCleanup(hosts.__exit__, None, None, None)
        self.daemons = {RECEIVER: self.start_on(self.left), SENDER: self.start_on(self.right)}

    def start_on(self, host: NetHost) -> Daemon:
        daemon = start_ours(host.address, "overrun 4\n", inside=host.inside)
        self.addCleanup(daemon.kill)
        return daemon

    def client(self, *more: str) -> Client:
        command = [*self.left.inside, sys.executable, "-c", _CLIENT]
        return Client(command, [*self.ends(), "-T", "thrulay", *more])

    def test_cable(self) -> None:
        """Pulled out it ends a test at both ends soon, and the user is told where."""
        soon = replace(CABLE, free_s=cable_s(GONE_S, INTERVAL_S))
        for phase in chosen(("running",), ("waiting", "running")):
            client = self.client("-t", str(LONG_S))
            client.await_word(phase)
            time.sleep(1.0)
            struck = time.monotonic()
            self.left.unplug()
            both = self.daemons.values()
            self.assert_free(soon, *both, since=struck, but=UNANSWERED)
            # Whoever says something to a host that is gone begins to wait anew.
            ran = client.wait(2 * soon.free_s + SLACK_S)
            silent = f"{lost(self.sender.node)}|{self.sender.node} sent no results within"
            noticed = f"the test failed at receiver {self.left.address}: "  # by its tester
            told = silent if ran.status == 14 else noticed
            self.assertIn(ran.status, (1, 14) if LONG else (14,), ran.report)
            self.assert_told(ran, ran.status, told, phase)
            self.assert_nothing_left()
            self.left.plug()
        if LONG:
            self.loose_contact()
        self.closed_peer_port()  # for good

    def loose_contact(self) -> None:
        """TCP does not notice that the cable was out for a moment, and nor does anybody."""
        client = self.client("-t", "4")
        client.await_word("running")
        time.sleep(1.0)
        self.left.unplug()
        time.sleep(0.8)
        self.left.plug()
        ran = client.wait()
        self.assertEqual(ran.status, 0, ran.report)
        self.assert_free(SLOW, *self.daemons.values())

    def closed_peer_port(self) -> None:
        """A firewall between the daemons: the test fails at its start, not later."""
        self.right.block(self.left.address, self.receiver.ports.peer)
        ran = self.client("-t", str(LONG_S)).wait(SLACK_S + 10)
        told = f"at sender {self.right.address}: cannot connect to the other end"
        self.assert_told(ran, 1, told)
        self.assert_free(FIREWALL, *self.daemons.values())

    def test_slow_network(self) -> None:
        """A tenth of a second each way, and packets that are lost, are no reason to fail."""
        for host in (self.left, self.right):
            host.slow_down("delay 100ms 20ms loss 1%")
        self.assert_well()


class SlowControlTests(Scene):
    def test_slow_control_connections(self) -> None:
        """Daemons that are a second away, there and back, are asked all the same."""
        with relayed(self.receiver, RELAY) as near, relayed(self.sender, FAR_RELAY) as far:
            near.delay_s, far.delay_s = 0.1, 0.5
            words = ("-a", "0.1", "-c", near.node, "-s", far.node, "-T", "thrulay", "-t", "1")
            ran = run_ours(*words)
        self.assertEqual(ran.status, 0, ran.report)
        self.assert_free(SLOW, *self.daemons.values())
