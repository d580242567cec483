"""Tests of reading the configuration directory."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.daemon.config import Settings
from bwctl.daemon.config_files import (
    load_client_settings,
    load_keys,
    load_limits,
    load_settings,
)
from bwctl.errors import ConfigurationError
from tests.limits.examples import PUBLIC_KEYS, PUBLIC_LIMITS


class FileTests(SynchronousTestCase):
    """Missing, unreadable and badly protected files (daemon.md 1.1, 3.3)."""

    def setUp(self) -> None:
        self.path = self.mktemp()

    def write(self, text: str | bytes, mode: int = 0o600) -> None:
        octets = text if isinstance(text, bytes) else text.encode()
        Path(self.path).unlink(missing_ok=True)
        Path(self.path).write_bytes(octets)
        os.chmod(self.path, mode)

    def test_missing(self) -> None:
        """A missing file stands for the defaults, but not where the directory was named."""
        self.assertEqual(load_settings(self.path), (Settings(), []))
        self.assertEqual(load_client_settings(self.path), (Settings(), []))
        self.assertEqual(load_limits(self.path)[0].root.name, "default")
        self.assertEqual((len(load_keys(self.path)[0]), load_keys(self.path)[1]), (0, []))
        error = self.assertRaises(ConfigurationError, load_settings, self.path, required=True)
        self.assertIn("cannot be read", str(error))

    def test_unreadable(self) -> None:
        """A file that cannot be read is an error."""
        os.mkdir(self.path)
        for load in (load_settings, load_client_settings, load_limits, load_keys):
            error = self.assertRaises(ConfigurationError, load, self.path)
            self.assertIn(self.path, str(error))

    def test_read(self) -> None:
        """Settings, keys and limits come from their files, flags beat the file."""
        self.write("src_node :1\nverbose")
        settings, _ = load_settings(self.path, required=True, overrides={"src_node": ":2"})
        self.assertEqual((settings.listen.port, settings.verbose), (2, True))
        self.write(PUBLIC_KEYS)
        keys, found = load_keys(self.path)
        self.assertEqual((list(keys), found), (["alice", "noc-mesh"], []))
        self.write(PUBLIC_LIMITS)
        limits, _ = load_limits(self.path, users=keys)
        self.assertEqual(limits.users["alice"].name, "staff")
        self.write("sync_fuzz 2")
        self.assertEqual(load_client_settings(self.path)[0].sync_fuzz, 2.0)

    def test_modes_of_the_key_file(self) -> None:
        """Keys that others can write are refused; that others can read them is a warning."""
        table = {0o600: 0, 0o400: 0, 0o640: 0, 0o644: 1, 0o604: 1, 0o660: None, 0o602: None}
        for mode, expected in table.items():
            self.write(PUBLIC_KEYS, mode)
            if expected is None:
                error = self.assertRaises(ConfigurationError, load_keys, self.path)
                self.assertIn(f"{mode:04o}", str(error))
            else:
                self.assertEqual(len(load_keys(self.path)[1]), expected, f"{mode:o}")

    def test_octets_that_are_not_utf8(self) -> None:
        """An identity may have any octets but white space; other files complain in ASCII."""
        self.write(b"j\xf6e 9dd4e461268c8034f5c8564e155c67a6\n")
        keys, _ = load_keys(self.path)
        found = keys.find(b"j\xf6e".decode("utf-8", "surrogateescape"))  # as from the wire
        assert found is not None
        self.assertEqual(found.hex(), "9dd4e461268c8034f5c8564e155c67a6")
        self.write(b"f\xf6o 1\n")
        error = self.assertRaises(ConfigurationError, load_settings, self.path)
        self.assertTrue(str(error).isascii())
