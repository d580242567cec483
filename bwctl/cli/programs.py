"""The clients by the names of their manual pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bwctl.cli.checkprogram import CHECK
from bwctl.cli.latency import BWPING
from bwctl.cli.program import Program
from bwctl.cli.simulateprogram import SIMULATE
from bwctl.cli.throughput import BWCTL
from bwctl.cli.trace import BWTRACEROUTE

PROGRAMS: Final[Mapping[str, Program]] = {
    program.name.replace(" ", "-"): program
    for program in (BWCTL, CHECK, BWPING, BWTRACEROUTE, SIMULATE)
}
