"""Runs one cell on daemons of its own, and judges it."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any

from tests.interop.cells import OURS, C, Cell
from tests.support.daemons import (
    NO_C,
    Client,
    Daemon,
    Ran,
    client_c,
    client_ours,
    lacking,
    running,
    start,
    until,
)
from tests.support.ports import nuttcp_turn

UDP_RATE = 10_000_000  # bit/s
TCP_RATE = 100_000_000  # where the tester can keep to one: other tests run beside this one
LEAST = 1_250_000  # octets; half of what UDP sends in the shortest test

_ADDRESSES = [f"127.0.0.{last}" for last in range(20, 60)]
_numbers = count()
_numbers_lock = threading.Lock()

_BLOCK = re.compile(r"^(RECEIVER|SENDER) START\n(.*?)^\1 END\n", re.MULTILINE | re.DOTALL)
_SIZE = re.compile(r"([0-9.]+) ([KMGT]?)Bytes")
_NUTTCP = re.compile(r"^nuttcp-([rt]): +([0-9.]+) MB in +[0-9.]+ real seconds", re.MULTILINE)
_MODE_NAMES = {"O": "OPEN", "A": "AUTHENTICATED", "E": "ENCRYPTED"}


def obstacle(cell: Cell) -> str:
    """Why a cell cannot be run here; empty where it can."""
    return NO_C or lacking(cell.tester)


def run(cell: Cell) -> None:
    """Run a cell.

    Raises:
        AssertionError: it did not go as it should; the text has what the programs wrote.
    """
    first, second = _addresses()
    receiver = start(cell.trio.receiver, first, cell.options)
    try:
        sender = start(cell.trio.sender, second, cell.options)
    except BaseException:
        receiver.kill()
        raise
    with running(receiver, sender), _turn(cell):
        if cell.kind in ("killed", "interrupted"):
            _stop_early(cell, receiver, sender)
        else:
            _run_whole(cell, receiver, sender)


def _addresses() -> tuple[str, str]:
    with _numbers_lock:
        number = next(_numbers) * 2 % len(_ADDRESSES)
    return _ADDRESSES[number], _ADDRESSES[number + 1]


def _turn(cell: Cell) -> AbstractContextManager[None]:
    return nuttcp_turn() if cell.tester == "nuttcp" else nullcontext()


# -- running -----------------------------------------------------------------------------------


def _client(cell: Cell, receiver: Daemon, sender: Daemon, *options: str) -> Client:
    ends = (
        *("-c", receiver.node, *_auth(receiver, cell.receiver_mode)),
        *("-s", sender.node, *_auth(sender, cell.sender_mode)),
    )
    start_client = client_ours if cell.trio.client == OURS else client_c
    form = ("--json",) if cell.trio.client == OURS else ()
    return start_client("-a", "0.1", "-T", cell.tester, "-x", *form, *options, *ends)


def _auth(daemon: Daemon, mode: str) -> tuple[str, ...]:
    return () if mode == "O" else (mode, *daemon.auth)


def _options(cell: Cell) -> Iterator[str]:
    yield from ("-t", str(cell.duration))
    if cell.udp:
        yield from ("-u", "-b", str(UDP_RATE), "-l", "1200")
    elif cell.tester != "iperf":
        yield from ("-b", str(TCP_RATE))
    if cell.kind == "flip":
        yield "--flip"
    if cell.kind == "parallel":
        yield from ("-P", "2")
    if cell.kind == "repeated":
        yield from ("-n", "2")


def _run_whole(cell: Cell, receiver: Daemon, sender: Daemon) -> None:
    ran = _client(cell, receiver, sender, *_options(cell)).wait()
    try:
        _judge(cell, ran)
        for daemon, mode in ((receiver, cell.receiver_mode), (sender, cell.sender_mode)):
            daemon.assert_idle()
            if daemon.kind == OURS:
                _judge_log(cell, daemon, mode)
    except AssertionError as error:
        raise AssertionError(_everything(str(error), ran, receiver, sender)) from None


def _stop_early(cell: Cell, receiver: Daemon, sender: Daemon) -> None:
    """End the client in the midst of a test; both daemons clear up, and the next test goes well."""
    client = _client(cell, receiver, sender, "-t", "10")
    both = until(lambda: _runs(cell, receiver) and _runs(cell, sender), 30.0)
    time.sleep(1.0)
    number = signal.SIGKILL if cell.kind == "killed" else signal.SIGINT
    ran = client.end(number)
    try:
        assert both, "the test did not begin at both ends"
        receiver.assert_idle(10.0)
        sender.assert_idle(10.0)
        ran = _client(cell, receiver, sender, *_options(cell)).wait()
        _judge(cell, ran)
    except AssertionError as error:
        raise AssertionError(_everything(str(error), ran, receiver, sender)) from None


def _runs(cell: Cell, daemon: Daemon) -> bool:
    """Whether the tester itself runs; each daemon has other processes too."""
    return any(line.split(" ")[0] == cell.tester for line in daemon.testers().values())


def _everything(complaint: str, ran: Ran, *daemons: Daemon) -> str:
    logs = (f"--- log of {daemon.name}\n{daemon.log()}" for daemon in daemons)
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
    assert "bwctl:" not in text, f"remarks in the output of the {side}"
    if cell.tester != "nuttcp":
        sizes = [
            float(size) * 1024 ** " KMGT".index(unit or " ") for size, unit in _SIZE.findall(text)
        ]
        assert sizes and sizes[-1] >= LEAST, f"{side}: sizes {sizes}"
        return
    at_client = (side == "RECEIVER") is (cell.kind == "flip")
    sizes = {which: float(size) * 1024**2 for which, size in _NUTTCP.findall(text)}
    if at_client:  # nuttcp's server writes nothing
        assert sizes.keys() == {"r", "t"} and min(sizes.values()) >= LEAST, f"{side}: {sizes}"


def _judge_json(cell: Cell, result: dict[str, Any]) -> None:
    """Our client sees it the same way."""
    assert result["status"] == "ok", result.get("error")
    assert result["summary"]["bytes"] >= LEAST, result["summary"]
    assert result["summary"]["bits_per_second"] > 0, result["summary"]
    for side in ("receiver", "sender"):
        assert result[side]["status"] == "accept", f"{side}: {result[side]['status']}"


def _judge_log(cell: Cell, daemon: Daemon, mode: str) -> None:
    """One of our daemons has seen the mode, the number of connections, and good ends of tests."""
    log = daemon.log()
    tests = 2 if cell.kind == "repeated" else 1
    # C's client makes new connections for each test
    connections = tests if cell.trio.client == C else 1
    assert log.count(f"mode {_MODE_NAMES[mode]}") == connections, "connections"
    assert log.count("test ended: ACCEPT") == tests, "ends of tests"
