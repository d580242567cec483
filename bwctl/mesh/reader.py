"""From the text of a mesh file to a Mesh, or to every problem found in it. See doc/user/mesh.md."""

from __future__ import annotations

import re
from typing import Final

from bwctl.limits.grammar import hint, shown
from bwctl.limits.written import TESTERS
from bwctl.mesh import readers
from bwctl.mesh.node import Node, parse_json
from bwctl.mesh.pairs import ALL, Groups, read_group, read_pairs
from bwctl.mesh.spec import LATE_ANSWERS_S
from bwctl.mesh.values import DEFAULT_PORT, Mesh, MeshHost, MeshTest, default_latest
from bwctl.values import Kind, ToolID, kind_of, tool_name

MAX_HOSTS: Final = 1000
MAX_TESTS: Final = 1000
MAX_SECONDS: Final = 86_400
YEAR: Final = 365 * 86_400

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,62}")
_HOST_KEYS: Final = ("name", "address", "port")
_TEST_KEYS: Final = (
    *("name", "tool", "duration", "interval", "randomize", "latest", "pairs"),
    *("omit", "udp", "bandwidth", "parallel"),
)
_THROUGHPUT_KEYS: Final = ("omit", "udp", "bandwidth", "parallel")


def read_mesh(text: str, file: str = "mesh") -> Mesh:
    """The mesh that a file describes.

    Args:
        file: its name, for messages.
    Raises:
        ConfigurationError: with every problem found, each with its path into the file.
    """
    root = parse_json(text, file)
    root.keys(("hosts", "groups", "tests", "simulate"))
    root.finish()
    hosts = _hosts(root)
    groups = _groups(root, tuple(hosts))
    tests = _tests(root, groups)
    root.finish()
    return Mesh(hosts=hosts, tests=tests, simulate=root.at("simulate"))


# -- hosts and groups ----------------------------------------------------------------------------


def _hosts(root: Node) -> dict[str, MeshHost]:
    found: dict[str, MeshHost] = {}
    node = root.needed("hosts")
    for item in node.items() if node is not None else ():
        host = _host(item)
        if host is None:
            continue
        if host.name in found:
            item.problem(f"there is another host named {shown(host.name)}")
        found[host.name] = host
    if node is not None and isinstance(node.value, list) and not 2 <= len(node.value) <= MAX_HOSTS:
        node.problem(f"must be 2 to {MAX_HOSTS} hosts")
    return found


def _host(item: Node) -> MeshHost | None:
    """A host is an object, or just its name where that is its address."""
    if isinstance(item.value, str):
        name = item.read(_name, "")
        return MeshHost(name, name) if name else None
    item.keys(_HOST_KEYS)
    named = item.needed("name")
    name = named.read(_name, "") if named is not None else ""
    if not name:
        return None
    address = item.get("address", readers.text, name)
    return MeshHost(name, address, item.get("port", readers.whole(1, 65535), DEFAULT_PORT))


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value) or value == ALL:
        raise ValueError(
            f"must be a name of at most 63 letters, digits, _ . : and -, but not {ALL!r}"
        )
    return value


def _groups(root: Node, hosts: tuple[str, ...]) -> Groups:
    groups: dict[str, tuple[str, ...]] = {ALL: hosts}
    node = root.at("groups")
    for key in node.keys() if node is not None else ():
        group = node.at(key) if node is not None else None
        if group is None:
            continue
        if key in hosts or key == ALL:
            group.problem("a host has this name" if key in hosts else "is the group of all hosts")
        elif group.is_a(list):
            groups[key] = read_group(group, groups)
    return groups


# -- tests ---------------------------------------------------------------------------------------


def _tests(root: Node, groups: Groups) -> tuple[MeshTest, ...]:
    found: dict[str, MeshTest] = {}
    node = root.needed("tests")
    for number, item in enumerate(node.items() if node is not None else ()):
        if not item.is_a(dict):
            continue
        test = _test(item, f"test {number + 1}", groups)
        if test.name in found:
            item.problem(f"there is another test named {shown(test.name)}")
        found[test.name] = test
    if node is not None and isinstance(node.value, list) and not 1 <= len(node.value) <= MAX_TESTS:
        node.problem(f"must be 1 to {MAX_TESTS} tests")
    return tuple(found.values())


def _test(item: Node, name: str, groups: Groups) -> MeshTest:
    item.keys(_TEST_KEYS)
    tool = _tool(item)
    duration = _needed_span(item, "duration", 1, MAX_SECONDS)
    omit = item.get("omit", readers.whole_span(0, 60), 0)
    interval = _needed_span(item, "interval", 1, YEAR)
    if interval and duration and interval < duration + omit + 2:
        where = item.at("interval") or item
        where.problem(f"must be at least the duration + 2 seconds, {duration + omit + 2}")
    least = LATE_ANSWERS_S + 1
    if tool and kind_of(tool) is Kind.LATENCY and 0 < duration < least:
        where = item.at("duration") or item
        where.problem(f"must be at least {least} seconds for {tool_name(tool)}")
    pairs = item.needed("pairs")
    return MeshTest(
        name=item.get("name", readers.text, name),
        tool=tool,
        duration=duration,
        interval=interval,
        pairs=read_pairs(pairs, groups) if pairs is not None else (),
        randomize=item.get("randomize", readers.whole(0, 50), 0),
        latest=item.get(
            "latest", readers.whole_span(1, YEAR), default_latest(interval, duration + omit)
        ),
        omit=omit,
        udp=item.get("udp", readers.flag, False),
        bandwidth=item.get("bandwidth", readers.rate, 0),
        parallel=item.get("parallel", readers.whole(0, 255), 0),
    )


def _needed_span(item: Node, key: str, low: int, high: int) -> int:
    found = item.needed(key)
    return found.read(readers.whole_span(low, high), 0) if found is not None else 0


def _tool(item: Node) -> ToolID:
    found = item.needed("tool")
    if found is None or not found.is_a(str):
        return ToolID.NONE
    tool = TESTERS.get(found.value)
    if tool is None:
        found.problem(f"no tester is named {shown(found.value)}{hint(found.value, TESTERS)}")
        return ToolID.NONE
    if kind_of(tool) is not Kind.THROUGHPUT:
        for key in _THROUGHPUT_KEYS:
            option = item.at(key)
            if option is not None:
                option.problem(f"is for throughput tests; {found.value} makes none")
    return tool
