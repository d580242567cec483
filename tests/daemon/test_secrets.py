"""Keys, passphrases and what is made of them are in no log and no output, at any level."""

from __future__ import annotations

import base64
import signal
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.limits.keys import key_from_passphrase
from bwctl.wire.fields import Mode
from tests.support.certificates import Authority
from tests.support.daemons import KEYS, USER, Daemon, run_ours, running, start_ours, until
from tests.support.ports import take_block
from tests.support.raw import KEY, Raw, request

ADDRESS = "127.0.0.128"
PASSPHRASE = "golden passphrase"
BAD_KEY = "5ec7e75ec7e75ec7e75ec7e75ec7e7zz"
ALL_LEVELS = "verbose\npriority debug\naccess_priority debug\nlog_location\n"


def forms(secret: bytes) -> Iterator[str]:
    """How a secret might be written."""
    yield secret.hex()
    yield secret.hex().upper()
    yield base64.b64encode(secret).decode().rstrip("=")
    yield repr(bytes(secret))[2:-1]
    yield secret.hex(" ")


class SecretTests(SynchronousTestCase):
    def setUp(self) -> None:
        directory = Path(self.mktemp()).absolute()
        directory.mkdir(parents=True)
        self.authority = Authority(directory)
        self.certificate = self.authority.issue(ADDRESS, file="own.pem")
        self.secrets: list[bytes] = [KEY]
        self.texts = [PASSPHRASE, BAD_KEY, *self.private_key()]
        self.said: list[str] = []

    def private_key(self) -> list[str]:
        """The lines of the daemon's TLS key."""
        pem = Path(self.certificate).read_text()
        key = pem.partition("PRIVATE KEY-----\n")[2].partition("-----END")[0]
        return [line for line in key.splitlines() if len(line) > 20]

    def test_key_is_that_of_the_phrase(self) -> None:
        """What is looked for is what is used."""
        self.assertEqual(key_from_passphrase(PASSPHRASE), KEY)
        self.assertIn(KEY.hex(), KEYS)
        self.assertTrue(self.private_key())

    def test_logs(self) -> None:
        """Whatever a daemon is asked and however much it writes."""
        for log_format in ("text", "json"):
            block = take_block()
            self.addCleanup(block.release)
            tls = f"tls_port {block.control}\ntls_cert {self.certificate}\n"
            options = f"{ALL_LEVELS}{tls}log_format {log_format}\n"
            with running(start_ours(ADDRESS, options)) as (daemon,):
                daemon.forgive_errors()  # of the broken files
                self.shake_hands(daemon, block.control)
                self.read_broken_keys(daemon)
                self.make_a_test(daemon)
                self.said.append(daemon.log())
                self.assertGreater(daemon.log().count("control.opened"), 3)
        self.check()

    def shake_hands(self, daemon: Daemon, tls_port: int) -> None:
        """In every mode, with the right key, a wrong one, and none."""
        wrong = bytes(range(16, 32))
        self.secrets.append(wrong)
        for mode in (Mode.AUTHENTICATED, Mode.ENCRYPTED):
            for key, user in ((KEY, USER), (wrong, USER), (KEY, "nobody")):
                with Raw(ADDRESS, daemon.ports.control, mode, user=user, key=key) as client:
                    client.send(client.session.greet())
                    self.secrets.append(client.session._session_key or b"")
                    client.next(object)
        with Raw(ADDRESS, tls_port, Mode.ENCRYPTED, tls=self.authority.file) as client:
            client.open()
            self.secrets.append(client.session._session_key or b"")
            now = client.time().time
            client.ask(request(now, server=ADDRESS))
            client.send(b"\xff" * 64)  # ends in a complaint about the protocol
            client.is_closed()

    def read_broken_keys(self, daemon: Daemon) -> None:
        """A reload that complains about lines of the key file."""
        file = daemon.directory / "bwctl-server.keys"
        good = file.read_text()
        for broken in (f"other {BAD_KEY}\n", good, f" {USER} {KEY.hex()}\n", f"x {KEY.hex()} y\n"):
            file.write_text(good + broken)
            seen = daemon.log().count("daemon.not_reloaded")
            daemon.process.send_signal(signal.SIGHUP)
            told = until(lambda seen=seen: daemon.log().count("daemon.not_reloaded") > seen, 10)
            self.assertTrue(told, daemon.log())
        file.write_text(good)
        daemon.process.send_signal(signal.SIGHUP)
        self.assertTrue(until(lambda: "daemon.reloaded" in daemon.log(), 10))

    def make_a_test(self, daemon: Daemon) -> None:
        """A whole test whose client tells all it can."""
        ends = ("-c", daemon.node, "AE", *daemon.auth, "-s", daemon.node, "AE", *daemon.auth)
        ran = run_ours("-v", "-v", "-x", "-T", "thrulay", "-t", "1", "-a", "1", *ends)
        self.assertEqual(ran.status, 0, ran.report)
        self.said += [ran.stdout, ran.stderr]

    def check(self) -> None:
        everything = "\n".join(self.said)
        for secret in filter(None, self.secrets):
            for form in forms(secret):
                self.assertNotIn(form, everything, f"a secret is told: {form}")
        for text in self.texts:
            self.assertNotIn(text, everything, "a secret is told")
