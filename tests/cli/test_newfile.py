"""Result files: what is there already is not touched."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.newfile import create


class CreateTests(SynchronousTestCase):
    def test_new_only(self) -> None:
        """A new file gets the content; a file, a link or a link to nothing stays as it is."""
        place = Path(self.mktemp())
        place.mkdir(parents=True)
        create(place / "result", b"figures")
        self.assertEqual((place / "result").read_bytes(), b"figures")
        (place / "link").symlink_to(place / "result")
        (place / "dangling").symlink_to(place / "elsewhere")
        for name in ("result", "link", "dangling"):
            self.assertRaises(FileExistsError, create, place / name, b"others")
        self.assertEqual((place / "result").read_bytes(), b"figures")
        self.assertFalse((place / "elsewhere").exists())
