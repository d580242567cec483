"""What a user gets of real tests: rows, frames, charts, tables, and what a terminal shows."""

from __future__ import annotations

import csv
import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.exits import ExitStatus
from bwctl.render.layout import HEIGHT, WIDTH, Ink
from tests.support.daemons import Daemon, Ran, client_ours, running, start_ours, until
from tests.support.faulty import Faulty
from tests.support.pictures import read_png, read_svg
from tests.support.terminal import on_terminal, without_ours
from tests.support.testers import need

ONE, TWO = "127.0.0.110", "127.0.0.111"
EVIL = r"printf '\033[2J\033]0;owned\007\233\342\200\256 from %s\n' \"$0\""


class ResultsTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir(parents=True)

    @contextmanager
    def pair(self, options: str = "") -> Iterator[tuple[str, ...]]:
        """Two daemons; the words that name them."""
        with running(start_ours(ONE, options), start_ours(TWO, options)) as (one, two):
            self.daemons: tuple[Daemon, Daemon] = (one, two)
            yield ("-a", "0.1", "-c", one.node, "-s", two.node, "-T", "thrulay")

    def bwctl(self, *words: str, status: int = 0) -> Ran:
        ran = client_ours(*words).wait(60)
        self.assertEqual(ran.status, status, ran.report)
        return ran


class FormatTests(ResultsTestCase):
    def test_csv_and_table(self) -> None:
        """Two tests: a header and two rows on stdout, a table at the end of stderr."""
        with self.pair() as ends:
            ran = self.bwctl(*ends, "-t", "1", "-n", "2", "--csv")
        rows = list(csv.DictReader(ran.stdout.splitlines()))
        self.assertEqual(ran.stdout.count("\n"), 3)
        self.assertEqual([row["test_number"] for row in rows], ["1", "2"])
        for row in rows:
            self.assertEqual((row["status"], row["tool"], row["receiver"]), ("ok", "thrulay", ONE))
            self.assertGreater(float(row["bits_per_second"]), 1e6)
            self.assertGreater(int(row["bytes"]), 1e5)
            self.assertGreaterEqual(row["actual_start"], row["start"][:10])
        lines = ran.stderr.splitlines()
        self.assertIn("2 tests", lines)
        table = lines[lines.index("2 tests") + 1 :]
        self.assertEqual(table[0].split(), ["min", "median", "max"])
        self.assertRegex(table[1], r"^  received +[0-9.]+ .bit/s +[0-9.]+ .bit/s +[0-9.]+ .bit/s$")

    def test_csv_of_a_failure(self) -> None:
        """A test that came to nothing has its row; the reason is on stderr too."""
        ran = self.bwctl("-c", f"{ONE}:9", "--csv", status=int(ExitStatus.REFUSED))
        [row] = csv.DictReader(ran.stdout.splitlines())
        self.assertEqual((row["status"], row["error_code"]), ("failed", "refused"))
        self.assertIn(row["error"], ran.stderr)

    def test_classic(self) -> None:
        """stdout is what C's client prints: frame and output, octet for octet, and no more."""
        with self.pair() as ends:
            ours = self.bwctl(*ends, "-t", "1")
            exact = self.bwctl(*ends, "-t", "1", "--classic", "-x")
        for ran, lines_for_programs in ((ours, 0), (exact, 2)):
            self.assertEqual(ran.stdout.count("\n#json {"), lines_for_programs, ran.report)
        frame = r"\A\nRECEIVER START\n(.*)\n\nRECEIVER END\n\nSENDER START\n(.*)\n\nSENDER END\n\Z"
        found = re.search(frame, exact.stdout, re.DOTALL)
        assert found is not None, exact.report
        for output in found.groups():
            self.assertEqual(json.loads(output.splitlines()[-1][6:])["schema"], "thrulay/1")
        self.assertIn("  received  ", ours.stderr)
        self.assertNotIn("received", exact.stderr)
        self.assertEqual(ours.stderr.count("test 1, "), 1)
        self.assertNotIn("test 1, ", exact.stderr)

    def test_quiet(self) -> None:
        """With -q stderr is empty, however many tests there are."""
        with self.pair() as ends:
            ran = self.bwctl(*ends, "-t", "1", "-n", "2", "-q")
        self.assertEqual(ran.stderr, "")
        self.assertEqual(ran.stdout.count("SENDER END"), 2)

    def test_exact_figures(self) -> None:
        """--json has the octets that iperf3 counted, when both testers ran, and at both ends."""
        need("iperf3")
        with self.pair() as ends:
            ran = self.bwctl(*ends, "-T", "iperf3", "-t", "2", "--json")
        result = json.loads(ran.stdout)
        own = json.loads(re.search(r"^\{.*^\}", result["receiver"]["raw"], re.M | re.S)[0])  # type: ignore[index]
        received = own["end"]["sum_received"]
        self.assertEqual(result["summary"]["bytes"], received["bytes"])
        rate = received["bytes"] * 8 / received["seconds"]
        self.assertAlmostEqual(result["summary"]["bits_per_second"] / rate, 1.0)
        self.assertEqual(result["intervals_side"], "receiver")
        self.assertEqual(len(result["intervals"]), 2)
        self.assertIn("cwnd_bytes", result["intervals"][0])
        self.assertIn("retransmits", result["intervals"][0])
        schedule = result["schedule"]
        late = (schedule["actual_start_ntp"] - schedule["start_ntp"]) / 2**32
        self.assertTrue(-0.5 < late < 5, schedule)
        for side in ("receiver", "sender"):
            end = result[side]
            ran_for = (end["tester_ended_ntp"] - end["tester_started_ntp"]) / 2**32
            self.assertGreater(ran_for, 1.9)
            self.assertIn("error_seconds", end["clock"])


