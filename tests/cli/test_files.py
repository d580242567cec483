"""Result files: whole or not there, and in the place of no other file than their own."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.files import write_whole


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp())
        self.place.mkdir(parents=True)
        self.other = self.place / "other"
        self.other.write_bytes(b"another's")

    def test_links_are_not_followed(self) -> None:
        """A link in the place of a result is replaced; what it leads to stays as it is."""
        for name, target in (("link", self.other), ("dangling", self.place / "elsewhere")):
            path = self.place / name
            path.symlink_to(target)
            self.assertIsNone(write_whole(path, b"figures"))
            self.assertFalse(path.is_symlink())
            self.assertEqual(path.read_bytes(), b"figures")
        self.assertEqual(self.other.read_bytes(), b"another's")
        self.assertFalse((self.place / "elsewhere").exists())

    def test_name_of_the_half_is_taken(self) -> None:
        """Somebody who has guessed it gets nothing written, and keeps what is his."""
        guessed = self.place / f".result.{os.getpid()}"
        guessed.symlink_to(self.other)
        failure = write_whole(self.place / "result", b"figures")
        assert failure is not None
        self.assertIn("File exists", failure.message)
        self.assertEqual(self.other.read_bytes(), b"another's")
        self.assertTrue(guessed.is_symlink())

    def test_no_directory(self) -> None:
        """It is told, and nothing is left."""
        failure = write_whole(self.place / "none" / "result", b"figures")
        assert failure is not None
        self.assertIn("No such file or directory", failure.message)
