"""What the lines of a limits file read so far add up to; shared by the readers of its lines."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from bwctl.limits.addresses import IPNetwork
from bwctl.limits.classes import LimitClass
from bwctl.limits.grammar import Findings, hint, shown


@dataclass(slots=True)
class Draft:
    """Limits in the making.

    Args:
        known_users: identities that have a key.
        strict: whether a class is held to what its parent allows.
    """

    findings: Findings
    known_users: Collection[str]
    strict: bool
    classes: dict[str, LimitClass] = field(default_factory=dict)
    default: LimitClass | None = None
    users: dict[str, LimitClass] = field(default_factory=dict)
    certificates: dict[str, LimitClass] = field(default_factory=dict)
    networks: dict[IPNetwork, LimitClass] = field(default_factory=dict)
    assigned: dict[str, int] = field(default_factory=dict)  # rule -> its line

    def find_class(self, line: int, name: str) -> LimitClass | None:
        """A class that a line names; that it is not defined is noted as an error."""
        found = self.classes.get(name)
        if found is None:
            self.findings.error(
                line, f"class {shown(name)} is not defined above{hint(name, self.classes)}"
            )
        return found
