"""Writers of a key file that are killed: a program that test_keys runs.

`python -m tests.cli.test_keys_writers race|kill|stop DIRECTORY [SEED]` prints one JSON object of
what it saw. Every writer is a process of its own, made by fork to start at once.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

from bwctl.cli import keys_file
from bwctl.cli.keys import main
from bwctl.errors import ConfigurationError
from bwctl.limits.keys import Key, format_keys, parse_keys

ROUNDS = 30
STOPPED = 50  # exit status of a writer that ends with Stop
HEAD = "# people\n\n"
TAIL = "  # the end\n"
Entries = dict[str, str]  # key in hex by identity


class Stop(BaseException):
    """What a signal raises in the program."""


def fork(arguments: list[str], output: Path, before: Callable[[], object] = bool) -> int:
    """Start a writer; returns its process id."""
    process = os.fork()
    if process == 0:
        status = 99
        try:
            sys.stdout = output.open("w")
            sys.stderr = output.with_suffix(".err").open("w")
            before()
            status = main(arguments)
        except Stop:
            status = STOPPED
        finally:
            os._exit(status)
    return process


def wait(process: int) -> int:
    """Exit status of a process; negative: the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def entries(file: Path) -> Entries:
    """What a file holds; an error if it is no key file."""
    return {identity: key.hex() for identity, key in parse_keys(file.read_text(), "f").items()}


def leftovers(file: Path) -> int:
    """How many files there are that should not be."""
    return sum(path != file for path in file.parent.iterdir())


@dataclass(frozen=True)
class Change:
    """A writer at work on an identity of its own."""

    process: int
    name: str
    before: str | None  # the key in hex
    removes: bool
    output: Path

    def holds(self, status: int, after: str | None) -> bool:
        """Whether the file is as the end of the writer promises."""
        if status == 0:
            printed = self.output.read_text().strip() or None
            return after == (None if self.removes else printed)
        # the key of a killed writer may be in the file and not yet printed
        made = after is None if self.removes else after is not None
        return status == -signal.SIGKILL and (made or after == self.before)


class Race:
    """Two writers at a time, each with identities of its own; some are killed."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        (directory / "keys").mkdir()
        self.file = directory / "keys" / "file"
        self.output = directory
        keys = {who: Key(self.chance.randbytes(16)) for who in ("a1", "a2", "b1", "b2", "c")}
        self.file.write_text(f"{HEAD}{format_keys(keys)}{TAIL}")
        self.certain = entries(self.file)
        self.report = {"finished": 0, "killed": 0, "left": 0, "reads": 0}
        self.wrong: list[str] = []

    def run(self) -> dict[str, Any]:
        """All rounds, then one writer that nobody disturbs."""
        typical = median(self.time_alone() for _ in range(5))
        for number in range(ROUNDS):
            victim = self.chance.choice("ab") if number % 3 else ""
            self.one_round(number, victim, self.chance.uniform(0, 1.3 * typical))
        self.time_alone()
        lines = self.file.read_text().splitlines()
        if [line for line in lines if "\t" not in line] != (HEAD + TAIL).splitlines():
            self.wrong.append("comments changed")
        if leftovers(self.file):
            self.wrong.append("a temporary file stays")
        return self.report | {"typical_ms": round(typical * 1000, 1), "wrong": self.wrong}

    def time_alone(self) -> float:
        start = time.monotonic()
        self.settle([self.change("a", 0)])
        return time.monotonic() - start

    def one_round(self, number: int, victim: str, delay_s: float) -> None:
        """Writers a and b at once; one of them may be killed after a while."""
        end = time.monotonic() + delay_s
        changes = {who: self.change(who, number) for who in "ab"}
        while time.monotonic() < end:
            self.look([change.name for change in changes.values()])
        if victim:
            os.kill(changes[victim].process, signal.SIGKILL)
        self.settle(list(changes.values()))

    def change(self, who: str, number: int) -> Change:
        """Start to add, replace or remove an identity that begins with a letter."""
        own = sorted(name for name in self.certain if name[0] == who)
        kind = self.chance.choice(["add", "replace", "delete"]) if own else "add"
        name = f"{who}{number + 10}" if kind == "add" else self.chance.choice(own)
        flag = "-d" if kind == "delete" else "--random"
        output = self.output / who
        process = fork(["-f", str(self.file), flag, name], output)
        return Change(process, name, self.certain.get(name), kind == "delete", output)

    def look(self, changing: list[str]) -> None:
        """A reader sees a whole file with all entries that nobody changes."""
        self.report["reads"] += 1
        try:
            seen = entries(self.file)
        except ConfigurationError as error:
            self.wrong.append(f"half a file: {error}")
            return
        lost = [name for name, key in self.certain.items() if seen.get(name) != key]
        self.wrong += [f"{name} lost" for name in lost if name not in changing]

    def settle(self, changes: list[Change]) -> None:
        """Wait for the writers; what they say they did is so, and nothing else is."""
        ends = [wait(change.process) for change in changes]
        seen = entries(self.file)
        self.report["left"] += leftovers(self.file)
        for change, status in zip(changes, ends, strict=True):
            self.report["finished" if status == 0 else "killed"] += 1
            after = seen.get(change.name)
            if not change.holds(status, after):
                self.wrong.append(f"{change} ended with {status}, and the key is {after}")
            self.certain.pop(change.name, None)
            self.certain |= {change.name: after} if after else {}
        if seen != self.certain:
            self.wrong.append("an entry that nobody changed is lost or new")


def at_line(number: int, action: Callable[[], object]) -> Callable[[], None]:
    """Makes a writer do something before its n-th line in keys_file.py."""
    left = [number]

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename != keys_file.__file__:
            return None
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                sys.settrace(None)
                action()
        return trace

    return lambda: sys.settrace(trace)


def every_line(directory: Path, action: Callable[[], object], expected: int) -> dict[str, Any]:
    """Writers that do something before their first, second, ... line, until one does not."""
    (directory / "keys").mkdir()
    file = directory / "keys" / "file"
    old = f"{HEAD}joe\t{'0' * 32} # comment\n{TAIL}"
    report: dict[str, Any] = {"lines": 0, "old": 0, "new": 0, "left": 0, "wrong": []}
    status = expected
    while status == expected:
        file.write_text(old)
        report["lines"] += 1
        before = at_line(report["lines"], action)
        status = wait(fork(["-f", str(file), "--random", "joe"], directory / "out", before))
        text, key = file.read_text(), entries(file)["joe"]
        report["left"] += leftovers(file)
        report["old" if text == old else "new"] += 1
        if text.replace(key, "0" * 32) != old:
            report["wrong"].append(f"line {report['lines']}: {text!r}")
    if status or leftovers(file):
        report["wrong"].append(f"exit status {status}, {leftovers(file)} files left")
    return report


def kill() -> None:
    """What no program can prepare for."""
    os.kill(os.getpid(), signal.SIGKILL)


def stop() -> None:
    """What a signal or a failure does."""
    raise Stop


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    if what == "race":
        result = Race(where, int(sys.argv[3])).run()
    elif what == "kill":
        result = every_line(where, kill, -signal.SIGKILL)
    else:
        result = every_line(where, stop, STOPPED)
    print(json.dumps(result))
