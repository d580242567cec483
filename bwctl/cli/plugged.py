"""Testers of other packages, which are looked for only where one may be wanted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from bwctl.values import ToolID

if TYPE_CHECKING:  # --help does without testers
    from bwctl.interfaces import ITester


def testers(tools: Iterable[ToolID]) -> Sequence[ITester]:
    """All that can be wanted: the built-in ones, and the others if one of the tools is theirs."""
    from bwctl.testers.registry import BUILT_IN

    known = {tester.tool_id for tester in BUILT_IN}
    return BUILT_IN if known.issuperset(tools) else _all()


def tool_by_name(name: str) -> ToolID:
    """The tool of a tester that is not built in; NONE if there is no such."""
    return next((one.tool_id for one in _all() if one.name.lower() == name.lower()), ToolID.NONE)


@cache
def _all() -> Sequence[ITester]:
    from bwctl.daemon.plugins import find_testers

    return tuple(find_testers())
