"""Run programs of the room as child processes, and look whether processes are alive."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
