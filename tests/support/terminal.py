"""A client on a terminal of its own: what its screen would get."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping

from tests.support.daemons import CLIENT_S

_CLIENT = "import sys; from bwctl.cli.main import bwctl; sys.exit(bwctl())"
_OURS = re.compile(r"\r\x1b\[K|\x1b\[(?:0|1|31|32|33)m|\r\n")


def on_terminal(
    *arguments: str, environment: Mapping[str, str] | None = None, columns: int = 100
) -> tuple[int, str]:
    """Run our client with stdout and stderr on one terminal; its exit status and what it wrote.

    Raises:
        AssertionError: it did not end in time.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 40, columns, 0, 0))
    names = ("NO_COLOR", "BWCTLRC", "LC_ALL", "LC_CTYPE", "PYTHONIOENCODING")
    plain = {key: value for key, value in os.environ.items() if key not in names}
    with tempfile.TemporaryDirectory(prefix="bwctl-test-home-") as home:
        process = subprocess.Popen(
            [sys.executable, "-c", _CLIENT, *arguments],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
            env=plain | {"HOME": home, "TERM": "xterm", "LANG": "C.UTF-8", **(environment or {})},
        )
        os.close(slave)
        try:
            written = _all_of(master, time.monotonic() + CLIENT_S)
            return process.wait(5), written.decode("utf-8", "replace")
        finally:
            process.kill()
            process.wait()
            os.close(master)


def _all_of(master: int, end: float) -> bytes:
    """What is written to a terminal until all programs have closed it."""
    written = b""
    while True:
        ready, _, _ = select.select([master], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"not over in time: {written!r}"
        try:
            written += os.read(master, 65536)
        except OSError:  # EIO: nobody has it open any more
            return written


def without_ours(text: str) -> str:
    """A text without the few sequences that the client itself may write, and without line ends."""
    return _OURS.sub("", text).replace("\t", "")
