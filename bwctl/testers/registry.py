"""The testers that there are, and the choice of one for a test.

Nothing here is global but the built-in testers themselves: whoever needs testers is given a
Registry, so that one with plugins in it can be given instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bwctl.interfaces import ITester
from bwctl.testers.iperf import Iperf
from bwctl.testers.iperf3 import Iperf3
from bwctl.testers.nuttcp import Nuttcp
from bwctl.testers.thrulay import Thrulay
from bwctl.values import Kind, TestSpec, ToolID, kind_of

BUILT_IN: Final[Sequence[ITester]] = (Iperf3(), Iperf(), Nuttcp(), Thrulay())
"""The testers of this package, in the order in which they are preferred."""


class Registry:
    """Testers by name and by ToolID, in the order in which they are preferred.

    Raises:
        ValueError: two testers have the same name or the same bit.
    """

    def __init__(self, testers: Iterable[ITester]) -> None:
        self._testers = tuple(testers)
        self._by_name = {tester.name: tester for tester in self._testers}
        self._by_id = {tester.tool_id: tester for tester in self._testers}
        if not len(self._by_name) == len(self._by_id) == len(self._testers):
            raise ValueError("two testers with the same name or the same ToolID")

    def __iter__(self) -> Iterator[ITester]:
        return iter(self._testers)

    def __len__(self) -> int:
        return len(self._testers)

    def by_name(self, name: str) -> ITester | None:
        """The tester of a name, in any case; None if there is none."""
        return self._by_name.get(name.lower())

    def by_id(self, tool: ToolID) -> ITester | None:
        """The tester of a single bit; None if there is none."""
        return self._by_id.get(tool)

    def of_kind(self, kind: Kind) -> list[ITester]:
        """The testers of one kind of test, the preferred ones first."""
        return [tester for tester in self._testers if kind_of(tester.tool_id) is kind]

    def names(self, tools: ToolID) -> list[str]:
        """The names of the testers whose bits are set."""
        return [tester.name for tester in self._testers if tester.tool_id & tools]


def built_in(*more: ITester) -> Registry:
    """A registry of the built-in testers, followed by further ones."""
    return Registry((*BUILT_IN, *more))


@dataclass(frozen=True, slots=True)
class Choice:
    """The tester for a test, or why none of the wanted ones can do it."""

    tester: ITester | None
    spec: TestSpec  # with the tool of the tester
    refusals: Mapping[str, Sequence[str]]  # name -> reasons, for those that were passed over


def choose(
    registry: Registry, spec: TestSpec, offered: ToolID, names: Sequence[str] = ()
) -> Choice:
    """The first tester that both ends offer and that can do a test. Source: clients.md 6.

    Args:
        spec: the test; of its tool only the kind counts.
        offered: bits that both ends have.
        names: wanted testers, the first one first; none: all of the kind, as they are preferred.
    """
    refusals: dict[str, list[str]] = {}
    for name in names or [tester.name for tester in registry.of_kind(spec.kind)]:
        tester = registry.by_name(name)
        refusal = _refusal(name, tester, spec, offered)
        if tester is not None and not refusal:
            return Choice(tester, replace(spec, tool=tester.tool_id), refusals)
        refusals[name] = refusal
    return Choice(None, spec, refusals)


def _refusal(name: str, tester: ITester | None, spec: TestSpec, offered: ToolID) -> list[str]:
    """Why a tester cannot be taken, none if it can."""
    if tester is None:
        return [f"there is no tester named {name}"]
    if kind_of(tester.tool_id) is not spec.kind:
        return [f"{tester.name} is not for {spec.kind.value} tests"]
    if not tester.tool_id & offered:
        return [f"{tester.name} is not available at both ends"]
    return tester.problems(replace(spec, tool=tester.tool_id))
