"""Runs one cell on daemons of its own, and judges it."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from itertools import count
from typing import Any
from unittest import SkipTest

from tests.interop.cells import ONE_ENDED, OURS, C, Cell
from tests.support.daemons import (
    NO_C,
    Client,
    Daemon,
    Ran,
    client_c,
    client_ours,
    running,
    start,
    until,
)
from tests.support.ports import nuttcp_turn
from tests.support.testers import need, need_ipv6

UDP_RATE = 10_000_000  # bit/s
TCP_RATE = 100_000_000  # where the tester can keep to one: other tests run beside this one
LEAST = 1_250_000  # octets; half of what UDP sends in the shortest test

_ADDRESSES = [f"127.0.0.{last}" for last in range(20, 60)]
_numbers = count()
_numbers_lock = threading.Lock()

_BLOCK = re.compile(r"^(RECEIVER|SENDER) START\n(.*?)^\1 END\n", re.MULTILINE | re.DOTALL)
_SIZE = re.compile(r"([0-9.]+) ([KMGT]?)Bytes")
_NUTTCP = re.compile(r"^nuttcp-([rt]): +([0-9.]+) MB in +[0-9.]+ real seconds", re.MULTILINE)
_ANSWERS = {
    "ping": re.compile(r"^3 packets transmitted, 3 received,", re.MULTILINE),
    "traceroute": re.compile(r"^ 1 +\S+ \(\S+\)(?: +[0-9.]+ ms){3}$", re.MULTILINE),
    "tracepath": re.compile(r"^ 1: +\S+.* [0-9.]+ms reached$", re.MULTILINE),
}
_IDLE = re.compile(
    r"\n?bwctl: nothing to exec for \S+ (?:client|server)"
    r"(?:bwctl: run_tool: .*)?\n*(?:bwctl: remote peer cancelled test)?\n*"
)
_VERBOSE = re.compile(
    r"^bwctl: (?:exec_line|(?:start|run|stop)_(?:endpoint|tool)):.*\n", re.MULTILINE
)
_OCTETS = re.compile(r'"bytes":\s*([0-9]+)')
_MODE_NAMES = {"O": "OPEN", "A": "AUTHENTICATED", "E": "ENCRYPTED"}


def require(cell: Cell) -> None:
    """Raise SkipTest where a cell cannot be run."""
    if NO_C:
        raise SkipTest(NO_C)
    if cell.kind == "ipv6":
        need_ipv6()
    need(cell.tester)


def run(cell: Cell) -> None:
    """Run a cell.

    Raises:
        AssertionError: it did not go as it should; the text has what the programs wrote.
        SkipTest: it cannot be run here.
    """
    require(cell)
    with ExitStack() as stack:
        ends = [
            End(option, mode, stack.enter_context(running(start(kind, address, cell.options)))[0])
            for (option, kind, mode), address in zip(_wanted(cell), _addresses(cell), strict=False)
        ]
        stack.enter_context(_turn(cell))
        if cell.kind in ("killed", "interrupted"):
            _stop_early(cell, ends)
        else:
            _run_whole(cell, ends)


@dataclass(frozen=True)
class End:
    """One end of a test that has a daemon."""

    option: str  # -c or -s
    mode: str  # of the control connection
    daemon: Daemon


def _wanted(cell: Cell) -> Iterator[tuple[str, str, str]]:
    """Option, program and mode of each daemon."""
    if cell.kind != "only_sender":
        yield "-c", cell.trio.receiver, cell.receiver_mode
    if cell.kind != "only_receiver":
        yield "-s", cell.trio.sender, cell.sender_mode


def _addresses(cell: Cell) -> tuple[str, str]:
    if cell.kind == "ipv6":
        return "::1", "::1"  # loopback has no other
    with _numbers_lock:
        number = next(_numbers) * 2 % len(_ADDRESSES)
    return _ADDRESSES[number], _ADDRESSES[number + 1]


def _turn(cell: Cell) -> AbstractContextManager[None]:
    return nuttcp_turn() if cell.tester == "nuttcp" else nullcontext()


# -- running -----------------------------------------------------------------------------------


def _client(cell: Cell, ends: Sequence[End], *options: str) -> Client:
    words: list[str] = []
    for end in ends:
        words += [end.option, end.daemon.node]
        words += [] if end.mode == "O" else [end.mode, *end.daemon.auth]
    start_client = client_ours if cell.trio.client == OURS else client_c
    form = ("--json",) if cell.trio.client == OURS else ()
    line = ("-a", "0.1", "-T", cell.tester, "-x", *form, *options, *words)
    return start_client(*line, program=cell.program)


def _options(cell: Cell) -> Iterator[str]:
    if cell.tester == "ping":
        yield from ("-N", "3", "-i", "0.2")
    elif cell.tester in ONE_ENDED:
        yield from ("-t", "5")
    else:
        yield from _throughput_options(cell)
    if cell.kind == "flip":
        yield "--flip"
    if cell.kind == "repeated":
        yield from ("-n", "2")


def _throughput_options(cell: Cell) -> Iterator[str]:
    yield from ("-t", str(cell.duration))
    if cell.udp:
        yield from ("-u", "-b", str(UDP_RATE), "-l", "1200")
    elif cell.tester != "iperf":
        yield from ("-b", str(TCP_RATE))
    if cell.kind == "parallel":
        yield from ("-P", "2")


def _run_whole(cell: Cell, ends: Sequence[End]) -> None:
    ran = _client(cell, ends, *_options(cell)).wait()
    try:
        _judge(cell, ran)
        for end in ends:
            end.daemon.assert_idle()
            if end.daemon.kind == OURS:
                _judge_log(cell, end)
    except AssertionError as error:
        raise AssertionError(_everything(str(error), ran, ends)) from None


def _stop_early(cell: Cell, ends: Sequence[End]) -> None:
    """End the client in the midst of a test; both daemons clear up, and the next test goes well."""
    client = _client(cell, ends, "-t", "10")
    begun = until(lambda: all(_runs(cell, end.daemon) for end in ends), 30.0)
    time.sleep(1.0)
    ran = client.end(signal.SIGKILL if cell.kind == "killed" else signal.SIGINT)
    try:
        assert begun, "the test did not begin at both ends"
        for end in ends:
            end.daemon.assert_idle(10.0)
        ran = _client(cell, ends, *_options(cell)).wait()
        _judge(cell, ran)
    except AssertionError as error:
        raise AssertionError(_everything(str(error), ran, ends)) from None


def _runs(cell: Cell, daemon: Daemon) -> bool:
    """Whether the tester itself runs; each daemon has other processes too."""
    return any(line.split(" ")[0] == cell.tester for line in daemon.testers().values())


def _everything(complaint: str, ran: Ran, ends: Sequence[End]) -> str:
    logs = (f"--- log of {end.daemon.name}\n{end.daemon.log()}" for end in ends)
    return "\n".join([complaint, ran.report, *logs])


# -- judging -----------------------------------------------------------------------------------


def _judge(cell: Cell, ran: Ran) -> None:
    assert ran.status == 0, "exit status"
    tests = 2 if cell.kind == "repeated" else 1
    if cell.trio.client == C:
        blocks = [match.groups() for match in _BLOCK.finditer(ran.stdout)]
    else:
        results = [json.loads(line) for line in ran.stdout.splitlines()]
        assert len(results) == tests, f"{len(results)} results"
        for result in results:
            _judge_json(cell, result)
        sides = [(side, result[side]) for result in results for side in ("receiver", "sender")]
        blocks = [(side.upper(), end.get("raw", "")) for side, end in sides]
    assert sorted(side for side, _ in blocks) == ["RECEIVER"] * tests + ["SENDER"] * tests, "blocks"
    for side, text in blocks:
        _judge_text(cell, side, text)


def _judge_text(cell: Cell, side: str, text: str) -> None:
    """What a tester wrote has real figures, and no daemon has anything to complain of."""
    text = _VERBOSE.sub("", text)  # our client asks for these lines where it prints JSON
    if cell.tester in ONE_ENDED:
        pattern = _ANSWERS[cell.tester].search if side == "SENDER" else _IDLE.fullmatch
        assert pattern(text), f"output of the {side}"
        assert side == "RECEIVER" or "bwctl:" not in text, "remarks in the output"
        return
    assert "bwctl:" not in text, f"remarks in the output of the {side}"
    if cell.tester != "nuttcp":
        sizes = [
            float(size) * 1024 ** " KMGT".index(unit or " ") for size, unit in _SIZE.findall(text)
        ]
        sizes += sorted(map(float, _OCTETS.findall(text)))  # where it is JSON
        assert sizes and sizes[-1] >= LEAST, f"{side}: sizes {sizes}"
        return
    at_client = (side == "RECEIVER") is (cell.kind == "flip")
    sizes = {which: float(size) * 1024**2 for which, size in _NUTTCP.findall(text)}
    if at_client:  # nuttcp's server writes nothing
        assert sizes.keys() == {"r", "t"} and min(sizes.values()) >= LEAST, f"{side}: {sizes}"


def _judge_json(cell: Cell, result: dict[str, Any]) -> None:
    """Our client sees it the same way."""
    assert result["status"] == "ok", result.get("error")
    summary = result["summary"]
    if cell.tester == "ping":
        assert summary["received"] == 3 and summary["rtt_ms"]["mean"] > 0, summary
    elif cell.tester in ONE_ENDED:
        assert summary["reached"] is True and len(summary["hops"]) == 1, summary
    else:
        assert summary["bytes"] >= LEAST and summary["bits_per_second"] > 0, summary
    for side in ("receiver", "sender"):
        assert result[side]["status"] == "accept", f"{side}: {result[side]['status']}"


def _judge_log(cell: Cell, end: End) -> None:
    """One of our daemons has seen the mode, the number of connections, and good ends of tests."""
    log = end.daemon.log()
    tests = 2 if cell.kind == "repeated" else 1
    # C's client makes new connections for each test
    connections = tests if cell.trio.client == C else 1
    assert log.count(f"mode {_MODE_NAMES[end.mode]}") == connections, "connections"
    assert log.count("test ended: ACCEPT") == tests, "ends of tests"
