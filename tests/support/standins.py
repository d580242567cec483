"""Testers for tools for which this package has none, plugged into real daemons.

Policy has limits for every kind of test. A stand-in makes a daemon offer a tool, so that requests
for it get as far as the limits; what it runs tells the parameters that it was given.
"""

from __future__ import annotations

import os
from pathlib import Path

from bwctl.testers.registry import BUILT_IN
from bwctl.values import Kind, ToolID, kind_of
from tests.support.testers import need

_PLUGIN = """
import sys
from twisted.plugin import IPlugin
from zope.interface import implementer
from bwctl.testers.thrulay import Thrulay
from bwctl.values import Report, ToolID

@implementer(IPlugin)
class StandIn(Thrulay):
    def problems(self, spec): return []
    def ports(self, spec): return 0
    def command_line(self, spec, role, port, commands):
        program = "import sys; print(*sys.argv[1:])"
        return [sys.executable, "-I", "-S", "-c", program, "-f", str(spec.first_ttl)]
    def parse(self, output, spec, role): return Report(tool=self.name)

"""


def tool_of(kind: Kind) -> ToolID:
    """A tool of a kind that no tester of this package is for; else one of the package's."""
    taken = {tester.tool_id for tester in BUILT_IN}
    tools = [tool for tool in ToolID if tool and kind_of(tool) is kind]
    return next((tool for tool in reversed(tools) if tool not in taken), tools[0])


def need_tools(*tools: ToolID) -> None:
    """Skip or fail, as `need` does, where a tester of this package lacks its program."""
    for tester in BUILT_IN:
        if tester.tool_id in tools:
            need(*tester.commands.values())


def plug_in(place: Path, *tools: ToolID) -> str:
    """Write a module with stand-ins; the PYTHONPATH with which a daemon finds it."""
    taken = {tester.tool_id for tester in BUILT_IN}
    plugins = place / "twisted" / "plugins"
    plugins.mkdir(parents=True)
    lines = [
        f"{tool.name} = StandIn(name={str(tool.name).lower()!r}, tool_id=ToolID.{tool.name})\n"
        for tool in tools
        if tool not in taken
    ]
    (plugins / f"stand_ins_{os.getpid()}.py").write_text(_PLUGIN + "".join(lines))
    return str(place)
