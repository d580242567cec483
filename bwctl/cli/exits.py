"""The error that carries an exit status, and how a client tells a failure."""

from __future__ import annotations

from bwctl.errors import BWCTLError
from bwctl.results import ExitStatus as ExitStatus
from bwctl.results import Failure
from bwctl.text import sanitise


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
    """What stderr shows of a failure: one line, and one of advice where there is any.

    The text may quote what another host sent; it cannot steer a terminal.
    """
    hint = failure.hint
    if failure.exit_status == ExitStatus.USAGE and not hint:
        hint = f"`{program} --help` lists the options"
    lines = [failure.message, f"hint: {hint}"] if hint else [failure.message]
    shown = (sanitise(line).replace("\n", " ") for line in lines)
    return "".join(f"{program}: {line}\n" for line in shown)
