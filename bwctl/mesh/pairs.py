"""Which hosts test to which: the ways in which a mesh file names pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import permutations, product
from typing import Final

from bwctl.limits.grammar import hint, shown
from bwctl.mesh.node import Node
from bwctl.mesh.values import Pair

ALL: Final = "all"
"""The group of all hosts, which every file has."""

Groups = Mapping[str, tuple[str, ...]]


def read_group(node: Node, groups: Groups) -> tuple[str, ...]:
    """The hosts of a group, or of a list of hosts and groups, each once."""
    if isinstance(node.value, list):
        members = [name for item in node.items() for name in read_group(item, groups)]
        return tuple(dict.fromkeys(members))
    if not node.is_a(str):
        return ()
    if node.value in groups:
        return groups[node.value]
    if node.value in groups[ALL]:
        return (node.value,)
    known = [*groups, *groups[ALL]]
    node.problem(f"neither a host nor a group: {shown(node.value)}{hint(node.value, known)}")
    return ()


def read_pairs(node: Node, groups: Groups) -> tuple[Pair, ...]:
    """The pairs that an object with one of the keys mesh, star, between and list means."""
    keys = node.keys(_SHAPES)
    if not keys and isinstance(node.value, dict):
        node.problem(f"is empty; it needs one of {', '.join(_SHAPES)}")
    pairs: list[Pair] = []
    for key in keys:
        shape = node.at(key)
        if key in _SHAPES and shape is not None:
            before = shape.problems
            found = [pair for pair in _SHAPES[key](shape, groups) if pair.sender != pair.receiver]
            if not found and shape.problems == before:
                shape.problem("gives no pair of two hosts")
            pairs += found
    return tuple(dict.fromkeys(pairs))


def _mesh(node: Node, groups: Groups) -> Iterable[Pair]:
    """Every host to every other."""
    return (Pair(*ends) for ends in permutations(read_group(node, groups), 2))


def _star(node: Node, groups: Groups) -> Iterable[Pair]:
    """The centre and each of the leaves, both ways."""
    centre, leaves = _two_groups(node, groups, "centre", "leaves")
    for one, other in product(centre, leaves):
        yield Pair(one, other)
        yield Pair(other, one)


def _between(node: Node, groups: Groups) -> Iterable[Pair]:
    """Each host of one group to each of another, one way."""
    return (Pair(*ends) for ends in product(*_two_groups(node, groups, "from", "to")))


def _two_groups(node: Node, groups: Groups, *names: str) -> list[tuple[str, ...]]:
    node.keys(names)
    found = [node.needed(name) for name in names]
    return [read_group(one, groups) if one is not None else () for one in found]


def _list(node: Node, groups: Groups) -> Iterable[Pair]:
    """Pairs as they are named, the sender first."""
    for item in node.items():
        ends = [read_group(end, groups) for end in item.items()]
        if len(ends) != 2 or any(len(end) > 1 for end in ends):
            item.problem("must be two hosts: the sender and the receiver")
        elif all(ends):
            yield Pair(ends[0][0], ends[1][0])


_SHAPES: Final[Mapping[str, Callable[[Node, Groups], Iterable[Pair]]]] = {
    "mesh": _mesh,
    "star": _star,
    "between": _between,
    "list": _list,
}
