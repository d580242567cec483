"""A small disk that can be filled and made read-only."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import SkipTest


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system of its own."""

    path: Path

    def fill(self) -> None:
        """Leave no room for a single octet."""
        with (self.path / "ballast").open("ab", buffering=0) as ballast:
            for size in (65536, 512, 1):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC, error

    def empty(self) -> None:
        """There is room again."""
        (self.path / "ballast").unlink()

    def write_protect(self, on: bool = True) -> None:
        """Nothing can be changed any more, not even by root."""
        subprocess.run(
            ["mount", "-o", f"remount,{'ro' if on else 'rw'}", str(self.path)], check=True
        )


@contextmanager
def small_disk(kilobytes: int = 512) -> Iterator[Disk]:
    """A disk for the time of a test.

    Raises:
        SkipTest: only root may mount one, and not everywhere.
    """
    if os.geteuid() != 0:
        raise SkipTest("only root can mount a small disk")
    path = Path(tempfile.mkdtemp(prefix="bwctl-disk-"))
    options = f"size={kilobytes}k,mode=755"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, text=True
    )
    try:
        if made.returncode:
            raise SkipTest(f"no small disk can be mounted here: {made.stderr.strip()}")
        yield Disk(path)
    finally:
        if not made.returncode:
            subprocess.run(["umount", "--lazy", str(path)], check=True)
        path.rmdir()
