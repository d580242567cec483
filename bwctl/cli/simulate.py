"""bwctl-simulate: tells before it runs whether a mesh of tests fits."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any, Final

from bwctl.cli.exits import ClientError, ExitStatus, UsageError, complaint
from bwctl.cli.simulateprogram import SIMULATE, parse
from bwctl.cli.simulatereport import json_failure, json_report, text_report
from bwctl.errors import BWCTLError, ConfigurationError
from bwctl.limits.classes import Limits
from bwctl.limits.parser import parse_limits
from bwctl.mesh.reader import read_mesh
from bwctl.mesh.values import Mesh, MeshHost, MeshTest, Pair, default_latest
from bwctl.results import Failure
from bwctl.simulate.parameters import make_settings, read_parameters
from bwctl.simulate.report import report
from bwctl.simulate.simulation import Simulation
from bwctl.simulate.verdict import judge
from bwctl.text import sanitise
from bwctl.values import ToolID

_MOST_OCTETS: Final = 16 << 20  # of a file
_MAKE: Final = {"test_duration": 30, "test_interval": 6 * 3600}


def main() -> int:
    """Entry point; returns the exit status."""
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        sys.stderr.write(f"{SIMULATE.name}: interrupted\n")
        return int(ExitStatus.INTERRUPTED)
    except BrokenPipeError:  # nobody reads stdout any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return int(ExitStatus.INTERRUPTED)
    except Exception as error:  # the edge of the program: no traceback to a user
        text = f"a defect of this program: {type(error).__name__}: {error}"
        sys.stderr.write(f"{SIMULATE.name}: {sanitise(text)}\n")
        return int(ExitStatus.INTERNAL)


def run(arguments: Sequence[str]) -> int:
    """Read the command line, simulate, and print what it comes to."""
    try:
        given = parse(arguments)
        mesh, found = _mesh(given)
        parameters = {**found, **given}
        settings = make_settings(parameters, _limits(parameters))
        simulation = Simulation(mesh, settings)
    except BWCTLError as error:
        failure = error.failure if isinstance(error, ClientError) else _unusable(error).failure
        sys.stderr.write(_complaint(failure))
        if "--json" in arguments:
            sys.stdout.write(json_failure(failure))
        return failure.exit_status
    simulation.run(_progress if sys.stderr.isatty() else None)
    figures = report(simulation)
    verdict = judge(mesh, settings, figures)
    if given.get("json"):
        sys.stdout.write(json_report(simulation, figures, verdict))
    else:
        sys.stdout.write(text_report(figures, verdict, everything=given.get("all_hosts", False)))
    sys.stdout.flush()
    return int(ExitStatus.OK if verdict.fits else ExitStatus.TEST_FAILED)


def _progress(share: float) -> None:
    """A line that overwrites itself, and is gone at the end."""
    line = f"\r{SIMULATE.name}: {100 * share:.0f} %" if share < 1 else "\r\x1b[K"
    sys.stderr.write(line)
    sys.stderr.flush()


def _complaint(failure: Failure) -> str:
    """A line for each problem of a file, and the hint."""
    *lines, last = failure.message.splitlines()
    told = "".join(f"{SIMULATE.name}: {sanitise(line)}\n" for line in lines)
    return told + complaint(SIMULATE.name, replace(failure, message=last))


def _unusable(error: BWCTLError) -> UsageError:
    return UsageError(
        str(error), "correct the file" if isinstance(error, ConfigurationError) else ""
    )


def _mesh(given: Mapping[str, Any]) -> tuple[Mesh, dict[str, Any]]:
    """The mesh, and the parameters that its file sets; paths in it are relative to the file."""
    if "host_count" in given:
        return _made(given), {}
    path = given["mesh"]
    mesh = read_mesh(_text(path), "stdin" if path == "-" else path)
    found = read_parameters(mesh.simulate, mesh.hosts)
    if mesh.simulate is not None:
        mesh.simulate.finish()
    if "limits" in found and path != "-":
        found["limits"] = str(Path(path).parent / found["limits"])
    return mesh, found


def _made(given: Mapping[str, Any]) -> Mesh:
    """The mesh of --hosts."""
    count = given["host_count"]
    names = [f"h{number:0{len(str(count))}d}" for number in range(1, count + 1)]
    duration, interval = (given.get(name, default) for name, default in _MAKE.items())
    if interval < duration + 2:
        text = f"-I {interval}: test interval must be at least the duration + 2 seconds"
        raise UsageError(text, f"the duration is {duration} seconds")
    ends = [Pair(*pair) for pair in permutations(names, 2)]
    if given.get("pairs") == "star":
        ends = [pair for pair in ends if names[0] in pair]
    test = MeshTest(
        name=given.get("pairs", "mesh"),
        tool=given.get("tool", ToolID.IPERF3),
        duration=duration,
        interval=interval,
        pairs=tuple(ends),
        randomize=given.get("randomize", 0),
        latest=given.get("latest", default_latest(interval, duration)),
    )
    return Mesh(hosts={name: MeshHost(name, name) for name in names}, tests=(test,))


def _limits(given: Mapping[str, Any]) -> Limits | None:
    if "limits" not in given:
        return None
    limits, _ = parse_limits(_text(given["limits"]), given["limits"], users=_Everybody())
    return limits


class _Everybody(Collection[str]):
    """The users of a key file that is not at hand."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _text(path: str) -> str:
    """A file, or standard input; UsageError if it cannot be read."""
    try:
        with open(0 if path == "-" else path, "rb") as file:
            octets = file.read(_MOST_OCTETS + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", "check the name") from None
    if len(octets) > _MOST_OCTETS:
        raise UsageError(f"{path} has more than {_MOST_OCTETS >> 20} MiB", "is it the right file?")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8", "is it the right file?") from None


if __name__ == "__main__":
    sys.exit(main())
