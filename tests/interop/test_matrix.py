"""Every cell of the interoperability table as a test. See doc/interop.md."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.interop.cells import CELLS, Cell
from tests.interop.running import run


class InteropTests(SynchronousTestCase):
    """Our programs and C's, in all combinations; one method for each cell."""


def _method(cell: Cell) -> Callable[[InteropTests], None]:
    def test(self: InteropTests) -> None:
        run(cell)

    test.__doc__ = f"{cell.trio.title}: {cell.tester} {cell.protocol}, {cell.kind}."
    return test


for _cell in CELLS:
    setattr(InteropTests, f"test_{_cell.slug}", _method(_cell))
