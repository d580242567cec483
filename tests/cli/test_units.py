"""Readers of option values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli import units


class ReaderTests(SynchronousTestCase):
    """All readers."""

    def check(self, read: Callable[[str], Any], good: dict[str, Any], bad: str) -> None:
        """Good texts give values; bad ones, separated by |, a ValueError."""
        for text, value in good.items():
            self.assertEqual(read(text), value, text)
        for text in bad.split("|"):
            with self.assertRaises(ValueError, msg=text):
                read(text)

    def test_whole(self) -> None:
        """Decimal digits only, in the range."""
        read = units.whole("x", 2, 20)
        self.check(read, {"2": 2, "20": 20, "007": 7}, "1|21|-2|+2| 2|2 |2.0|0x2|2k||" + "9" * 30)

    def test_powers_of_1000(self) -> None:
        """Rates have suffixes of 1000."""
        good = {"0": 0, "100": 100, "10k": 10_000, "1M": 10**6, "2g": 2 * 10**9, "3t": 3 * 10**12}
        read = units.suffixed("x", units.RATE, 0, units.U64)
        self.check(read, good, "10x|1.5m|-1|+1|m||1 m|1mm|100e|1z")
        self.assertEqual(read("18446744073709551615"), units.U64)

    def test_fractions(self) -> None:
        """A fraction is refused, with the whole number that says the same."""
        for step, text, end in (
            (units.RATE, "1.5g", "after it: 1500m"),
            (units.RATE, ".5K", "after it: 500"),
            (units.SIZE, "1.5m", "after it: 1536k"),
            (units.RATE, "1.0005k", "after it"),
            (units.RATE, "1.5", "after it"),
        ):
            error = self.assertRaises(ValueError, units.suffixed("x", step, 0, units.U64), text)
            self.assertTrue(str(error).endswith(end), str(error))

    def test_powers_of_1024(self) -> None:
        """Sizes have suffixes of 1024."""
        read = units.suffixed("x", units.SIZE, 1, units.U32)
        self.check(read, {"1": 1, "8k": 8192, "2M": 2 << 20, "3G": 3 << 30}, "0|4g|4294967296|1t")

    def test_milliseconds(self) -> None:
        """Seconds with a fraction become milliseconds; a time that would become 0 is refused."""
        good = {"0": 0, "1": 1000, "0.5": 500, ".25": 250, "2.": 2000, "0.001": 1}
        self.check(units.milliseconds("x", 100), good, "0.0009|-1|100.1|1s|nan|inf|1e1||.")

    def test_character(self) -> None:
        """Exactly one printable character."""
        self.check(units.character("x"), {"c": "c", "~": "~"}, "|cc| |\t|\x7f|\xe4")
        self.check(units.character("x", "bB"), {"b": "b", "B": "B"}, "c|bB")

    def test_tos(self) -> None:
        """TOS is even, of 8 bits, in the base that its prefix says."""
        self.check(units.tos, {"0": 0, "254": 254, "0xb8": 184, "0XB8": 184, "010": 8}, "1|255|256")
        self.check(units.tos, {}, "-2|0x|08|ef|0x1|")

    def test_dscp_numbers(self) -> None:
        """A DSCP number has 6 bits and is shifted."""
        self.check(units.dscp, {"0": 0, "63": 252, "0x2e": 184, "056": 184}, "64|-1|0x40|1.0|")

    def test_dscp_names(self) -> None:
        """A DSCP name is read in any letter case, with blanks around it."""
        good = {"EF": 0xB8, "ef": 0xB8, " none ": 0, "Default": 0, "df": 0, "cs0": 0, "CS7": 0xE0}
        good |= {"AF11": 0x28, "af11": 0x28, "af43": 0x98, "aF23": 0x58}
        self.check(units.dscp, good, "cs8|af10|af14|af51|af1|eff")

    def test_schedule(self) -> None:
        """A list of times of day is sorted, without repetition."""
        read = units.schedule
        self.assertEqual(read("12:30,6"), (time(6), time(12, 30)))
        self.assertEqual(read("23:59:59"), (time(23, 59, 59),))
        self.assertEqual(read("6,06:00"), (time(6),))
        hours = tuple(time(hour, 15) for hour in range(24))
        self.assertEqual(read("*:15"), hours)
        self.assertEqual(read("*:15,3:15,0"), (time(0), *hours))

    def test_bad_schedule(self) -> None:
        """A bad item is named."""
        for text in (
            "24",
            "1:60",
            "1:2:60",
            "1:2:3:4",
            "*",
            "*:60",
            "*:1:2",
            "a",
            "-1",
            "+1",
            "001",
        ):
            error = self.assertRaises(ValueError, units.schedule, f"6,{text}")
            self.assertEqual(str(error), f"{text!r} is not HH, HH:MM, HH:MM:SS or *:MM")
        self.assertRaises(ValueError, units.schedule, "")
        self.assertRaises(ValueError, units.schedule, "6,")
