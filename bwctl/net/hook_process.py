"""A post-hook as a child process: input with backpressure, and a bounded log of what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, cast

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from bwctl.net.process import TesterProcess
from bwctl.net.timers import Timers

MAX_LOGGED = 64 * 1024  # octets of one run
MAX_LINES = 500
MAX_LINE = 1000  # characters
FLOOD = 64 * 1024 * 1024  # a hook that writes more is ended: reading it costs the tests' processor


class _Stdin(Protocol):
    """What Twisted's process transport can do beyond its interface."""

    def registerProducer(self, producer: object, streaming: bool) -> None: ...

    def unregisterProducer(self) -> None: ...

    def write(self, data: bytes) -> None: ...

    def closeStdin(self) -> None: ...


@implementer(IPullProducer)
class Feed:
    """Writes one piece each time the pipe has taken the one before."""

    def __init__(self, pieces: Iterator[bytes], stdin: _Stdin) -> None:
        self._pieces = pieces
        self._stdin = stdin
        self.complete = False

    def resumeProducing(self) -> None:
        """The pipe wants more."""
        piece = next(self._pieces, None)
        if piece is not None:
            self._stdin.write(piece)
            return
        self.complete = True
        self._stdin.unregisterProducer()
        self._stdin.closeStdin()

    def stopProducing(self) -> None:
        """Nobody reads any more, which is the hook's own affair."""
        self._pieces = iter(())


class HookProcess(TesterProcess):
    """A guarded process with an input; what it writes is handed on and not kept.

    Args:
        pieces: the input; none may be empty.
        on_data: gets the descriptor (1 or 2) and octets.
    """

    def __init__(
        self, timers: Timers, pieces: Iterable[bytes], on_data: Callable[[int, bytes], None]
    ) -> None:
        super().__init__(timers)
        self.reason: str | None = None  # why we ended it
        self._pieces = iter(pieces)
        self._on_data = on_data
        self._octets = 0
        self._feed: Feed | None = None

    @property
    def complete(self) -> bool:
        """Whether the pipe took all of the input."""
        return self._feed is not None and self._feed.complete

    def end(self, reason: str) -> None:
        """Stop it, with all that it started; the first reason counts."""
        if self.reason is None and not self.ended.fired:
            self.reason = reason
            self.stop()

    def connectionMade(self) -> None:
        """The guard runs; the hook will read what is in the pipe."""
        stdin = cast(_Stdin, self.transport)
        self._feed = Feed(self._pieces, stdin)
        stdin.registerProducer(self._feed, False)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """The hook says something."""
        self._octets += len(data)
        self._on_data(childFD, data)
        if self._octets > FLOOD:
            self.end("it writes without end")


class OutputLines:
    """Cuts what a hook writes into lines for a log, up to a bound."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.octets = 0  # all that came
        self.cut = False  # not all of it was told
        self._tell = tell
        self._room = MAX_LOGGED
        self._lines = 0
        self._partial: dict[int, bytes] = {}

    def take(self, stream: int, data: bytes) -> None:
        """Octets of one stream."""
        self.octets += len(data)
        kept = data[: self._room]
        self._room -= len(kept)
        self.cut = self.cut or len(kept) < len(data)
        *lines, self._partial[stream] = (self._partial.get(stream, b"") + kept).split(b"\n")
        for line in lines:
            self._line(line)

    def close(self) -> None:
        """Nothing more comes: lines without an end are lines too."""
        for line in self._partial.values():
            self._line(line)
        self._partial.clear()

    def _line(self, line: bytes) -> None:
        text = printable(line)
        if not text:
            return
        if self._lines == MAX_LINES:
            self.cut = True
            return
        self._lines += 1
        self._tell(text)


def printable(octets: bytes) -> str:
    """Octets as one line that no terminal or log reader can take for anything else."""
    text = octets[: MAX_LINE * 4].decode("utf-8", "backslashreplace").rstrip()
    shown = "".join(one if one.isprintable() else _escaped(one) for one in text)
    return shown if len(shown) <= MAX_LINE else shown[:MAX_LINE] + "..."


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
