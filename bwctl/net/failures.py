"""Why a client's test cannot go on, in words for programs and for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bwctl.errors import BWCTLError


class SessionFailure(BWCTLError):
    """A test is given up.

    `code` is one of: usage, unresolved, unreachable, refused, authentication, denied, busy,
    no_tester, unsupported, protocol, timeout, clock, lost, test_failed, interrupted.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


def unfit(problems: Mapping[str, Sequence[str]]) -> SessionFailure:
    """No tester can do a test; `problems` has the sentences of each by its name."""
    reasons = ", ".join(f"{name}: {'; '.join(some)}" for name, some in problems.items())
    text = f"no tester can do this test ({reasons})"
    return SessionFailure("unsupported", text, "change the options named, or -T")


def denied_text(name: str) -> str:
    """The message where a daemon denies a test."""
    return f"{name} denied the test"


def denied(name: str, *, synchronised: bool, alone: bool) -> SessionFailure:
    """A daemon denies a test, and does not say why.

    Args:
        synchronised: whether its clock is.
        alone: whether the other end has no daemon.
    """
    reasons = []
    if not synchronised:
        reasons.append("its clock is not synchronised (allow_unsync would let it take part)")
    if alone:
        reasons.append("allow_no_endpoint, which -E needs, is off in its limits")
    which = "; its log tells which" if reasons else "; its log tells which of them"
    hint = (
        ", or ".join([*reasons, "other limits forbid it" if alone else "its limits forbid it"])
        + which
    )
    return SessionFailure("denied", denied_text(name), hint)
