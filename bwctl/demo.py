"""Two daemons and a client on loopback, one real test: what `make demo` runs."""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import IO

from bwctl.testers.registry import BUILT_IN
from bwctl.values import Kind, kind_of

ADDRESSES = ("127.0.0.2", "127.0.0.3")
_START_S = 30.0
_STOP_S = 10.0
_LISTENS = re.compile(r"bwctld listens on port (\d+)")


class DemoError(Exception):
    """The demonstration failed; the text says why."""


class Daemon:
    """One `twistd bwctld` on a free port."""

    def __init__(self, address: str, directory: str) -> None:
        self.address = address
        self.port = 0
        self._lines: deque[str] = deque(maxlen=200)
        command = [
            *(_program("twistd"), "--nodaemon", "--pidfile=", "bwctld"),
            *("-f", "--allow-unsync", "-S", f"{address}:0", "-c", directory),
        ]
        self._process = subprocess.Popen(
            command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        self._reader = Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.append(line)
            found = _LISTENS.search(line)
            if found:
                self.port = int(found[1])

    @property
    def log(self) -> str:
        """The end of what it wrote."""
        return "".join(self._lines)

    def await_port(self) -> None:
        """Wait until it listens.

        Raises:
            DemoError: it does not.
        """
        end = time.monotonic() + _START_S
        while not self.port:
            if self._process.poll() is not None or time.monotonic() > end:
                raise DemoError(f"the daemon on {self.address} did not start:\n{self.log}")
            time.sleep(0.02)

    def stop(self) -> int:
        """Stop it; returns its exit status."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            status = self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join(1.0)
        return status


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def run(tester: str, seconds: int) -> int:
    """Start both daemons, run the test, stop everything; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="bwctl-demo.") as directory:
        Path(directory, "bwctl-server.conf").touch()
        Path(directory, "bwctl-server.limits").write_text("limit demo with duration=60\n")
        daemons: list[Daemon] = []
        try:
            daemons = [Daemon(address, directory) for address in ADDRESSES]
            for daemon in daemons:
                daemon.await_port()
            status = _client(daemons, tester, seconds)
            if status:
                logs = "".join(f"--- log of {one.address}\n{one.log}" for one in daemons)
                raise DemoError(f"the client ended with status {status}\n{logs}")
        finally:
            statuses = [daemon.stop() for daemon in daemons]
    # twistd stops cleanly, and then ends by the very signal that stopped it.
    if not set(statuses) <= {0, -signal.SIGTERM}:
        raise DemoError(f"the daemons ended with statuses {statuses}")
    return 0


def _client(daemons: Sequence[Daemon], tester: str, seconds: int) -> int:
    receiver, sender = (f"{one.address}:{one.port}" for one in daemons)
    words = ["-c", receiver, "-s", sender, "-T", tester, "-t", str(seconds), "-i", "1", "-x"]
    print("$ bwctl " + " ".join(words), flush=True)
    return subprocess.run([_program("bwctl"), *words], timeout=60 + seconds).returncode


def main() -> int:
    """The command line of the demonstration."""
    parser = argparse.ArgumentParser(prog="python -m bwctl.demo", description=__doc__)
    parser.add_argument(
        "--tester",
        default="thrulay",
        choices=[one.name for one in BUILT_IN if kind_of(one.tool_id) is Kind.THROUGHPUT],
        help="tester to run (default: thrulay, the embedded one)",
    )
    parser.add_argument("--seconds", type=int, default=5, help="length of the test (default: 5)")
    options = parser.parse_args()
    try:
        return run(options.tester, options.seconds)
    except (DemoError, OSError, subprocess.SubprocessError) as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
