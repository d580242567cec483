"""What the tester tests share: test specs, and the sample outputs with what is in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from bwctl.interfaces import ITester
from bwctl.testers.registry import BUILT_IN
from bwctl.values import Report, Role, TestSpec, ToolID

SAMPLES = Path(__file__).parent.parent / "samples"

REGISTRY = BUILT_IN


def tester(name: str) -> ITester:
    """A built-in tester."""
    found = next((one for one in REGISTRY if one.name == name), None)
    assert found is not None
    return found


def spec(name: str = "iperf3", **options: Any) -> TestSpec:
    """A test of 2 s from 192.0.2.1 to 192.0.2.2, with options."""
    options.setdefault("client", ip_address("192.0.2.1"))
    options.setdefault("server", ip_address("192.0.2.2"))
    options.setdefault("duration", 2)
    found = next((one for one in REGISTRY if one.name == name), None)
    return TestSpec(tool=found.tool_id if found else ToolID.PING, **options)


def spec6(name: str = "iperf3", **options: Any) -> TestSpec:
    """The same between 2001:db8::1 and 2001:db8::2."""
    client, server = ip_address("2001:db8::1"), ip_address("2001:db8::2")
    return spec(name, client=client, server=server, **options)


@dataclass(frozen=True)
class Sample:
    """An output in tests/samples, or one section of a bwctl output, and what is in it."""

    tool: str
    file: str
    section: str
    role: Role
    spec: TestSpec
    expected: dict[str, Any]

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Sample:
        """A sample from its entry in expected.json."""
        tool = entry.pop("tool")
        return cls(
            tool=tool,
            file=entry.pop("file"),
            section=entry.pop("section", ""),
            role=Role(entry.pop("role")),
            spec=spec(tool, **entry.pop("options")),
            expected=entry,
        )

    @property
    def octets(self) -> bytes:
        """The output."""
        whole = (SAMPLES / self.file).read_bytes()
        if not self.section:
            return whole
        begin = whole.index(f"{self.section} START\n".encode()) + len(f"{self.section} START\n")
        return whole[begin : whole.index(f"\n{self.section} END".encode()) + 1]

    def parse(self, octets: bytes) -> Report:
        """What the sample's tester reads in octets."""
        return tester(self.tool).parse(octets, self.spec, self.role)


def samples() -> list[Sample]:
    """All samples of expected.json; numbers there that are not whole have three digits."""
    entries = json.loads((Path(__file__).parent / "expected.json").read_text())
    return [Sample.from_json(entry) for entry in entries]


def rounded(value: Any) -> Any:
    """A value with all numbers in it that are not whole rounded to three digits."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value
