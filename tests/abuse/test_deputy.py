"""A client cannot use a daemon as its hand: what others say to the daemon stays there."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.legality import PEER
from bwctl.control.session import Stopped
from bwctl.errors import AcceptType
from bwctl.values import Role, ToolID, ticks
from bwctl.wire.fields import Mode
from bwctl.wire.messages import Ready, StopSession, encode_stop
from tests.abuse.scenes import CALLED_STAGES, PEER_SID, testing
from tests.support.baseline import Baseline
from tests.support.daemons import Daemon, running, start_ours, until
from tests.support.raw import Raw, opened, request

ADDRESS, OTHER, THIRD = "127.0.0.120", "127.0.0.121", "127.0.0.122"
SECRET = "SSH-2.0-internal_build_4711"


class DeputyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.daemon = start_ours(ADDRESS, "disable_iperf\ndisable_iperf3\ndisable_nuttcp\n")
        self.addCleanup(self.daemon.kill)

    def test_deputy(self) -> None:
        """One daemon for all of them."""
        ends = {"server": OTHER, "client": ADDRESS}
        with running(self.daemon):
            baseline = Baseline(self.daemon)
            self.banners()
            self.ready_without_end(ends)
            self.results_of_clients({"server": ADDRESS, "client": OTHER})
            baseline.check()

    def banners(self) -> None:
        """What some service says to the daemon is not told to the client who made it call."""
        told = self.results_of_call(SECRET)
        self.assertNotIn("SSH", told)
        self.assertNotIn("4711", told)
        self.assertIn("does not speak the protocol", told)
        self.assertNotIn("start_tool", told)  # no traffic for who does not
        self.assertNotIn("SSH", self.results_of_call(None))
        self.assertIn("4711", self.daemon.log())  # for the administrator

    def results_of_call(self, banner: str | None) -> str:
        """What a client hears of a call to a service; None: one that hangs up."""
        with closing(socket.create_server((OTHER, 0))) as service:
            talk = threading.Thread(target=_serve, args=(service, banner))
            talk.start()
            with opened(ADDRESS, self.daemon.ports.control) as client:
                at = client.time().time + ticks(30)
                asked = request(
                    at,
                    role=Role.CLIENT,
                    sid=PEER_SID,
                    tool=ToolID.THRULAY,
                    server=OTHER,
                    client=ADDRESS,
                    verbose=True,
                )
                self.assertEqual(client.ask(asked).accept, AcceptType.ACCEPT)
                client.start(service.getsockname()[1])
                stopped = client.next(Stopped)
            talk.join()
        self.assertEqual(stopped.accept, AcceptType.FAILURE)
        return stopped.output.decode()

    def ready_without_end(self, ends: dict[str, str]) -> None:
        """A peer that says again and again that it is ready is hung up on: it costs us work."""
        scene = CALLED_STAGES["TESTING"](self.daemon, ends)
        for _ in range(2):
            scene.say(Ready().encode())
        scene.connection.settimeout(5)
        self.assertRaises(ConnectionResetError, scene.connection.recv, 1)
        scene.leave(2)

    def results_of_clients(self, ends: dict[str, str]) -> None:
        """A control client has no results; many megabytes of them are refused unread."""
        scene = testing(self.daemon, ends)
        scene.say(StopSession(AcceptType.ACCEPT, 1 << 20).encode())
        scene.connection.settimeout(5)
        self.assertRaises(ConnectionResetError, scene.connection.recv, 1)
        scene.leave(2)
        scene = testing(self.daemon, ends)
        scene.say(encode_stop(AcceptType.REJECT, b"some words"))  # harmless
        self.assertTrue(scene.leave(0))

    def test_first_words(self) -> None:
        """A stranger gets a greeting of 32 octets, and no more until it has said something."""
        where = (ADDRESS, self.daemon.ports.control)
        with running(self.daemon), socket.create_connection(where, 5) as stranger:
            stranger.settimeout(1)
            self.assertEqual(len(stranger.recv(4096)), 32)
            self.assertRaises(TimeoutError, stranger.recv, 1)

    def test_places(self) -> None:
        """Who may only test with himself cannot name another; groups are refused to all."""
        limits = (
            "limit root with\nlimit guest with parent=root, allow_third_party=off\n"
            f"assign default root\nassign net {OTHER} guest\n"
        )
        with running(start_ours(ADDRESS, limits=limits)) as (daemon,):
            for source, other, accept in (
                (OTHER, OTHER, AcceptType.ACCEPT),
                (OTHER, ADDRESS, AcceptType.REJECT),  # the daemon's own host
                (OTHER, THIRD, AcceptType.REJECT),
                ("127.0.0.1", THIRD, AcceptType.ACCEPT),
                ("127.0.0.1", "224.0.0.251", AcceptType.REJECT),
            ):
                for role in Role:
                    ends = {"server": ADDRESS, "client": other}
                    if role is Role.CLIENT:
                        ends = {"server": other, "client": ADDRESS}
                    self.assertIs(_asked(daemon, source, role, ends), accept, (source, other))
            # Its own address in the place of ours makes nobody an end of the test.
            forged = {"server": THIRD, "client": OTHER}
            self.assertIs(_asked(daemon, OTHER, Role.CLIENT, forged), AcceptType.REJECT)
            for limit in ("allow_third_party=off of class guest", "addresses=single hosts"):
                self.assertIn(limit, daemon.log())

    def test_pings(self) -> None:
        """Who asks for pings at somebody else cannot also play the part of that one's daemon."""
        with running(start_ours(ADDRESS)) as (daemon,):
            for source, accept in ((OTHER, AcceptType.FAILURE), (THIRD, AcceptType.ACCEPT)):
                stopped = _pings(daemon, source)
                self.assertIs(stopped.accept, accept, stopped.output)
                sent = b"start_tool" in stopped.output
                self.assertEqual(sent, accept is AcceptType.ACCEPT, stopped.output)

    def test_keepalive(self) -> None:
        """TCP looks after clients that are silent for long: their hosts may be gone."""
        with running(self.daemon), opened(ADDRESS, self.daemon.ports.control):
            kept = until(lambda: _timers_of(self.daemon) == {"02"}, 5)
            self.assertTrue(kept, _timers_of(self.daemon))


