"""Where a test is, on stderr: a line redrawn on a terminal, one line per phase elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from bwctl.render.wording import scaled, span

BAR_WIDTH = 30
_CLEAR = "\r\x1b[K"


class Phase(Enum):
    """What a client is doing, in its own words."""

    CONNECTING = "connecting"
    CHECKING = "checking:"
    NEGOTIATING = "negotiating"
    WAITING = "waiting for the time slot"
    RUNNING = "running"
    COLLECTING = "collecting results"


class TextStream(Protocol):
    """The part of a text file that is used here."""

    def write(self, text: str, /) -> object:
        """Write some text."""

    def flush(self) -> object:
        """Send it on."""


class Progress:
    """Draws the phase of a test. Times are seconds of any one clock; nothing is drawn by itself.

    Args:
        stream: stderr.
        quiet: -q; `note` is all that writes then.
        is_tty: a terminal, where one line is drawn again and again.
        columns: width of the terminal.
        wall: local time.
    """

    def __init__(
        self,
        stream: TextStream,
        quiet: bool,
        is_tty: bool,
        *,
        program: str = "bwctl",
        columns: int = 80,
        wall: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._stream = stream
        self._quiet = quiet
        self._is_tty = is_tty
        self._program = program
        self._columns = columns
        self._wall = wall
        self._start = ""  # of the test, by the local clock
        self._phase: Phase | None = None
        self._since = 0.0
        self._until: float | None = None
        self._detail = ""
        self._rate: float | None = None
        self._shown = ""

    def phase(self, phase: Phase, now: float, until: float | None = None, detail: str = "") -> None:
        """Enter a phase that ends at a time, if that is known; detail: a host, a tester."""
        self._phase, self._since, self._until, self._detail = phase, now, until, detail
        self._rate = None
        if phase is Phase.WAITING and until is not None:
            self._start = _clock(self._wall(), until - now)
        if self._is_tty:
            self.tick(now)
        elif not self._quiet:
            self._write(f"{self._program}: {self._line(now, bar=False)}\n")

    def tick(self, now: float) -> None:
        """Draw again; call it a few times per second. Does nothing where there is no terminal."""
        if self._phase is None or self._quiet or not self._is_tty:
            return
        line = f"{self._program}: {self._line(now, bar=True)}"[: self._columns - 1]
        if line != self._shown:
            self._shown = line
            self._write(_CLEAR + line)

    @property
    def shows_rate(self) -> bool:
        """Whether anybody sees the rate of the moment."""
        return self._phase is Phase.RUNNING and self._is_tty and not self._quiet

    def rate(self, bits_per_second: float | None) -> None:
        """The rate of the moment, if it is known; drawn with the next tick."""
        self._rate = bits_per_second

    def note(self, text: str, now: float | None = None) -> None:
        """Write a line that stays, above the one that is drawn."""
        self._clear()
        self._write(f"{self._program}: {text}\n")
        if now is not None:
            self.tick(now)

    def close(self) -> None:
        """End: nothing stays on the terminal."""
        self._phase = None
        self._clear()

    def _clear(self) -> None:
        if self._shown:
            self._shown = ""
            self._write(_CLEAR)

    def _line(self, now: float, bar: bool) -> str:
        assert self._phase is not None
        words = f"{self._phase.value} {self._detail}".rstrip()
        if self._until is None:
            return words
        if bar and self._phase is Phase.RUNNING:
            return f"{words} {self._bar(now)}"
        left = span(self._until - now)
        if self._phase is Phase.WAITING:
            return f"{words}, {left} (the test starts at {self._start})"
        return f"{words}, {left}"

    def _bar(self, now: float) -> str:
        """The part of the time that is over, as a bar and in numbers."""
        length = max(0.0, (self._until or 0.0) - self._since)
        over = min(length, max(0.0, now - self._since))
        part = over / length if length > 0 else 1.0
        full = int(part * BAR_WIDTH)
        bar = "#" * full + "." * (BAR_WIDTH - full)
        rate = f", {scaled(self._rate, 'bit/s')}" if self._rate is not None else ""
        return f"[{bar}] {int(part * 100):3d} %, {span(over)} of {span(length)}{rate}"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _clock(now: datetime, delay: float) -> str:
    """The time of day after a delay, with the date if it is another one."""
    then = now + timedelta(seconds=delay)
    return f"{then:%H:%M:%S}" if then.date() == now.date() else f"{then:%Y-%m-%d %H:%M:%S}"
