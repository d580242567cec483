"""Every decoder and parser under a fuzzer that follows coverage."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

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

    def test_it_finds(self) -> None:
        """The fuzzer itself finds what hides behind three conditions, by following coverage."""
        explorer = Explorer(_hidden, [b"limit root with\n"], dice("finds"))
        self.assertRaises(ZeroDivisionError, explorer.explore, 20_000)


def _hidden(octets: bytes) -> None:
    """Fails on a line of two words of which the first is an unknown statement of some length."""
    from bwctl.errors import ConfigurationError
    from bwctl.limits.parser import parse_limits

    try:
        parse_limits(octets.decode("latin-1"), "file")
    except ConfigurationError as error:
        found = [problem.message for problem in error.problems]
        if any("is defined again" in one for one in found) and len(found) > 1:
            raise ZeroDivisionError from None
