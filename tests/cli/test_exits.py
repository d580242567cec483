"""Exit statuses and failures."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.exits import ClientError, ExitStatus, complaint
from bwctl.results import Failure


class ExitTests(SynchronousTestCase):
    """ExitStatus and ClientError."""

    def test_numbers(self) -> None:
        """The numbers are a promise to scripts."""
        self.assertEqual([status.value for status in ExitStatus], [*range(16), 70, 130])

    def test_meanings(self) -> None:
        """Each status has a meaning of one line, and no two have the same."""
        meanings = [status.meaning for status in ExitStatus]
        self.assertEqual(len(set(meanings)), len(ExitStatus))
        self.assertFalse([text for text in meanings if "\n" in text or len(text) > 70])

    def test_error_is_a_failure(self) -> None:
        """An error can be kept in a result."""
        error = ClientError(ExitStatus.NO_TESTER, "no common tester", "-T iperf")
        expected = Failure(
            code="no_tester", exit_status=9, message="no common tester", hint="-T iperf"
        )
        self.assertEqual(error.failure, expected)
        self.assertEqual(str(error), "no common tester")

    def test_complaint(self) -> None:
        """One line, and one of advice."""
        failure = ExitStatus.BUSY.failure("no time slot", "try -L 900")
        self.assertEqual(complaint("b", failure), "b: no time slot\nb: hint: try -L 900\n")
        self.assertEqual(complaint("b", ExitStatus.BUSY.failure("busy")), "b: busy\n")
