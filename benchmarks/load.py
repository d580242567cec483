"""Load on a control port: many connections of one process, each following a script of octets.

A script is a generator: it yields the octets to send and how many to wait for, and is given these.
Nothing is decoded beyond what a script needs, so that a generator of load costs less than what it
loads; how much it costs is part of the answer.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import socket
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Final

from bwctl.values import NTPTime, Role, ticks
from bwctl.wire.crypto import AESStream, BlockStream, PlainStream, make_token
from bwctl.wire.fields import Mode
from bwctl.wire.handshake import ClientGreeting, ServerGreeting, ServerOK, ServerUptime
from bwctl.wire.messages import TestAccept, TimeRequest, TimeResponse
from tests.support.daemons import USER
from tests.support.raw import KEY, request

Script = Generator[tuple[bytes, int], bytes, None]

ADDRESS: Final = "127.0.0.1"
"""Of everything: the C daemon looks up the name of each address it meets, this one in a file."""

_SESSION_KEY: Final = bytes(range(16))
_OPEN: Final = ClientGreeting(Mode.OPEN).encode()
_OK: Final = ServerOK.SIZE + ServerUptime.SIZE
_SID: Final = slice(60, 76)


@dataclass
class Tally:
    """What one process, or all of them, have seen."""

    done: int = 0
    failed: int = 0
    latencies: list[float] = field(default_factory=list)  # s, of each answer that counts
    seconds: float = 0.0  # that the load lasted
    cpu: float = 0.0  # seconds that the generators used

    @property
    def rate(self) -> float:
        """Scripts, or rounds of a script, in a second."""
        return self.done / self.seconds

    def quantile_ms(self, share: float) -> float:
        """A quantile of the latencies."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


class Connection:
    """One socket and its script."""

    def __init__(self, target: tuple[str, int], script: Script) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._script = script
        self._octets, self._wanted = next(script)
        self._received = b""
        self.socket.connect_ex(target)

    def read(self) -> bool:
        """Take what has come; whether the script goes on.

        Raises:
            ConnectionError: the daemon closed.
        """
        octets = self.socket.recv(65536)
        if not octets:
            raise ConnectionResetError
        self._received += octets
        while len(self._received) >= self._wanted:
            message, self._received = (
                self._received[: self._wanted],
                self._received[self._wanted :],
            )
            try:
                octets, self._wanted = self._script.send(message)
            except StopIteration:
                return False
            if octets:
                self.socket.send(octets)
        return True


# -- scripts -----------------------------------------------------------------------------------


def opening(mode: Mode = Mode.OPEN) -> Generator[tuple[bytes, int], bytes, BlockStream]:
    """Greeting to uptime block; the stream for what follows."""
    greeting = yield b"", ServerGreeting.SIZE
    if mode is Mode.OPEN:
        yield _OPEN, _OK
        return PlainStream()
    token = make_token(KEY, greeting[16:32], _SESSION_KEY)
    ok = yield ClientGreeting(mode, 6, USER.encode(), token, bytes(16)).encode(), _OK
    stream = AESStream(_SESSION_KEY, bytes(16), ok[16:32])
    stream.decrypt(ok[32:])
    return stream


def handshake(tally: Tally, mode: Mode) -> Script:
    """One connect; the latency is from the connect to the uptime block."""
    began = time.perf_counter()
    yield from opening(mode)
    tally.latencies.append(time.perf_counter() - began)
    tally.done += 1


def held(octets: bytes) -> Script:
    """Shake hands, then send one message if there is one and wait for its answer of 32 octets."""
    stream = yield from opening()
    if octets:
        answer = stream.decrypt((yield stream.encrypt(octets), TestAccept.SIZE))
        if answer[0]:
            raise ConnectionRefusedError(f"no reservation: {TestAccept.decode(answer)}")


def pairs(tally: Tally, mode: Mode, at: NTPTime, end: float) -> Script:
    """Reserve and cancel in turn until `end`; both answers count as latencies."""
    stream = yield from opening(mode)
    reserve, cancel = reservation(at), bytearray(request(0).encode())
    clock, latencies = time.perf_counter, tally.latencies
    while (began := clock()) < end:
        answer = stream.decrypt((yield stream.encrypt(reserve), TestAccept.SIZE))
        middle = clock()
        if answer[0]:
            raise ConnectionRefusedError(f"no reservation: {TestAccept.decode(answer)}")
        cancel[_SID] = answer[4:20]
        stream.decrypt((yield stream.encrypt(bytes(cancel)), TestAccept.SIZE))
        latencies += (middle - began, clock() - middle)
        tally.done += 1