class PlotTests(ResultsTestCase):
    def test_files(self) -> None:
        """Real charts of a real test: PNG and SVG, one file for each of several tests."""
        with self.pair() as ends:
            self.bwctl(*ends, "-t", "1", "--plot", str(self.place / "a.svg"))
            self.bwctl(*ends, "-t", "1", "-n", "2", "--plot", str(self.place / "b.png"), "--json")
        names = sorted(path.name for path in self.place.iterdir())
        self.assertEqual(names, ["a.svg", "b-1.png", "b-2.png"])
        texts, lines = read_svg((self.place / "a.svg").read_bytes())
        self.assertIn(f"thrulay TCP, 1 s, {TWO} -> {ONE}", texts)
        self.assertTrue({"received", "sent", "time, s"} <= set(texts), texts)
        self.assertGreaterEqual(max(len(line) for line in lines), 3)
        for name in names[1:]:
            picture = read_png((self.place / name).read_bytes())
            self.assertEqual((picture.width, picture.height), (WIDTH, HEIGHT))
            for ink in Ink:
                self.assertGreater(picture.colours()[ink.value], 50, ink)

    def test_no_place(self) -> None:
        """A directory that is not there is told before a test is made for nothing."""
        for name in (self.place / "none" / "a.png", self.place / "is.png"):
            (self.place / "is.png").mkdir(exist_ok=True)
            ran = self.bwctl("-c", f"{ONE}:9", "--plot", str(name), status=int(ExitStatus.USAGE))
            self.assertIn(f"--plot {name}: ", ran.stderr)

    def test_nothing_to_draw(self) -> None:
        """A test without intervals is told so; that is no failure."""
        need("nuttcp")
        with self.pair() as ends:
            words = ("-T", "nuttcp", "-t", "1", "-i", "5", "--plot", str(self.place / "a.png"))
            ran = self.bwctl(*ends, *words)
        self.assertEqual(list(self.place.iterdir()), [])
        self.assertIn("nothing to draw", ran.stderr)


