"""Where results go: stdout, files and charts; and what stderr says of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bwctl.cli.drive import columns, write
from bwctl.cli.exits import UsageError
from bwctl.cli.files import write_whole
from bwctl.cli.messages import Messages
from bwctl.cli.options import Options
from bwctl.render.chart import chart_of
from bwctl.render.classic import classic, files, remarks_of, shown_ends
from bwctl.render.csvform import header, row
from bwctl.render.jsonform import json_text
from bwctl.render.layout import draw
from bwctl.render.look import look_of
from bwctl.render.png import png
from bwctl.render.repeats import Repeats
from bwctl.render.summary import summary_text
from bwctl.render.svg import svg
from bwctl.results import ExitStatus, Failure, TestResult


def check_places(options: Options) -> None:
    """Whether the files of -p and of --plot can be written, before a test is made for nothing.

    Raises:
        UsageError: a directory is not there, or not for us.
    """
    if options.to_files:
        _check_directory(f"-d {options.output_dir or '.'}", options.output_dir or ".")
    if options.plot:
        _check_directory(f"--plot {options.plot}", os.path.dirname(options.plot) or ".")
        if os.path.isdir(options.plot):
            raise UsageError(f"--plot {options.plot}: that is a directory")


def _check_directory(option: str, directory: str) -> None:
    if not os.access(directory, os.W_OK | os.X_OK):
        raise UsageError(f"{option}: no directory in which files can be made")


class Output:
    """The results of one run. Where stdout takes nothing more, OSError is raised."""

    def __init__(self, name: str, options: Options, messages: Messages) -> None:
        self._name = name
        self._options = options
        self._messages = messages
        self._repeats = Repeats()
        self._titled = False  # the CSV has its header
        self._unwritten: list[Failure] = []  # files of the last test
        self._look = look_of(
            os.environ,
            is_tty=sys.stderr.isatty(),
            encoding=sys.stderr.encoding,
            columns=columns(),
        )

    def test(self, result: TestResult) -> int:
        """A test is over; the exit status for it and for its files."""
        if result.failure is None or result.failure.exit_status != ExitStatus.INTERRUPTED:
            self._repeats.add(result)
        self._to_stdout(result)
        self._plot(result)
        self._tell(result)
        unwritten, self._unwritten = self._unwritten, []
        for one in unwritten:
            self._messages.failure(one)
        failures = [result.failure, *unwritten]
        return next((one.exit_status for one in failures if one is not None), 0)

    def failure(self, failure: Failure) -> None:
        """The run ends without a result."""
        if self._options.json or self._options.csv:
            self._to_stdout(TestResult(failure=failure))
        self._messages.failure(failure)

    def close(self) -> None:
        """No more tests: the table, if there were to be several."""
        if self._options.count != 1 and not self._options.classic:
            self._messages.summary(self._repeats.table(), self._repeats.table(self._look))

    # -- stdout and files ------------------------------------------------------------------------

    def _to_stdout(self, result: TestResult) -> None:
        options = self._options
        if options.json:
            write(json_text(result, self._name).encode())
        elif options.csv:
            write((("" if self._titled else header()) + row(result)).encode())
            self._titled = True
        elif options.to_files:
            self._save(result)
        else:
            parts = classic(
                result,
                both=options.both,
                parsable=options.parsable,
                exact=options.classic,
                safe=sys.stdout.isatty(),
            )
            for part in parts:
                write(part)
            self._show_remarks(result)

    def _save(self, result: TestResult) -> None:
        options = self._options
        directory = Path(options.output_dir or ".")
        for name, content in files(result, both=options.both, parsable=options.parsable):
            if self._write(directory / name, content):
                write(f"{directory / name}\n".encode())

    def _show_remarks(self, result: TestResult) -> None:
        if self._options.parsable and not self._options.classic:
            for _, end in shown_ends(result, self._options.both):
                for remark in remarks_of(end.raw):
                    self._messages.note(remark)

    def _plot(self, result: TestResult) -> None:
        if not self._options.plot:
            return
        chart = chart_of(result)
        if chart is not None:
            path = self._picture(result.number)
            picture = svg if path.suffix.lower() == ".svg" else png
            self._write(path, picture(draw(chart)))
        elif result.failure is None:
            self._messages.note("--plot: the results have nothing to draw; -i asks for intervals")

    def _write(self, path: Path, content: bytes) -> bool:
        """One file; another test may find more room."""
        failure = write_whole(path, content)
        if failure is not None:
            self._unwritten.append(failure)
        return failure is None

    def _picture(self, number: int) -> Path:
        """The file of a test; of repeated ones each has its own, with its number."""
        path = Path(self._options.plot)
        return path if self._options.count == 1 else path.with_stem(f"{path.stem}-{number}")

    # -- stderr ----------------------------------------------------------------------------------

    def _tell(self, result: TestResult) -> None:
        failure = result.failure
        shown = "" if self._options.classic else summary_text(result, self._look)
        if failure is None:
            self._messages.summary(summary_text(result), shown)
            return
        if result.summary:  # no result, but more than nothing
            self._messages.show(shown)
        self._messages.failure(failure)