def times(tally: Tally, end: float) -> Script:
    """Ask for the time in turn until `end`."""
    stream = yield from opening()
    octets = TimeRequest().encode()
    while (began := time.perf_counter()) < end:
        stream.decrypt((yield stream.encrypt(octets), TimeResponse.SIZE))
        tally.latencies.append(time.perf_counter() - began)
        tally.done += 1


def reservation(at: NTPTime) -> bytes:
    """A TestRequest of 5 s for a time; role server, so it takes a tester's port too."""
    return request(at, role=Role.SERVER, server=ADDRESS, client=ADDRESS).encode()


# -- running them --------------------------------------------------------------------------------


class Crowd:
    """Connections of this process to one daemon."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._poll = select.epoll()
        self._busy: dict[int, Connection] = {}
        self.kept: list[Connection] = []

    def run(
        self,
        scripts: Iterator[Script],
        at_once: int,
        *,
        keep: bool = False,
        patience_s: float = 30.0,
    ) -> int:
        """Run all scripts, so many at a time; how many failed.

        Args:
            keep: connections whose scripts are over stay open.
            patience_s: without anything arriving; what is open then has failed.
        """
        failed = 0
        for script in _first(scripts, at_once):
            self._connect(script)
        while self._busy:
            events = self._poll.poll(patience_s)
            if not events:
                failed += len(self._busy)
                for connection in tuple(self._busy.values()):
                    self._drop(connection)
            for number, _ in events:
                connection = self._busy[number]
                try:
                    if connection.read():
                        continue
                except ConnectionError as error:
                    failed += 1
                    if isinstance(error, ConnectionRefusedError) and error.args:
                        print(error)
                    self._drop(connection)
                else:
                    self._drop(connection, keep)
                for script in _first(scripts, 1):
                    self._connect(script)
        return failed

    def _connect(self, script: Script) -> None:
        connection = Connection(self._target, script)
        number = connection.socket.fileno()
        self._busy[number] = connection
        self._poll.register(number, select.EPOLLIN)

    def _drop(self, connection: Connection, keep: bool = False) -> None:
        number = connection.socket.fileno()
        del self._busy[number]
        self._poll.unregister(number)
        if keep:
            self.kept.append(connection)
        else:
            connection.socket.close()

    def close(self) -> None:
        """Close what is kept."""
        for connection in self.kept:
            connection.socket.close()
        self.kept.clear()
        self._poll.close()


def _first(scripts: Iterator[Script], count: int) -> Iterator[Script]:
    for _, script in zip(range(count), scripts, strict=False):
        yield script


Work = Callable[[int, float], Tally]  # (number of the process, perf_counter at which to end)


def in_processes(work: Work, processes: int, seconds: float) -> Tally:
    """Let processes load a daemon at the same time; the sum of what they saw."""
    context = multiprocessing.get_context("fork")
    end = time.perf_counter() + 0.2 + seconds
    pipes = []
    for number in range(processes):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(work, number, end - seconds, end, theirs))
        process.start()
        theirs.close()
        pipes.append((ours, process))
    total = Tally()
    for pipe, process in pipes:
        one: Tally = pipe.recv()
        process.join()
        total.done += one.done
        total.failed += one.failed
        total.latencies += one.latencies
        total.seconds = max(total.seconds, one.seconds)
        total.cpu += one.cpu
    return total


def _work(work: Work, number: int, begin: float, end: float, pipe: object) -> None:
    time.sleep(max(0.0, begin - time.perf_counter()))
    began, cpu = time.perf_counter(), time.process_time()
    tally = work(number, end)
    tally.seconds = time.perf_counter() - began
    tally.cpu = time.process_time() - cpu
    pipe.send(tally)  # type: ignore[attr-defined]
    os._exit(0)


def in_an_hour() -> NTPTime:
    """A time for reservations that are never begun."""
    from bwctl.net.clock import SystemClock

    return NTPTime(SystemClock().now() + ticks(3600))
