"""Everything raised on purpose, and the answers the wire knows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class AcceptType(IntEnum):
    """Answer to a request. Source: spec wire.md, table 2.3b."""

    ACCEPT = 0
    REJECT = 1
    FAILURE = 2
    UNSUPPORTED = 4

    @property
    def severity(self) -> int:
        """Order in which the worse of two statuses wins: 0 < 1 < 4 < 2 (wire.md 8.2)."""
        return _SEVERITY[self]


_SEVERITY = {
    AcceptType.ACCEPT: 0,
    AcceptType.REJECT: 1,
    AcceptType.UNSUPPORTED: 2,
    AcceptType.FAILURE: 3,
}


def worse(one: AcceptType, other: AcceptType) -> AcceptType:
    """The graver of two statuses."""
    return max(one, other, key=lambda accept: accept.severity)


class BWCTLError(Exception):
    """Base of all errors of this project."""


class ProtocolError(BWCTLError):
    """The control protocol was broken, by one end or the other."""


class RemoteProtocolError(ProtocolError):
    """The other end sent something that is not legal; its connection has to end."""


class LocalProtocolError(ProtocolError):
    """We tried to send something that is not legal now: a defect of the caller."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration file."""

    file: str
    line: int  # from 1; 0: the file as a whole
    message: str

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}: {self.message}"
            if self.line
            else (f"{self.file}: {self.message}")
        )


class ConfigurationError(BWCTLError):
    """A configuration, limits or key file cannot be used; holds every problem found in it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class CertificateError(BWCTLError):
    """A certificate or key file cannot be used; the text names it."""
