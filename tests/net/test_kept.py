"""What is kept of an output that is too long."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.net.kept import Kept, shortened

SETTINGS = settings(max_examples=100, deadline=None, derandomize=True)


class KeptTests(SynchronousTestCase):
    def test_short(self) -> None:
        """Up to the bound nothing is touched."""
        kept = Kept(10)
        for octets in (b"01234", b"", b"56789"):
            kept.add(octets)
        self.assertEqual(kept.octets, b"0123456789")

    def test_beginning_and_end(self) -> None:
        """Whole lines of both, and a line between them."""
        kept = Kept(100)
        for number in range(10_000):
            kept.add(b"line %d\n" % number)
        lines = kept.octets.decode().splitlines()
        self.assertEqual((lines[0], lines[-1]), ("line 0", "line 9999"))
        cut = lines.index("bwctl: output cut here: more than 100 octets")
        self.assertEqual(lines[cut - 1], f"line {cut - 1}")
        self.assertEqual(lines[cut + 1], f"line {9999 - (len(lines) - cut - 2)}")

    def test_shorter_again(self) -> None:
        """Cut again there is one line about it, not two."""
        text = b"".join(b"line %d\n" % number for number in range(1000))
        twice = shortened(shortened(text, 400, 400), 300, 400)
        self.assertEqual(twice.count(b"bwctl: output cut here: more than 400 octets\n"), 1)
        self.assertTrue(twice.startswith(b"line 0\n") and twice.endswith(b"line 999\n"))

    @SETTINGS
    @given(st.lists(st.binary(max_size=60)), st.integers(0, 120))
    def test_bounds(self, parts: list[bytes], most: int) -> None:
        """However it comes in, the same is kept, never more than the bound."""
        whole = b"".join(parts)
        kept = Kept(most)
        for part in parts:
            kept.add(part)
        self.assertLessEqual(len(kept.octets), most)
        self.assertEqual(kept.octets, shortened(whole, most, most))
