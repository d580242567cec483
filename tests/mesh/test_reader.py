"""Mesh files: what they mean, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import bwctl
from bwctl.errors import ConfigurationError
from bwctl.mesh.node import MAX_PROBLEMS
from bwctl.mesh.reader import read_mesh
from bwctl.mesh.values import Mesh, MeshHost, MeshTest, Pair
from bwctl.values import ToolID
from tests.wire.strategies import quiet

ROOT = Path(bwctl.__file__).parent.parent
TEST = {"tool": "iperf3", "duration": "30s", "interval": "6h", "pairs": {"mesh": "all"}}
PLAIN = {"hosts": ["a", "b", "c"], "tests": [TEST]}


def read(**changes: Any) -> Mesh:
    return read_mesh(json.dumps(PLAIN | changes), "mesh.json")


def with_test(**changes: Any) -> dict[str, Any]:
    return PLAIN | {"tests": [{**TEST, **changes}]}


def problems(content: Any) -> list[str]:
    """What is wrong with a file, without its name."""
    text = content if isinstance(content, str) else json.dumps(content)
    try:
        read_mesh(text, "mesh.json")
    except ConfigurationError as error:
        return [str(one).removeprefix("mesh.json").lstrip(": ") for one in error.problems]
    return []


class MeaningTests(SynchronousTestCase):
    def test_hosts(self) -> None:
        """A host is a name that is its address, or an object."""
        mesh = read(hosts=["a.example.net", {"name": "b", "address": "2001:db8::7", "port": 4900}])
        self.assertEqual(
            dict(mesh.hosts),
            {
                "a.example.net": MeshHost("a.example.net", "a.example.net", 4823),
                "b": MeshHost("b", "2001:db8::7", 4900),
            },
        )

    def test_defaults_of_a_test(self) -> None:
        """Starts are not randomised, and may move by half of the interval."""
        (test,) = read().tests
        expected = MeshTest(
            name="test 1",
            tool=ToolID.IPERF3,
            duration=30,
            interval=21_600,
            pairs=tuple(Pair(*one) for one in ("ab", "ac", "ba", "bc", "ca", "cb")),
            latest=10_800,
        )
        self.assertEqual(test, expected)

    def test_everything_of_a_test(self) -> None:
        """All keys that there are."""
        given = {
            **{"name": "evening", "tool": "nuttcp", "duration": "1m", "interval": 3600},
            **{"randomize": 20, "latest": "5m", "omit": 2, "udp": True, "bandwidth": "50m"},
            **{"parallel": 4, "pairs": {"list": [["a", "c"]]}},
        }
        (test,) = read(tests=[given]).tests
        expected = MeshTest(
            name="evening",
            tool=ToolID.NUTTCP,
            duration=60,
            interval=3600,
            pairs=(Pair("a", "c"),),
            randomize=20,
            latest=300,
            omit=2,
            udp=True,
            bandwidth=50_000_000,
            parallel=4,
        )
        self.assertEqual((test, test.seconds), (expected, 62))

    def pairs(self, **shape: Any) -> list[str]:
        groups = {"east": ["a", "b"], "both": ["east", "c"]}
        (test,) = read(groups=groups, tests=[{**TEST, "pairs": shape}]).tests
        return [f"{one.sender}{one.receiver}" for one in test.pairs]

    def test_shapes(self) -> None:
        """Full meshes, stars, one group to another, and lists; of groups, hosts and lists."""
        self.assertEqual(self.pairs(mesh="east"), ["ab", "ba"])
        self.assertEqual(self.pairs(mesh=["c", "a"]), ["ca", "ac"])
        self.assertEqual(self.pairs(mesh="both"), self.pairs(mesh="all"))
        star = self.pairs(star={"centre": "c", "leaves": "all"})
        self.assertEqual(star, ["ca", "ac", "cb", "bc"])
        self.assertEqual(self.pairs(between={"from": "c", "to": "east"}), ["ca", "cb"])
        self.assertEqual(self.pairs(list=[["a", "b"], ["c", "b"]]), ["ab", "cb"])

    def test_shapes_together(self) -> None:
        """Several shapes in one test make each pair once."""
        found = self.pairs(mesh="east", list=[["a", "b"], ["b", "c"]])
        self.assertEqual(found, ["ab", "ba", "bc"])

    def test_latest(self) -> None:
        """Where the interval is short, a start may move until the next one is due."""
        for interval, latest in (("40s", 10), ("100s", 50), (32, 2)):
            (test,) = read_mesh(json.dumps(with_test(interval=interval))).tests
            self.assertEqual(test.latest, latest, interval)

    def test_example(self) -> None:
        """The file that the manual shows."""
        file = ROOT / "doc" / "examples" / "mesh.json"
        if not file.exists():
            raise self.skipTest("the examples are not part of an installed package")
        mesh = read_mesh(file.read_text(), str(file))
        self.assertEqual([len(test.pairs) for test in mesh.tests], [12, 4, 9])
        self.assertIn(file.read_text(), (ROOT / "doc" / "user" / "mesh.md").read_text())

    def test_simulate_is_left_alone(self) -> None:
        """What is under `simulate` is for the simulation to read."""
        mesh = read(simulate={"whatever": [1]})
        assert mesh.simulate is not None
        self.assertEqual((mesh.simulate.path, mesh.simulate.value), ("simulate", {"whatever": [1]}))
        self.assertIsNone(read().simulate)


WRONG: list[tuple[Any, str]] = [
    ("", "1: no JSON: Expecting value"),
    ('{\n"hosts": [,]}', "2: no JSON: Expecting value"),
    ("[" * 100_000, "nested too deeply"),
    ('{"hosts": NaN}', "NaN is no number in JSON"),
    ('{"hosts": [], "hosts": []}', "an object with the key 'hosts' twice"),
    ([], "must be an object, not []"),
    ({}, "'hosts' is missing"),
    ({"hosts": ["a", "b"]}, "'tests' is missing"),
    (PLAIN | {"host": []}, "unknown key 'host'; did you mean 'hosts'?"),
    (PLAIN | {"hosts": "a"}, 'hosts: must be a list, not "a"'),
    (PLAIN | {"hosts": ["a"]}, "hosts: must be 2 to 1000 hosts"),
    (PLAIN | {"hosts": ["a", "b", "a"]}, "hosts[2]: there is another host named 'a'"),
    (PLAIN | {"hosts": ["a", "b", 7]}, "hosts[2]: must be an object, not 7"),
    (PLAIN | {"hosts": ["a", "b", {"address": "x"}]}, "hosts[2]: 'name' is missing"),
    (
        PLAIN | {"hosts": ["a", "b", {"name": "c", "port": 0}]},
        "hosts[2].port: must be a whole number from 1 to 65535, not 0",
    ),
    (
        PLAIN | {"hosts": ["a", "b", {"name": "c", "address": ""}]},
        'hosts[2].address: must be a text of one line, not ""',
    ),
    (
        PLAIN | {"hosts": ["a", "b", "c d"]},
        "hosts[2]: must be a name of at most 63 letters, digits, _ . : and -, but not 'all', "
        'not "c d"',
    ),
    (
        PLAIN | {"groups": {"x": ["a", "q"]}},
        "groups.x[1]: neither a host nor a group: 'q'",
    ),
    (PLAIN | {"groups": {"a": []}}, "groups.a: a host has this name"),
    (PLAIN | {"groups": {"all": []}}, "groups.all: is the group of all hosts"),
    (PLAIN | {"groups": {"x": "a"}}, 'groups.x: must be a list, not "a"'),
    (PLAIN | {"tests": []}, "tests: must be 1 to 1000 tests"),
    (PLAIN | {"tests": [3]}, "tests[0]: must be an object, not 3"),
    (
        PLAIN | {"tests": [TEST, TEST | {"name": "test 1"}]},
        "tests[1]: there is another test named 'test 1'",
    ),
    (with_test(tool="iperf4"), "tests[0].tool: no tester is named 'iperf4'; did you mean 'iperf'?"),
    (with_test(tool=None), "tests[0].tool: must be a text, not null"),
    (
        with_test(duration="0s"),
        'tests[0].duration: must be a time from 1 to 86400 seconds, not "0s"',
    ),
    (with_test(duration=1.5), "tests[0].duration: must be whole seconds, not 1.5"),
    (
        with_test(duration=True),
        "tests[0].duration: must be a time from 1 to 86400 seconds, not true",
    ),
    (
        with_test(interval="6x"),
        "tests[0].interval: must be a number of seconds, or a number with ms, s, m, h, d or w "
        'after it, not "6x"',
    ),
    (with_test(interval=31), "tests[0].interval: must be at least the duration + 2 seconds, 32"),
    (
        with_test(randomize=51),
        "tests[0].randomize: must be a whole number from 0 to 50, not 51",
    ),
    (with_test(udp=1), "tests[0].udp: must be true or false, not 1"),
    (
        with_test(bandwidth="1x"),
        'tests[0].bandwidth: must be bit/s, digits with at most one of k m g t p e, not "1x"',
    ),
    (with_test(tool="ping", udp=True), "tests[0].udp: is for throughput tests; ping makes none"),
    (with_test(tool="ping", duration=5), "tests[0].duration: must be at least 6 seconds for ping"),
    (with_test(pairs={}), "tests[0].pairs: is empty; it needs one of mesh, star, between, list"),
    (with_test(pairs={"mash": "all"}), "tests[0].pairs: unknown key 'mash'; did you mean 'mesh'?"),
    (with_test(pairs={"mesh": ["a"]}), "tests[0].pairs.mesh: gives no pair of two hosts"),
    (with_test(pairs={"mesh": {}}), "tests[0].pairs.mesh: must be a text, not {}"),
    (with_test(pairs={"star": {"centre": "a"}}), "tests[0].pairs.star: 'leaves' is missing"),
    (with_test(pairs={"star": "a"}), 'tests[0].pairs.star: must be an object, not "a"'),
    (
        with_test(pairs={"list": [["a", "b", "c"]]}),
        "tests[0].pairs.list[0]: must be two hosts: the sender and the receiver",
    ),
    (
        with_test(pairs={"list": [["a", "all"]]}),
        "tests[0].pairs.list[0]: must be two hosts: the sender and the receiver",
    ),
    (with_test(pairs={"list": [["a", "a"]]}), "tests[0].pairs.list: gives no pair of two hosts"),
]


class ProblemTests(SynchronousTestCase):
    def test_problems(self) -> None:
        """Every mistake is told with its path into the file."""
        for content, expected in WRONG:
            self.assertIn(expected, problems(content), repr(content)[:100])

    def test_all_at_once(self) -> None:
        """All mistakes of a file are told together, up to a bound."""
        wrong = with_test(tool="iperf4", duration=0) | {"hosts": ["a", "b", "c", "c"]}
        self.assertEqual(len(problems(wrong)), 3)
        many = PLAIN | {"hosts": [*range(100)]}
        self.assertEqual(len(problems(many)), MAX_PROBLEMS)

    def test_long_values_are_cut(self) -> None:
        """A message does not repeat a whole file."""
        (told,) = problems(with_test(duration="9" * 10_000))
        self.assertLess(len(told), 200)

    @quiet
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(["name", "tool", "mesh", "pairs", "list", "hosts", "x"]), inner
                )
            ),
            max_leaves=12,
        ),
        st.sampled_from(["hosts", "groups", "tests", "pairs", "test"]),
    )
    def test_anything(self, value: Any, where: str) -> None:
        """Whatever stands somewhere, it is read or refused with a path."""
        content = with_test(pairs=value) if where == "pairs" else PLAIN | {where: value}
        content = PLAIN | {"tests": [value]} if where == "test" else content
        for told in problems(content):
            self.assertNotIn("\n", told)
