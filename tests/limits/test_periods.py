"""Tests of hours and days: how they are written, inherited and checked."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import ConfigurationError
from bwctl.limits.denials import Denial
from bwctl.limits.parser import parse_limits
from bwctl.limits.periods import (
    DAYS,
    MINUTES,
    read_days,
    read_hours,
    write_days,
    write_hours,
)
from bwctl.limits.starts import check_start
from bwctl.limits.written import format_value
from tests.limits import QUIET
from tests.limits.test_policy import denials, facts, last_of

MONDAY = datetime(2026, 11, 23)


def at(day: str, time: str) -> datetime:
    hours, minutes, seconds = (*time.split(":"), "0", "0")[:3]
    return MONDAY + timedelta(
        days=DAYS.index(day), hours=int(hours), minutes=int(minutes), seconds=float(seconds)
    )


class WordTests(SynchronousTestCase):
    def test_written_back(self) -> None:
        """What a file says is written back in one way."""
        table = {
            "22-06": "22-06",
            "22:00-6:00": "22-06",
            "22:30-06:15": "22:30-06:15",
            "0-24": "00-24",
            "8-12+13:30-18": "08-12+13:30-18",
            "13-18+8-12": "08-12+13-18",
            "8-12+12-18": "08-18",
            "20-24": "20-24",
            "20-0": "20-24",
            "20-24+0-2": "20-02",
            "23:59-0": "23:59-24",
            "12-11:59": "12-11:59",
        }
        for word, written in table.items():
            self.assertEqual(write_hours(read_hours(word)), written, word)
        for word, written in {
            "mon-fri": "mon-fri",
            "SAT+Sun": "sat-sun",
            "fri-mon": "fri-mon",
            "mon": "mon",
            "wed+mon": "mon+wed",
            "sat+mon-wed": "mon-wed+sat",
            "mon-sun": "mon-sun",
            "tue-mon": "mon-sun",
            "sun-sun": "sun",
        }.items():
            self.assertEqual(write_days(read_days(word)), written, word)

    def test_refused(self) -> None:
        """What is no list of ranges is an error that says what is wrong."""
        table = [
            ("hours=22", "not a range of hours"),
            ("hours=22-", "not a range of hours"),
            ("hours=22-6h", "not a range of hours"),
            ("hours=22-06+", "not a range of hours"),
            ("hours=22-06-08", "not a range of hours"),
            ("hours=22:5-06", "not a range of hours"),
            ("hours=-6-8", "not a range of hours"),
            ("hours=22-25", "beyond 24:00"),
            ("hours=22-24:01", "beyond 24:00"),
            ("hours=22:60-23", "beyond 24:00"),
            ("hours=8-8", "holds no time"),
            ("hours=24-6", "holds no time"),
            ("hours=0", "not a range of hours"),
            ("days=mon-", "'' is not a day"),
            ("days=monday", "did you mean 'mon'"),
            ("days=mon-fri-sun", "'fri-sun' is not a day"),
            ("days=1-5", "'1' is not a day"),
        ]
        for limit, message in table:
            with self.assertRaises(ConfigurationError) as caught:
                parse_limits(f"limit a with {limit}", "f")
            self.assertIn(message, str(caught.exception), limit)

    @QUIET
    @given(st.sets(st.integers(0, MINUTES - 1), min_size=1))
    def test_any_minutes(self, minutes: set[int]) -> None:
        """Every mask of hours can be written and read again."""
        mask = sum(1 << minute for minute in minutes)
        self.assertEqual(read_hours(write_hours(mask)), mask)

    @QUIET
    @given(st.integers(1, 127))
    def test_any_days(self, mask: int) -> None:
        """Every mask of days can be written and read again."""
        self.assertEqual(read_days(write_days(mask)), mask)

    @QUIET
    @given(st.lists(st.sampled_from(list("0123456789:-+ ")) | st.sampled_from(DAYS)).map("".join))
    def test_any_word(self, word: str) -> None:
        """Any word is a mask or a ValueError."""
        for read in (read_hours, read_days):
            try:
                self.assertGreater(read(word), 0)
            except ValueError:
                continue


class StartTests(SynchronousTestCase):
    BOUNDS = (
        ("hours=22-06", "mon 22:00", "mon 23:59:59", "tue 0:00", "tue 5:59:59.9"),
        ("hours=22:30-06:15", "mon 22:30", "tue 6:14:59"),
        ("hours=8-12+13-18", "mon 8:00", "mon 11:59", "mon 13:00", "mon 17:59"),
        ("hours=0-24", "mon 0:00", "sun 23:59:59"),
        ("days=mon-fri", "mon 0:00", "fri 23:59:59.9"),
        ("days=fri-mon", "fri 0:00", "sun 12:00", "mon 23:59"),
        ("days=sat+wed", "wed 12:00", "sat 12:00"),
        ("hours=22-06, days=mon-fri", "mon 2:00", "fri 22:00"),
    )
    BEYOND = (
        ("hours=22-06", "mon 21:59:59.9", "mon 6:00", "mon 12:00"),
        ("hours=22:30-06:15", "mon 22:29:59", "tue 6:15"),
        ("hours=8-12+13-18", "mon 7:59", "mon 12:00", "mon 12:59:59", "mon 18:00"),
        ("days=mon-fri", "sat 0:00", "sun 23:59:59"),
        ("days=fri-mon", "tue 0:00", "thu 23:59"),
        ("days=sat+wed", "tue 23:59:59", "thu 0:00"),
        ("hours=22-06, days=mon-fri", "sat 2:00", "mon 12:00"),
    )

    def test_bounds(self) -> None:
        """A start within is allowed, the end of a range is not part of it."""
        for limits, *times in self.BOUNDS:
            for time in times:
                local = at(*time.split())
                self.assertEqual(check_start(last_of(limits), local), [], f"{limits} {time}")
        for limits, *times in self.BEYOND:
            for time in times:
                local = at(*time.split())
                for classes in ([limits], [limits, ""], [limits, "duration=5"]):
                    found = check_start(last_of(*classes), local)
                    self.assertEqual(len(found), len(classes), f"{limits} {time}")

    def test_all_that_fail(self) -> None:
        """Hours and days of the class and of all above it are told, with what was asked."""
        found = check_start(last_of("hours=20-06, days=mon-fri", "hours=22-05"), at("sat", "9"))
        self.assertEqual(
            found,
            [
                Denial("c1", "hours", "22-05", "09:00"),
                Denial("c0", "hours", "20-06", "09:00"),
                Denial("c1", "days", "mon-fri", "sat"),
                Denial("c0", "days", "mon-fri", "sat"),
            ],
        )

    def test_dates(self) -> None:
        """The first and the last day belong to the time in between."""
        inside = last_of("first_day=2026-11-23, last_day=2026-11-24")
        for day, time, limits in (
            ("mon", "0:00:00", []),
            ("tue", "23:59:59.9", []),
            ("wed", "0:00", ["last_day"]),
        ):
            found = check_start(inside, at(day, time))
            self.assertEqual([one.limit for one in found], limits, (day, time))
        sunday = MONDAY - timedelta(microseconds=1)
        self.assertEqual(
            [str(one) for one in check_start(inside, sunday)],
            ["first_day=2026-11-23 of class c0 (asked: 2026-11-22)"],
        )

    def test_with_the_others(self) -> None:
        """A request that fails by its time and by others is told all of it."""
        asked = facts(duration=9, local_start=at("sat", "9"))
        self.assertEqual(
            denials(asked, "duration=5, hours=22-06"), [("c0", "duration"), ("c0", "hours")]
        )

    def test_wider(self) -> None:
        """A child may narrow hours and days; of what is wider, what both allow holds."""
        for parent, child, held in [
            ("hours=22-06", "hours=23-05", ""),
            ("hours=22-06", "hours=22-06", ""),
            ("hours=22-06", "hours=22-06:01", "hours=22-06"),
            ("hours=22-06", "hours=0-24", "hours=22-06"),
            ("hours=8-12+14-18", "hours=9-10+15-16", ""),
            ("hours=8-12+14-18", "hours=9-15", "hours=09-12+14-15"),
            ("duration=5", "hours=9-15", ""),
            ("days=mon-fri", "days=tue", ""),
            ("days=mon-fri", "days=fri-sat", "days=fri"),
            ("days=mon-fri", "days=mon-sun", "days=mon-fri"),
        ]:
            text = f"limit a with {parent}\nlimit b with parent=a, {child}\nassign default b"
            limits, found = parse_limits(text, "f")
            self.assertEqual(len(found), bool(held), f"{parent} {child}")
            if held:
                self.assertIn(f"; {held} holds", found[0].message)
                name = held.partition("=")[0]
                value = format_value(name, getattr(limits.default, name))
                self.assertEqual(f"{name}={value}", held)
                self.assertEqual(last_of(parent, child, strict=False).widened, {name})

    def test_widened(self) -> None:
        """With strict_limits off the child's own hours hold."""
        wide = last_of("hours=22-06", "hours=0-24", strict=False)
        self.assertEqual(check_start(wide, at("mon", "12")), [])
