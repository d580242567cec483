"""The rooms of the package import each other along the arrows of doc/design/rooms.md only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import bwctl

PACKAGE = Path(bwctl.__file__).parent
SHARED = {"errors", "values", "figures", "results", "interfaces", "text", "verdict"}
MAY_IMPORT = {
    "wire": set(),
    "control": {"wire"},
    "broker": set(),
    "limits": set(),
    "testers": {"embedded"},
    "embedded": set(),
    "net": {"control", "wire", "broker", "limits", "testers", "embedded"},
    "daemon": {"net", "control", "wire", "broker", "limits", "testers"},
    "mesh": {"limits"},
    "simulate": {"mesh", "net", "control", "wire", "broker", "limits", "testers"},
    "cli": {
        *("daemon", "net", "control", "wire", "broker", "limits", "testers", "render"),
        *("mesh", "simulate"),
    },
    "render": set(),
}
PURE = {"wire", "control", "broker", "limits", "testers", "render", "mesh"}
IMPURE_MODULES = {"socket", "time", "subprocess", "threading", "asyncio", "logging", "select"}
ALLOWED = {"addresses.py": {"socket", "socket.inet_aton"}}  # short forms of IPv4; no I/O


def imported(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def rooms(path: Path) -> set[str]:
    """Rooms of this package that a file imports."""
    inside = (name.split(".") for name in imported(path) if name.startswith("bwctl."))
    found = {parts[1] for parts in inside}
    return {name for name in found if (PACKAGE / name).is_dir()}


class RoomTests(SynchronousTestCase):
    def test_every_room_is_known(self) -> None:
        """A new room has to say what it may import."""
        found = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
        self.assertEqual(found, set(MAY_IMPORT))

    def test_arrows(self) -> None:
        """No room imports against the arrows."""
        for room, allowed in MAY_IMPORT.items():
            for path in (PACKAGE / room).rglob("*.py"):
                self.assertLessEqual(rooms(path), allowed | {room}, str(path))

    def test_shared_modules(self) -> None:
        """What all may import imports no room."""
        for name in SHARED:
            self.assertEqual(rooms(PACKAGE / f"{name}.py"), set(), name)

    def test_nothing_imports_what_is_above(self) -> None:
        """Programs import bwctl.api; no room does."""
        for path in PACKAGE.glob("*/*.py"):
            self.assertNotIn("bwctl.api", set(imported(path)), str(path))

    def test_pure_rooms(self) -> None:
        """Pure rooms have no reactor, socket, clock, process or log."""
        for room in PURE:
            for path in (PACKAGE / room).rglob("*.py"):
                names = set(imported(path))
                tops = {name.split(".")[0] for name in names - ALLOWED.get(path.name, set())}
                self.assertEqual(tops & IMPURE_MODULES, set(), str(path))
                twisted = {name for name in names if name.startswith("twisted.")}
                self.assertEqual(
                    {name for name in twisted if not name.startswith("twisted.plugin")},
                    set(),
                    str(path),
                )

    def test_embedded_programs_need_nothing(self) -> None:
        """Child processes run on the standard library alone."""
        for path in (PACKAGE / "embedded").rglob("*.py"):
            tops = {name.split(".")[0] for name in imported(path)}
            self.assertEqual(tops & {"twisted", "zope", "cryptography", "attr"}, set(), str(path))