def _asked(daemon: Daemon, source: str, role: Role, ends: dict[str, str]) -> AcceptType:
    with Raw(ADDRESS, daemon.ports.control, source=source) as client:
        client.open()
        at = client.time().time + ticks(30)
        return client.ask(request(at, role=role, sid=PEER_SID, tool=ToolID.THRULAY, **ends)).accept


def _pings(daemon: Daemon, source: str) -> Stopped:
    """What becomes of pings from the daemon to THIRD, where OTHER is the control client.

    Args:
        source: where the peer connection comes from, which knows the session id.
    """
    with Raw(ADDRESS, daemon.ports.control, source=OTHER) as client:
        client.open()
        granted = client.ask(
            request(
                client.time().time,
                tool=ToolID.PING,
                server=ADDRESS,
                client=THIRD,
                server_sends=True,
                packet_count=2,
                packet_spacing_ms=200,
                duration=2,
                verbose=True,
            )
        )
        port = client.start().peer_port
        with Raw(
            *(ADDRESS, port, Mode.ENCRYPTED),
            **{"user": "endpoint", "key": granted.sid, "table": PEER, "extensions": 1},
            source=source,
        ) as peer:
            peer.open()
            peer.time()
            return client.stop()


def _serve(service: socket.socket, banner: str | None) -> None:
    connection, _ = service.accept()
    with closing(connection):
        if banner:
            connection.sendall(banner.encode().ljust(40, b"!") + b"\r\n")
            connection.settimeout(4)
            try:
                connection.recv(1)
            except OSError:
                return


def _timers_of(daemon: Daemon) -> set[str]:
    """Kinds of the kernel's timers of a daemon's connections; 02 is keepalive. See proc(5)."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    port = f":{daemon.ports.control:04X}"
    return {row[5].split(":")[0] for row in rows if row[1].endswith(port) and row[3] == "01"}
