"""Run programs of the room as child processes, and look whether processes are alive."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import TestCase

import bwctl.embedded

RUN = str(Path(bwctl.embedded.__file__).with_name("run.py"))
PREFIX = [sys.executable, "-I", "-S", RUN]
PATIENCE_S = 10.0


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program of the room to its end; its output is text."""
    return subprocess.run(
        [*PREFIX, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, **options
    )


def start(
    arguments: Sequence[str], stdin: int = subprocess.DEVNULL, **options: Any
) -> subprocess.Popen[str]:
    """Start a program of the room with pipes for its output, which is text."""
    return subprocess.Popen(
        [*PREFIX, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not reaped (state Z) does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> bool:
    """Wait for a condition; whether it came true in time."""
    end = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def descriptors(pid: int) -> dict[int, str]:
    """What the descriptors of a process refer to."""
    folder = f"/proc/{pid}/fd"
    return {int(name): os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}


def free_port(family: socket.AddressFamily = socket.AF_INET) -> int:
    """A TCP port below the ephemeral range that nobody listens on."""
    address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket(family) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port


def facts(output: str) -> dict[str, Any]:
    """The object of the last line of a tester's output."""
    last = output.splitlines()[-1]
    assert last.startswith("#json "), output
    found: dict[str, Any] = json.loads(last.removeprefix("#json "))
    return found


class ProgramTestCase(TestCase):
    """Runs testers; what is left of them at the end of a test is killed."""

    def program(self, role: str, *arguments: str, **options: str) -> subprocess.Popen[str]:
        """Start a role; options are those of its command line."""
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        process = start(["thrulay", role, *arguments, *words])
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            self.addCleanup(stream.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def server(self, **options: str) -> tuple[subprocess.Popen[str], int]:
        """A server on loopback that listens, and its port."""
        bind = options.setdefault("bind", "127.0.0.1")
        port = free_port(socket.AF_INET6 if ":" in bind else socket.AF_INET)
        process = self.program("server", port=str(port), **options)
        assert process.stdout is not None
        self.assertIn("listening on", process.stdout.readline())
        return process, port

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Wait for an end: exit status, output, errors."""
        output, errors = process.communicate(timeout=PATIENCE_S)
        return process.returncode, output, errors
