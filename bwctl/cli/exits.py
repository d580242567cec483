"""Exit statuses of the clients, and the error that carries one."""

from __future__ import annotations

from enum import IntEnum

from bwctl.errors import BWCTLError
from bwctl.results import Failure


class ExitStatus(IntEnum):
    """How a client ends; the worst of its tests if there are several."""

    OK = 0
    TEST_FAILED = 1
    USAGE = 2
    UNRESOLVED = 3
    UNREACHABLE = 4
    REFUSED = 5
    AUTHENTICATION = 6
    DENIED = 7
    BUSY = 8
    NO_TESTER = 9
    UNSUPPORTED = 10
    PROTOCOL = 11
    TIMEOUT = 12
    CLOCK = 13
    LOST = 14
    INTERNAL = 70
    INTERRUPTED = 130

    @property
    def code(self) -> str:
        """The name that `--json` gives as `error.code`."""
        return self.name.lower()

    @property
    def meaning(self) -> str:
        """One line for the help and the manual page."""
        return _MEANINGS[self]

    def failure(self, message: str, hint: str = "") -> Failure:
        """A failure of this kind."""
        return Failure(code=self.code, exit_status=int(self), message=message, hint=hint)


_MEANINGS = {
    ExitStatus.OK: "the test went well",
    ExitStatus.TEST_FAILED: "the test ran and failed",
    ExitStatus.USAGE: "wrong option or value; nothing was sent",
    ExitStatus.UNRESOLVED: "a host name has no address",
    ExitStatus.UNREACHABLE: "no route to a host, or no answer to a connection",
    ExitStatus.REFUSED: "no daemon listens on that port",
    ExitStatus.AUTHENTICATION: "no common mode, wrong key or unknown identity",
    ExitStatus.DENIED: "the limits of a daemon forbid the test",
    ExitStatus.BUSY: "no free time slot before the latest start",
    ExitStatus.NO_TESTER: "no tester that both ends have",
    ExitStatus.UNSUPPORTED: "the tester, or an older daemon, cannot do what was asked",
    ExitStatus.PROTOCOL: "a daemon broke the control protocol",
    ExitStatus.TIMEOUT: "a daemon stopped answering",
    ExitStatus.CLOCK: "a clock is not synchronised well enough",
    ExitStatus.LOST: "a daemon went away during the test",
    ExitStatus.INTERNAL: "a defect of the program",
    ExitStatus.INTERRUPTED: "stopped by a signal",
}


class ClientError(BWCTLError):
    """Ends a test, or the program, with an exit status."""

    def __init__(self, status: ExitStatus, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint

    @property
    def failure(self) -> Failure:
        """The same as a value for a TestResult."""
        return self.status.failure(self.message, self.hint)


class UsageError(ClientError):
    """The command line cannot be used."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(ExitStatus.USAGE, message, hint)


def complaint(program: str, failure: Failure) -> str:
    """What stderr shows of a failure: one line, and one of advice where there is any."""
    hint = failure.hint
    if failure.exit_status == ExitStatus.USAGE and not hint:
        hint = f"`{program} --help` lists the options"
    lines = [failure.message, f"hint: {hint}"] if hint else [failure.message]
    return "".join(f"{program}: {line}\n" for line in lines)
