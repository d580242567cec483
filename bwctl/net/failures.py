"""Why a client's test cannot go on, in words for programs and for people."""

from __future__ import annotations

from bwctl.errors import BWCTLError


class SessionFailure(BWCTLError):
    """A test is given up.

    `code` is one of: unresolved, unreachable, refused, authentication, denied, busy, no_tester,
    unsupported, protocol, timeout, clock, lost, test_failed.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
