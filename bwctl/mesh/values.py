"""What a mesh file says. Source: doc/user/mesh.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bwctl.values import Kind, ToolID, kind_of

if TYPE_CHECKING:
    from bwctl.mesh.node import Node

DEFAULT_PORT = 4823


class Pair(NamedTuple):
    """A test's two ends, by the names of their hosts."""

    sender: str
    receiver: str

    def __str__(self) -> str:
        return f"{self.sender} > {self.receiver}"


@dataclass(frozen=True, slots=True)
class MeshHost:
    """One host with a daemon."""

    name: str
    address: str  # or a name that resolves
    port: int = DEFAULT_PORT


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshTest:
    """A test that is repeated between each of some pairs. Times are seconds."""

    name: str
    tool: ToolID
    duration: int
    interval: int
    pairs: tuple[Pair, ...]
    randomize: int = 0  # percent of the interval by which a start may be off, either way
    latest: int = 0  # how far a start may be moved where a daemon is busy
    omit: int = 0
    udp: bool = False
    bandwidth: int = 0  # bit/s; 0: the tester's default
    parallel: int = 0  # streams; 0: the tester's default

    @property
    def kind(self) -> Kind:
        """What it measures."""
        return kind_of(self.tool)

    @property
    def seconds(self) -> int:
        """How long the tester runs."""
        return self.duration + self.omit


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh:
    """All hosts, by name, and all tests between them."""

    hosts: Mapping[str, MeshHost]
    tests: tuple[MeshTest, ...]
    simulate: Node | None = None  # for bwctl-simulate alone, which reads it itself


def default_latest(interval: int, length: int) -> int:
    """How far a repeated test may be moved where nobody says. Source: clients.md 7.3."""
    return max(0, min(interval - length, interval // 2))
