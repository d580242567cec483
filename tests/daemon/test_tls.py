"""TLS as a user meets it: real daemons, real certificates, every failure by its own sentence."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.exits import ExitStatus
from bwctl.wire.fields import Mode
from tests.support.certificates import Authority
from tests.support.daemons import Daemon, Ran, run_ours, running, start_ours, until
from tests.support.ports import take_block
from tests.support.raw import Raw, request

ADDRESS = "127.0.0.6"
LIMITS = """\
limit root with duration=60
limit nobody with parent=root, allow_open_mode=off
assign default nobody
assign cert partner.example root
assign cert IP:192.0.2.9 root
"""


class TLSTests(SynchronousTestCase):
    def setUp(self) -> None:
        directory = Path(self.mktemp()).absolute()
        directory.mkdir(parents=True)
        self.ca = Authority(directory)
        self.foreign = Authority(directory, "foreign")
        self.partner = self.ca.issue("partner.example", file="partner.pem")

    def daemon(self, certificate: str, options: str = "", limits: str = LIMITS) -> Daemon:
        block = take_block()
        self.addCleanup(block.release)
        self.tls_node = f"bwctls://{ADDRESS}:{block.control}"
        lines = f"tls_port {block.control}\ntls_cert {certificate}\n{options}"
        daemon = start_ours(ADDRESS, lines, limits=limits)
        self.addCleanup(daemon.kill)
        return daemon

    def both(self, *words: str) -> Ran:
        """A test with both ends at the daemon's TLS port."""
        ends = ("-c", self.tls_node, "-s", self.tls_node)
        return run_ours(*ends, "-T", "thrulay", "-t", "1", "--json", *words)

    def fails(self, text: str, *words: str) -> None:
        ran = self.both(*words)
        self.assertEqual(ran.status, ExitStatus.AUTHENTICATION, ran.report)
        error = json.loads(ran.stdout)["error"]
        self.assertIn(text, error["message"])
        self.assertEqual("--ca FILE" in error.get("hint", ""), text == "not trusted here")

    def test_files_of_the_client(self) -> None:
        """A file that cannot be used is a mistake of the command line; nothing is sent."""
        for words, text in (
            (("--ca", "/no/such/file"), "CA file /no/such/file: No such file or directory"),
            (("--ca", __file__), "no certificate in it"),
            (("--cert", __file__), "not a PEM certificate and the key to it"),
            (("--cert", self.ca.file), "no key in it; give --key FILE (a daemon: tls_key)"),
        ):
            ran = run_ours("-c", f"bwctls://{ADDRESS}:1", *words)
            self.assertEqual(ran.status, ExitStatus.USAGE, ran.report)
            self.assertIn(text, ran.stderr)

    def test_certificates_of_the_daemon(self) -> None:
        """Expired, for another name, from a stranger: each is told as such; nothing is sent."""
        good = self.ca.issue(ADDRESS, file="good.pem")
        cases = (
            (self.ca.issue(ADDRESS, file="old.pem", expired=True), self.ca, "has expired"),
            (self.ca.issue("other.example", file="other.pem"), self.ca, "not for 127.0.0.6"),
            (good, self.foreign, "not trusted here"),
        )
        for certificate, trusted, text in cases:
            with running(self.daemon(certificate, limits="limit root with\n")):
                self.fails(text, "--ca", trusted.file)
        with running(self.daemon(good, limits="limit root with\n")) as (daemon,):
            self.fails("not trusted here")  # the system's issuers
            ran = self.both("--ca", self.ca.file)
            self.assertEqual(ran.status, 0, ran.report)
            self.tls_node = f"bwctls://{daemon.node}"
            self.fails("does not speak TLS", "--ca", self.ca.file)

    def test_certificates_of_the_client(self) -> None:
        """A certificate leads to a class; without one, or with a stranger's, the door is shut."""
        good = self.ca.issue(ADDRESS, file="good.pem")
        options = f"tls_client_ca {self.ca.file}\n"
        trusted = ("--ca", self.ca.file)
        with running(self.daemon(good, options)) as (daemon,):
            ran = self.both(*trusted, "--cert", self.partner)
            self.assertEqual(ran.status, 0, ran.report)
            self.assertIn("user DNS:partner.example, class root", daemon.log())
            other = self.ca.issue("192.0.2.9", file="by-address.pem")
            self.assertEqual(self.both(*trusted, "--cert", other).status, 0)
            self.fails("offered authenticated", *trusted)  # class nobody: no open mode
            stranger = self.foreign.issue("partner.example", file="stranger.pem")
            self.fails("does not trust the issuer", *trusted, "--cert", stranger)
            self.assertIn("turned away by TLS: its certificate is not from an", daemon.log())
        with running(self.daemon(good, options + "tls_require_client\n")) as (daemon,):
            self.fails("wants a certificate", *trusted)
            self.assertIn("turned away by TLS: it showed no certificate", daemon.log())
            self.assertNotIn("SSL routines", daemon.log())
            ran = self.both(*trusted, "--cert", self.partner)
            self.assertEqual(ran.status, 0, ran.report)

    def test_reload(self) -> None:
        """HUP takes a renewed certificate into use; a broken file changes nothing."""
        certificate = Path(self.ca.issue("other.example", file="daemon.pem"))
        with running(self.daemon(str(certificate), limits="limit root with\n")) as (daemon,):
            self.fails("not for 127.0.0.6", "--ca", self.ca.file)
            certificate.write_text("half a certificate")
            self.hangup(daemon, "daemon.not_reloaded")
            self.fails("not for 127.0.0.6", "--ca", self.ca.file)
            self.ca.issue(ADDRESS, file="daemon.pem")
            self.hangup(daemon, "daemon.reloaded")
            ran = self.both("--ca", self.ca.file)
            self.assertEqual(ran.status, 0, ran.report)
            daemon.forgive_errors()

    def test_begin_and_end_need_a_restart(self) -> None:
        """A certificate that is added or taken away at a HUP is told as waiting for a restart."""
        good = self.ca.issue(ADDRESS, file="good.pem")
        with running(self.daemon(good)) as (daemon,):
            file = daemon.directory / "bwctl-server.conf"
            lines = file.read_text().splitlines(keepends=True)
            file.write_text("".join(one for one in lines if not one.startswith("tls_cert")))
            self.hangup(daemon, "daemon.reloaded")
            self.assertIn("a restart is needed for tls_cert", daemon.log())
            host, _, port = self.tls_node.removeprefix("bwctls://").partition(":")
            Raw(host, int(port), tls=self.ca.file).socket.close()
        with running(start_ours(ADDRESS)) as (daemon,):
            file = daemon.directory / "bwctl-server.conf"
            file.write_text(f"{file.read_text()}tls_cert {good}\n")
            self.hangup(daemon, "daemon.reloaded")
            self.assertIn("a restart is needed for tls_cert", daemon.log())

    def hangup(self, daemon: Daemon, event: str) -> None:
        daemon.process.send_signal(signal.SIGHUP)
        self.assertTrue(until(lambda: f" {event} " in daemon.log(), 10), daemon.log())

    def test_peer_connection(self) -> None:
        """Between daemons that were reached over TLS, the peer connection is encrypted."""
        good = self.ca.issue(ADDRESS, file="good.pem")
        with running(self.daemon(good, limits="limit root with\n")):
            host, _, port = self.tls_node.removeprefix("bwctls://").partition(":")
            with Raw(host, int(port), tls=self.ca.file) as client:
                client.open()
                client.ask(request(client.time().time, server=ADDRESS, client=ADDRESS))
                with Raw(ADDRESS, client.start().peer_port) as stranger:
                    self.assertEqual(stranger.greeting.modes, Mode.ENCRYPTED)

    def test_peer_connection_of_tls(self) -> None:
        """A client that reached both daemons over TLS has them use it between them too."""
        good = self.ca.issue(ADDRESS, file="good.pem")
        with running(self.daemon(good, limits="limit root with\n")) as (daemon,):
            ran = self.both("--ca", self.ca.file)
            self.assertEqual(ran.status, 0, ran.report)
            self.assertEqual(daemon.log().count(" peer.tls "), 2, daemon.log())
            self.assertIn(f"peer connection with {ADDRESS} over TLS", daemon.log())

    def test_files(self) -> None:
        """A daemon does not start with files that it cannot use, and names them."""
        for options, text in (
            ("tls_cert /no/such/file\n", "/no/such/file: No such file"),
            (f"tls_cert {self.ca.file}\n", "no key in it; give --key FILE (a daemon: tls_key)"),
            (
                f"tls_cert {self.partner}\ntls_key {self.ca.issue('k', file='k.pem')}\n",
                "k.pem: not a PEM certificate and the key to it",
            ),
            (
                f"tls_cert {self.partner}\ntls_client_ca {__file__}\n",
                "no certificate in it",
            ),
        ):
            with self.assertRaises(AssertionError) as caught:
                start_ours(ADDRESS, options)
            self.assertIn(text, str(caught.exception))
            self.assertNotIn("Traceback", str(caught.exception))