class InterruptTests(ResultsTestCase):
    def test_table(self) -> None:
        """Ctrl-C in the second of many tests: the table of the one that is over, then the word."""
        with self.pair() as ends:
            client = client_ours(*ends, "-t", "1", "-n", "9", "-I", "20", "-R", "0")
            stderr = client.process.stderr
            assert stderr is not None
            while b"next test in" not in (line := stderr.readline()):
                self.assertTrue(line)
            time.sleep(0.2)
            ran = client.end(signal.SIGINT)
            self.assertEqual(ran.status, ExitStatus.INTERRUPTED, ran.report)
            lines = ran.stderr.splitlines()
            self.assertEqual(lines[0], "1 test", ran.report)
            self.assertEqual(lines[1].split(), ["min", "median", "max"])
            self.assertTrue(lines[-1].startswith("bwctl: interrupted"), ran.report)

    def test_one_test_has_no_table(self) -> None:
        """A test that was to be the only one is not summed up."""
        with self.pair() as ends:
            client = client_ours(*ends, "-t", "20")
            self.assertTrue(until(self.daemons[1].testers, 20))
            time.sleep(1.0)
            ran = client.end(signal.SIGINT)
        self.assertEqual(ran.status, ExitStatus.INTERRUPTED, ran.report)
        self.assertNotIn("median", ran.stderr)


class TerminalTests(ResultsTestCase):
    def run_there(self, *words: str, **environment: str) -> str:
        status, text = on_terminal(*words, environment=environment)
        self.assertEqual(status, 0, text)
        return text

    def test_progress_and_summary(self) -> None:
        """When the test starts and a countdown, a bar, colours and blocks; plain where asked."""
        with self.pair() as ends:
            rich = self.run_there(*ends, "-t", "2", "-i", "0.25")
            plain = self.run_there(*ends, "-t", "1", "-i", "0.25", NO_COLOR="1", LANG="C")
            quiet = self.run_there(*ends, "-t", "1", "-q")
        at = r"waiting for the time slot, \d+ s \(the test starts at \d\d:\d\d:\d\d\)"
        for text in (rich, plain):
            self.assertRegex(text, at)
            self.assertRegex(text, r"\[#+\.*\] +\d+ %, \d+ s of \d s")
        self.assertRegex(rich, r"  received  \x1b\[1m[0-9.]+ .bit/s, [0-9.]+ .B\x1b\[0m\r\n")
        self.assertRegex(rich, r"  rate      [▁▂▃▄▅▆▇█]{5,9}  .* each 0\.\d+ s\r\n")
        self.assertRegex(plain, r"  received  [0-9.]+ .bit/s, [0-9.]+ .B\r\n")
        self.assertRegex(plain, r"  rate      [.:\-=+*%#]{2,5}  ")
        self.assertNotRegex(plain, r"\x1b\[[0-9]+m")
        self.assertTrue(quiet.startswith("\r\nSENDER START\r\n"), quiet)
        self.assertTrue(quiet.endswith("\r\nSENDER END\r\n"), quiet)
        for text in (rich, plain, quiet):
            self.assertTrue(without_ours(text).isprintable(), text)

    def test_hostile_tester(self) -> None:
        """What a tester writes to steer the screen is shown, whether its test fails or not."""
        need("iperf3")
        program = Faulty("iperf3")
        self.addCleanup(program.remove)
        with self.pair(program.option) as ends:
            works, fails = f'{EVIL}; exec {{tool}} "$@"', f"{EVIL} >&2; exit 3"
            for body, expected, words in (
                (works, 0, ("-x", "-v")),
                (works, 0, ("-x", "--parsable")),
                (works, 0, ("-x", "--classic")),
                (fails, 1, ("-x",)),
            ):
                program.does(body)
                status, text = on_terminal(*ends, "-T", "iperf3", "-t", "1", *words)
                self.assertEqual(status, expected, text)
                self.assertTrue(without_ours(text).isprintable(), repr(text))
                self.assertIn("\\x1b[2J", text)
