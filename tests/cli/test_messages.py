"""What goes to stderr and to syslog, with -q, -r and -e."""

from __future__ import annotations

import syslog
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.exits import ExitStatus
from bwctl.cli.messages import Messages
from bwctl.cli.options import parse
from bwctl.cli.progress import Progress
from bwctl.cli.throughput import BWCTL


class MessagesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.opened: list[tuple[object, ...]] = []
        self.logged: list[tuple[object, ...]] = []
        self.patch(syslog, "openlog", lambda *args: self.opened.append(args))
        self.patch(syslog, "syslog", lambda *args: self.logged.append(args))

    def tell(self, line: str) -> str:
        """All kinds of messages; what stderr shows of them."""
        options, stderr = parse(BWCTL, ["-c", "h", *line.split()]), StringIO()
        progress = Progress(stderr, options.silent, False)
        messages = Messages("bwctl", options, stderr, progress)
        messages.note("a note\x1b[2J")
        messages.summary("test 1\n  received 5 Gbit/s\n")
        messages.failure(ExitStatus.BUSY.failure("h is busy", "-L 9 would allow it"))
        return stderr.getvalue()

    def test_stderr(self) -> None:
        """Everything; with -q failures alone; with -q -r notes too. Nothing goes to syslog."""
        failure = "bwctl: h is busy\nbwctl: hint: -L 9 would allow it\n"
        note = "bwctl: a note\\x1b[2J\n"
        summary = "test 1\n  received 5 Gbit/s\n"
        self.assertEqual(self.tell(""), note + summary + failure)
        self.assertEqual(self.tell("-q"), failure)
        self.assertEqual(self.tell("-q -r"), note + failure)
        self.assertEqual((self.opened, self.logged), ([], []))

    def test_syslog(self) -> None:
        """-e: one line each, whatever stderr shows, harmless to whoever reads the log."""
        self.tell("-q -e local3")
        self.assertEqual(self.opened, [("bwctl", syslog.LOG_PID, syslog.LOG_LOCAL3)])
        self.assertEqual(
            self.logged,
            [
                (syslog.LOG_INFO, "a note\\x1b[2J"),
                (syslog.LOG_INFO, "test 1; received 5 Gbit/s"),
                (syslog.LOG_ERR, "h is busy"),
            ],
        )

    def test_facilities(self) -> None:
        """Every name that the option takes is one of syslog's."""
        from bwctl.cli.common import FACILITIES

        for name in FACILITIES:
            self.tell(f"-e {name}")
        self.assertEqual(len({one[2] for one in self.opened}), len(FACILITIES))
