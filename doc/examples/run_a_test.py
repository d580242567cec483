"""Runs one test from within a program.

python run_a_test.py RECEIVER PORT SENDER PORT
"""

from __future__ import annotations

import sys

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from bwctl.api import Step, at, run_test


def on_step(step: Step, seconds: float) -> None:
    print(f"{step.value}, {seconds:.1f} s" if seconds else step.value, flush=True)


async def main(reactor, receiver: str, receiver_port: str, sender: str, sender_port: str) -> None:
    result = await run_test(
        reactor,
        at(receiver, int(receiver_port)),
        at(sender, int(sender_port)),
        testers=["thrulay"],
        duration=2,
        on_step=on_step,
    )
    if result.failure is not None:
        print(f"{result.failure.code}: {result.failure.message}")
        raise SystemExit(result.failure.exit_status)
    print(f"{result.summary['bits_per_second'] / 1e6:.1f} Mbit/s")


if __name__ == "__main__":
    if len(sys.argv) != 5 or not all(port.isdecimal() for port in sys.argv[2::2]):
        sys.exit(f"usage:{__doc__.rpartition(chr(10) * 2)[2].rstrip().removeprefix('python')}")
    react(lambda reactor, *ends: Deferred.fromCoroutine(main(reactor, *ends)), sys.argv[1:])
