"""What a client tells people beside its results: on stderr, and to syslog if -e says so."""

from __future__ import annotations

from bwctl.cli.exits import complaint
from bwctl.cli.options import Options
from bwctl.cli.progress import Progress, TextStream
from bwctl.results import Failure
from bwctl.text import sanitise

_LOG_FTP = 11 << 3  # RFC 5424, table 1; not in every Python


class Messages:
    """Notes, failures and summaries of one run. Failures are told even with -q."""

    def __init__(self, name: str, options: Options, stream: TextStream, progress: Progress) -> None:
        self._name = name
        self._stream = stream
        self._progress = progress
        self._notes = not options.silent or options.syslog_to_stderr
        self._summaries = not options.silent
        self._syslog = bool(options.facility)
        if self._syslog:
            import syslog

            facility = getattr(syslog, f"LOG_{options.facility.upper()}", _LOG_FTP)
            syslog.openlog(name, syslog.LOG_PID, facility)

    def note(self, text: str) -> None:
        """Something that the user should know; the text may come from a daemon."""
        text = sanitise(text)
        self._log(text)
        if self._notes:
            self._progress.note(text)

    def failure(self, failure: Failure) -> None:
        """Why a test is no result, or why there is none."""
        self._log(failure.message, failed=True)
        self._progress.close()
        self._stream.write(complaint(self._name, failure))

    def summary(self, text: str, shown: str | None = None) -> None:
        """A few lines about a test that went well, and the same as they look on a screen."""
        self._log("; ".join(line.strip() for line in text.splitlines()))
        self.show(text if shown is None else shown)

    def show(self, text: str) -> None:
        """Lines that are of no interest to a log."""
        if self._summaries:
            self._progress.close()
            self._stream.write(text)

    def _log(self, text: str, failed: bool = False) -> None:
        if self._syslog:
            import syslog

            syslog.syslog(syslog.LOG_ERR if failed else syslog.LOG_INFO, text)
