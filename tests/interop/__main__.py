"""Runs the interoperability table and prints it, as in doc/interop.md.

BWCTL_C_BIN=/opt/bwctl/bin python -m tests.interop [--jobs N] [--only TEXT] [--control]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from unittest import SkipTest

import bwctl
from tests.interop.cells import (
    CELLS,
    CONTROL,
    EXTRAS,
    ONE_ENDED,
    TESTERS,
    TRIOS,
    Cell,
    extras,
    plain,
)
from tests.interop.running import run
from tests.support.daemons import C_BIN, NO_C

Results = Mapping[Cell, str]  # "": it went well


def main() -> int:
    """Run and print; status 1 if a cell failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop", description=__doc__)
    parser.add_argument("--jobs", type=int, default=4, help="cells at one time (default: 4)")
    parser.add_argument("--only", action="append", help="only cells whose name has this text")
    parser.add_argument("--control", action="store_true", help="also C's programs by themselves")
    options = parser.parse_args()
    if NO_C:
        parser.error(NO_C)
    control = [*plain(CONTROL), *extras(CONTROL)] if options.control else []
    cells = [cell for cell in (*CELLS, *control) if _wanted(cell, options.only)]
    began = time.monotonic()
    results = run_all(cells, options.jobs)
    print(table(results), end="")
    failed = [cell for cell, complaint in results.items() if complaint]
    minutes = (time.monotonic() - began) / 60
    print(f"\n{len(results)} cells, {len(failed)} failed, {minutes:.1f} minutes; {versions()}")
    return 1 if failed else 0


def _wanted(cell: Cell, texts: list[str] | None) -> bool:
    return not texts or any(text in cell.slug for text in texts)


def run_all(cells: Iterable[Cell], jobs: int) -> Results:
    """Run cells, several at one time; those of nuttcp one after another, beside the others.

    What went wrong is written to standard error as it comes.
    """
    with ThreadPoolExecutor(jobs) as pool, ThreadPoolExecutor(2) as queue:
        futures = {
            cell: (queue if cell.tester == "nuttcp" else pool).submit(_run, cell) for cell in cells
        }
        return {cell: future.result() for cell, future in futures.items()}


def _run(cell: Cell) -> str:
    began = time.monotonic()
    complaint = ""
    try:
        run(cell)
    except (AssertionError, SkipTest) as error:
        complaint = str(error) or "failed"
    word = "FAILED" if complaint else "ok"
    sys.stderr.write(f"{word} {cell.slug} {time.monotonic() - began:.1f} s\n")
    if complaint:
        sys.stderr.write("".join(f"    {line}\n" for line in complaint.splitlines()))
    return complaint


# -- the table ---------------------------------------------------------------------------------


def table(results: Results) -> str:
    """Cells that went well, of those that were run, in Markdown."""
    whole = [f"{tester} {protocol}" for tester in TESTERS for protocol in ("TCP", "UDP")]
    whole += ONE_ENDED
    parts = [
        _table(results, whole, _column, plain=True),
        _table(results, list(EXTRAS), lambda cell: cell.kind, plain=False),
    ]
    return "\n".join(parts)


def _column(cell: Cell) -> str:
    if cell.tester in ONE_ENDED:
        return cell.tester
    return f"{cell.tester} {cell.protocol.upper()}"


def _table(
    results: Results, columns: list[str], column_of: Callable[[Cell], str], *, plain: bool
) -> str:
    rows = [["", *(EXTRAS.get(column, column) for column in columns)]]
    for trio in (*TRIOS, CONTROL):
        mine = {c: r for c, r in results.items() if c.trio == trio and (c.kind == "plain") is plain}
        if mine:
            by_column = [[r for c, r in mine.items() if column_of(c) == one] for one in columns]
            rows.append([trio.title, *(_share(some) for some in by_column)])
    lines = ["| " + " | ".join(row) + " |\n" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]) + "\n")
    return "".join(lines)


def _share(complaints: list[str]) -> str:
    good = sum(not complaint for complaint in complaints)
    return f"{good}/{len(complaints)}" if complaints else ""


def versions() -> str:
    """What was run."""
    return ", ".join(
        [
            f"BWCTL for Twisted {bwctl.__version__}",
            f"C BWCTL {_first_word([f'{C_BIN}/bwctl', '-V'], 1)}",
            f"iperf3 {_first_word(['iperf3', '-v'], 1)}",
            f"iperf {_first_word(['iperf', '-v'], 2)}",
            _first_word(["nuttcp", "-V"], 0).replace("-", " "),
            f"ping {_first_word(['ping', '-V'], 3)}",
            f"traceroute {_first_word(['traceroute', '--version'], 5)}",
        ]
    )


def _first_word(command: list[str], number: int) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    words = (done.stdout or done.stderr).split()
    return words[number] if len(words) > number else "?"


if __name__ == "__main__":
    sys.exit(main())
