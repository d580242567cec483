"""Fuzzing that follows coverage: inputs that reach new lines are kept, and changed further."""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import bwctl
from tests.support.damage import mutated

PACKAGE = str(Path(bwctl.__file__).parent)
LONGEST = 20_000  # octets of an input that is made from another
SLOW_S = 5.0  # of processor time for one input; far above what any takes

_WORDS = re.compile(rb"[A-Za-z0-9_.]{1,40}|[^A-Za-z0-9_.\x80-\xff]{1,4}")

Step = tuple[CodeType, int, int]  # code, the line before, the line
Target = Callable[[bytes], object]


class Slow(Exception):
    """An input that takes too long; the argument is the input."""


class Explorer:
    """Gives one target ever new inputs.

    Args:
        target: takes octets; whatever it raises is a defect.
        seeds: inputs that make sense.
    """

    def __init__(self, target: Target, seeds: Sequence[bytes], dice: random.Random) -> None:
        self.seen: set[Step] = set()
        self.tried = 0
        self.last = b""
        self._target = target
        self._dice = dice
        self._corpus = list(seeds)
        self._seeds = len(seeds)
        self._words = sorted({word for seed in seeds for word in _WORDS.findall(seed)})

    @property
    def found(self) -> int:
        """Inputs that reached something new, the seeds not counted."""
        return len(self._corpus) - self._seeds

    def explore(self, count: int) -> None:
        """Try the seeds and that many more inputs."""
        for seed in self._corpus[: self._seeds]:
            self._try(seed)
        for _ in range(count):
            octets = self._make()
            if self._try(octets):
                self._corpus.append(octets)

    def _make(self) -> bytes:
        octets = self._dice.choice(self._corpus)
        if self._dice.random() < 0.2:  # the head of one, the tail of another
            other = self._dice.choice(self._corpus)
            octets = octets[: self._dice.randrange(len(octets) + 1)]
            octets += other[self._dice.randrange(len(other) + 1) :]
        if self._dice.random() < 0.5:
            octets = self._reworded(octets)
            if self._dice.random() < 0.5:
                return octets[:LONGEST]
        return mutated(octets, self._dice)[:LONGEST]

    def _reworded(self, octets: bytes) -> bytes:
        """A word, or what is between two words, becomes another one of the seeds'."""
        places = list(_WORDS.finditer(octets))
        if not places:
            return octets
        place = self._dice.choice(places)
        start, end = place.span() if self._dice.random() < 0.8 else (place.end(), place.end())
        return octets[:start] + self._dice.choice(self._words) + octets[end:]

    def _try(self, octets: bytes) -> bool:
        """Run one input; whether it reached anything new."""
        self.tried += 1
        self.last = octets
        before, began = len(self.seen), time.process_time()
        with _Tracer(self.seen):
            self._target(octets)
        if time.process_time() - began > SLOW_S:
            raise Slow(octets)
        return len(self.seen) > before


class _Tracer:
    """Notes the steps from line to line within the package."""

    def __init__(self, seen: set[Step]) -> None:
        self._seen = seen
        self._old: Any = None

    def __enter__(self) -> None:
        self._old = sys.gettrace()
        sys.settrace(self._enter_frame)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._old)

    def _enter_frame(self, frame: FrameType, event: str, argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        code, seen, last = frame.f_code, self._seen, 0

        def step(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal last
            if event == "line":
                seen.add((code, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step
