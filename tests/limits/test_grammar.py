"""Tests of the line grammar that the configuration and limits files share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import ConfigurationError
from bwctl.limits.grammar import (
    Findings,
    hint,
    logical_lines,
    scaled_integer,
    shown,
    words,
)
from tests.limits import QUIET


def read(text: str) -> list[tuple[int, str]]:
    findings = Findings("f")
    lines = [(line.number, line.text) for line in logical_lines(text, findings)]
    findings.finish()
    return lines


class LogicalLineTests(SynchronousTestCase):
    """Joining, comments and line numbers (daemon.md 1.2)."""

    def test_lines(self) -> None:
        """Comments and blank lines go, white space around a line too, continued lines join."""
        table = [
            ("", []),
            ("a", [(1, "a")]),
            (" \t a b \r\n\nc", [(1, "a b"), (3, "c")]),
            ("# c\n  # c\na", [(3, "a")]),
            ("# not continued \\\na", [(2, "a")]),
            ("a \\\n  b\\\nc\nd", [(1, "a   bc"), (4, "d")]),
            ("a \\\r\nb", [(1, "a b")]),
            ("a \\\n# b", [(1, "a # b")]),
            ("\\\n\\\na", [(3, "a")]),
            ("  \\\n # c\na", [(3, "a")]),
            ("a\\\n", [(1, "a")]),
            ("a\x0bb\x0c", [(1, "a\x0bb")]),
            ("a\u2028b\x1cc\n", [(1, "a\u2028b\x1cc")]),
        ]
        for text, expected in table:
            self.assertEqual(read(text), expected, repr(text))

    def test_stray_backslashes(self) -> None:
        """A backslash that does not join lines is an error in its own line."""
        for text, line in [("a\\b", 1), ("x\na \\\nb\\ \nc", 3), ("a\\\\\nb", 1), ("x\na\\", 2)]:
            error = self.assertRaises(ConfigurationError, read, text)
            self.assertEqual([problem.line for problem in error.problems], [line], repr(text))

    def test_each_word_knows_its_line(self) -> None:
        """A problem in a continued line is reported where the word stands."""
        (line,) = logical_lines("\nlimit a \\\n  b, \\\n\\\n c\n", Findings("f"))
        places = [line.number_at(line.text.index(word)) for word in ("limit", "a", "b", "c")]
        self.assertEqual(places, [2, 2, 3, 5])

    @QUIET
    @given(st.text(alphabet=" \\\n#ab\r\t\x00"))
    def test_any_text(self, text: str) -> None:
        """Every text gives lines with ascending numbers, or problems with a line of the text."""
        try:
            lines = read(text)
        except ConfigurationError as error:
            self.assertTrue(all(1 <= p.line <= text.count("\n") + 1 for p in error.problems))
        else:
            numbers = [number for number, _ in lines]
            self.assertEqual(numbers, sorted(set(numbers)))


class WordTests(SynchronousTestCase):
    """Words, numbers and hints."""

    def test_words(self) -> None:
        """Blank, tab, CR, VT and FF separate words; Unicode blanks do not."""
        self.assertEqual(words("a \t\r\v\fb\u00a0c"), ["a", "b\u00a0c"])
        self.assertEqual(words("a b  c d", 2), ["a", "b", "c d"])
        self.assertEqual(words(""), [])

    def test_numbers(self) -> None:
        """Suffixes are powers of 1000, of either case."""
        table = {"0": 0, "007": 7, "1k": 1000, "900M": 900_000_000, "2g": 2 * 10**9, "1t": 10**12}
        table |= {"3P": 3 * 10**15, "1e": 10**18, "0z": 0, str(2**64 - 1): 2**64 - 1}
        table["0" * 5000 + "5"] = 5
        for word, value in table.items():
            self.assertEqual(scaled_integer(word), value, word)

    def test_not_numbers(self) -> None:
        """No sign, no fraction, no second suffix, no more than 64 bits."""
        words = ["", "-5", "+5", "1.5", "900mb", "k", "0x1", "1 k", "1z", str(2**64), "9" * 5000]
        for word in [*words, "1\u212a", "\u0661"]:
            self.assertRaises(ValueError, scaled_integer, word)

    def test_hints(self) -> None:
        """The nearest known word is offered; nothing where none is near or there are too many."""
        self.assertEqual(hint("sync_fuz", ["verbose", "sync_fuzz"]), "; did you mean 'sync_fuzz'?")
        self.assertEqual(hint("xyz", ["verbose"]), "")
        self.assertEqual(hint("a" * 100, ["a" * 99]), "")
        self.assertEqual(hint("u1", [f"u{number}" for number in range(5000)]), "")

    def test_shown(self) -> None:
        """Words in messages are printable and short."""
        self.assertEqual(shown("a\udcff\x00"), r"'a\udcff\x00'")
        self.assertLess(len(shown("x" * 9999)), 70)
