"""When lines are written: those of one turn of the reactor together, grave ones at once."""

from __future__ import annotations

import sys
import threading

from twisted.internet.task import Clock
from twisted.logger import Logger

from bwctl.daemon import log as log_module
from bwctl.daemon.config import Settings
from bwctl.daemon.log import DaemonLog
from bwctl.daemon.log_observer import MOST_GATHERED
from bwctl.daemon.log_sinks import FileSink
from tests.daemon.test_log import Kept, LogTestCase, event


class TurnTests(LogTestCase):
    """A log that has begun, under a reactor that turns when it is told to."""

    def setUp(self) -> None:
        self.reactor = Clock()
        self.log, self.kept = self.log_with(priority="info")
        self.daemon_log.begin(self.reactor)
        self.addCleanup(self.daemon_log.end)

    def words(self, kept: Kept) -> list[str]:
        """The last word of each line."""
        return [line.split()[-1] for _, line in kept.taken]

    def tell(self, *words: str) -> None:
        for word in words:
            self.log.info("{word}", word=word, event="a.b")

    def test_one_write(self) -> None:
        """Nothing before the turn ends, then all at once; so for each turn."""
        for turn in (1, 2):
            self.kept.taken.clear()
            self.tell("one", "two", "three")
            self.assertEqual(self.kept.writes, turn - 1)
            self.reactor.advance(0)
            self.assertEqual(self.kept.writes, turn)
            self.assertEqual(self.words(self.kept), ["one", "two", "three"])
        self.reactor.advance(10)
        self.assertEqual(self.kept.writes, 2)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_time(self) -> None:
        """A line tells when it was told, not when it was written."""
        self.daemon_log.observer(event(log_format="x", event="a.b"))
        self.reactor.advance(1)
        self.assertEqual(self.kept.taken, [(6, "1970-01-01T00:00:00.000Z info a.b x")])

    def test_grave(self) -> None:
        """A warning does not wait, and what was told before it comes first."""
        self.tell("one")
        self.log.warn("careful", event="a.b")
        self.assertEqual(self.words(self.kept), ["one", "careful"])
        self.tell("two")
        self.assertEqual(len(self.kept.taken), 2)
        self.reactor.advance(0)
        self.assertEqual(self.words(self.kept), ["one", "careful", "two"])

    def test_levels(self) -> None:
        """Each line keeps its own."""
        self.tell("one")
        self.log.error("two", event="a.b")
        self.assertEqual([severity for severity, _ in self.kept.taken], [6, 3])

    def test_thread(self) -> None:
        """Only the reactor's thread may ask it for a turn: others write at once."""
        self.tell("one")
        thread = threading.Thread(target=self.tell, args=("two",))
        thread.start()
        thread.join()
        self.assertEqual(self.words(self.kept), ["one", "two"])

    def test_threads(self) -> None:
        """With many that write at once no line is lost, written twice or out of its order."""
        interval = sys.getswitchinterval()
        self.addCleanup(sys.setswitchinterval, interval)
        sys.setswitchinterval(1e-6)
        said = [[f"{number}.{count}" for count in range(200)] for number in range(4)]
        threads = [threading.Thread(target=self.tell, args=words) for words in said[1:]]
        for thread in threads:
            thread.start()
        for word in said[0]:
            self.tell(word)
            self.reactor.advance(0)
        for thread in threads:
            thread.join()
        self.reactor.advance(0)
        written = self.words(self.kept)
        self.assertEqual(sorted(written), sorted(sum(said, [])))
        for words in said:
            self.assertEqual([word for word in written if word in words], words)

    def test_told_while_lines_are_made(self) -> None:
        """What the values of an event tell in their turn, even something grave, follows."""

        class Talker:
            def __str__(talker) -> str:
                self.log.error("careful", event="a.b")
                return "talking"

        self.tell("one")
        self.log.info("{who}", who=Talker(), event="a.b")
        self.tell("two")
        self.reactor.advance(0)
        self.assertEqual(self.words(self.kept), ["one", "talking", "two", "careful"])

    def test_impossible(self) -> None:
        """An event of which no line can be made is told of, and costs no other its line."""
        for format_ in ("text", "json"):
            self.daemon_log.reload(Settings(priority="info", log_format=format_))
            self.kept.taken.clear()
            self.tell("one")
            self.log.info(["no", "text"], event="a.b")  # type: ignore[arg-type]
            self.log.info("x", start=10**30, event="a.b")
            self.tell("two")
            self.reactor.advance(0)
            self.assertEqual(len(self.kept.taken), 4)
            self.assertIn("one", self.kept.taken[0][1])
            self.assertIn("two", self.kept.taken[3][1])
            severity, line = self.kept.taken[2]
            self.assertEqual(severity, 6)
            self.assertIn("log.unwritten", line)
            self.assertIn("an event of bwctl.net cannot be written: OverflowError", line)

    def test_lost_lines(self) -> None:
        """That lines were lost is told in a line like any other."""
        path = self.mktemp()
        for format_, has in (
            ("text", r"Z warning log\.lost 3 log lines were lost: .*No space"),
            ("json", r'^{"time": .* "event": "log\.lost", .* "count": 3, "why": ".*No space'),
        ):
            sink = FileSink("/dev/full")
            self.patch(log_module, "choose_sink", lambda *_, sink=sink: sink)
            settings = Settings(priority="info", log_format=format_)
            log = Logger("bwctl.net", observer=DaemonLog(settings, {"nodaemon": True}).observer)
            for _ in range(3):
                log.info("x", event="a.b")
            sink.path = path
            sink.reopen()
            log.info("y", event="a.b")
            with open(path, encoding="utf-8") as file:
                *_, lost, last = file
            self.assertRegex(lost, has)
            self.assertIn("y", last)

    def test_location(self) -> None:
        """The place is where it was told, not where the line was made."""
        self.daemon_log.reload(Settings(priority="info", log_location=True))
        self.kept.taken.clear()
        self.tell("one")
        self.reactor.advance(0)
        self.assertIn(" tests/daemon/test_log_observer.py:", self.kept.taken[0][1])

    def test_bounded(self) -> None:
        """A turn that tells very much writes in between."""
        self.tell(*map(str, range(MOST_GATHERED + 1)))
        self.assertEqual(len(self.kept.taken), MOST_GATHERED)
        self.reactor.advance(0)
        self.assertEqual(len(self.kept.taken), MOST_GATHERED + 1)

    def test_end(self) -> None:
        """Nothing is lost, nothing waits any more, and the sink is closed after the last line."""
        self.tell("one")
        before = []
        self.patch(self.kept, "close", lambda: before.extend(self.words(self.kept)))
        self.daemon_log.end()
        self.assertEqual(before, ["one"])
        self.assertEqual(self.words(self.kept), ["one"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.tell("two")
        self.assertEqual(self.words(self.kept), ["one", "two"])

    def test_reload(self) -> None:
        """What was told before goes to the old file, as it was to be written then."""
        self.tell("one")
        before = []
        self.patch(self.kept, "reopen", lambda: before.extend(self.words(self.kept)))
        self.daemon_log.reload(Settings(priority="info", log_format="json"))
        self.assertEqual(before, ["one"])
        self.tell("two")
        self.reactor.advance(0)
        self.assertTrue(self.kept.taken[-1][1].startswith("{"))
