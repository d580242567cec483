"""Every decoder and parser under a fuzzer that follows coverage."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import ConfigurationError
from bwctl.limits.parser import parse_limits
from tests.abuse.explorer import Explorer
from tests.abuse.targets import targets
from tests.support.effort import SEEDED, dice, times


class FuzzingTests(SynchronousTestCase):
    def test_all(self) -> None:
        """Whatever is read, its reader gives a value or the error that it announces."""
        for name, (target, seeds) in targets().items():
            explorer = Explorer(target, seeds, dice(f"fuzzing {name}"))
            try:
                explorer.explore(times(120, 20_000))
            except Exception as error:
                text = f"{SEEDED}{name} after {explorer.tried} inputs: {explorer.last[:2000]!r}"
                raise AssertionError(text) from error
            self.assertGreater(len(explorer.seen), 3, f"{name}: nothing of ours was run")

    def test_it_explores(self) -> None:
        """The fuzzer reaches more than its seeds do, and what is raised there comes out."""
        reached = []
        for count in (0, 500):
            explorer = Explorer(_limits, [b"limit root with pending=3\n"], dice("explores"))
            explorer.explore(count)
            reached.append(len(explorer.seen))
        self.assertGreater(reached[1], 1.2 * reached[0])
        self.assertGreater(explorer.found, 5)
        trapped = Explorer(_trapped, [b"limit root with pending=3\n"], dice("explores"))
        self.assertRaises(ZeroDivisionError, trapped.explore, 500)


def _limits(octets: bytes) -> list[str]:
    """What is wrong with a limits file."""
    try:
        parse_limits(octets.decode("latin-1"), "file")
    except ConfigurationError as error:
        return [problem.message for problem in error.problems]
    return []


def _trapped(octets: bytes) -> None:
    """Fails where a limit has a value that is none."""
    if any(message.startswith("pending:") for message in _limits(octets)):
        raise ZeroDivisionError
