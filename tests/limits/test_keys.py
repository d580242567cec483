"""Tests of the key file. The keys are published test keys (daemon.md 3.2)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import ConfigurationError
from bwctl.limits.keys import (
    Key,
    KeyRing,
    check_mode,
    edit_keys,
    format_keys,
    identity_field,
    key_from_passphrase,
    key_line,
    parse_keys,
)
from tests.limits import QUIET

HORSE = "88e4ddd2402d92d50e1879d6ecd9ffd4"
X = "9dd4e461268c8034f5c8564e155c67a6"
HORSE_KEY = Key(bytes.fromhex(HORSE))
X_KEY = Key(bytes.fromhex(X))


def problems(text: str) -> list[tuple[int, str]]:
    try:
        parse_keys(text, "keys")
    except ConfigurationError as error:
        return [(problem.line, problem.message) for problem in error.problems]
    return []


class KeyTests(SynchronousTestCase):
    """Keys and pass phrases."""

    def test_phrases(self) -> None:
        """The key of a pass phrase is the MD5 of its octets, as aespasswd writes it."""
        table = {
            "correct horse battery": HORSE,
            "changed": "8977dfac2f8e04cb96e66882235f5aba",
            "x": X,
            "p\u00e4ssw\u00f6rd": "12841e4ba5e37d2fbfc78458c6714ade",
            "piped": "b0db37d0222e9877bffb99457e2f458b",
        }
        for phrase, expected in table.items():
            self.assertEqual(key_from_passphrase(phrase).hex(), expected, phrase)
            self.assertEqual(key_from_passphrase(phrase.encode()).hex(), expected, phrase)

    def test_keys_hide_themselves(self) -> None:
        """A key does not show up in messages, nor through what holds it."""
        ring = KeyRing({"joe": X_KEY})
        for text in (repr(X_KEY), str(X_KEY), f"{X_KEY}", f"{[X_KEY]!r}", repr(ring), str(ring)):
            self.assertNotIn("\\x", text)
            self.assertNotIn(X, text)

    def test_size(self) -> None:
        """A key has 16 octets, and is equal to its octets."""
        for size in (0, 15, 17):
            self.assertRaises(ValueError, Key, bytes(size))
        self.assertEqual(X_KEY, bytes.fromhex(X))


class KeyRingTests(SynchronousTestCase):
    """Look-up by identity."""

    def test_find(self) -> None:
        """An identity is found as a whole, and nothing else is."""
        ring = KeyRing({"joe": X_KEY, "a" * 16: HORSE_KEY})
        self.assertEqual(ring.find("joe"), X_KEY)
        self.assertEqual(ring.find("a" * 16), HORSE_KEY)
        for identity in ("jo", "joe\0x", "joe\0", "joey", "", "\0" * 16, "a" * 17, "a" * 15):
            self.assertIsNone(ring.find(identity), identity)

    def test_mapping(self) -> None:
        """A key ring is a mapping from identity to key."""
        ring = KeyRing({"joe": X_KEY})
        self.assertEqual((ring["joe"], list(ring), len(ring)), (X_KEY, ["joe"], 1))
        for stranger in ("jo", "", "x" * 99, "joe\0", "\ud800"):
            self.assertNotIn(stranger, ring)
        self.assertEqual(len(KeyRing()), 0)

    def test_identities(self) -> None:
        """An identity has 1 to 16 octets of UTF-8 without white space."""
        self.assertEqual(identity_field("p\u00e4r"), b"p\xc3\xa4r" + bytes(12))
        self.assertEqual(identity_field("\udcff"), b"\xff" + bytes(15))
        for identity in ("", "x" * 17, "\u00e4" * 9, "a b", "a\tb", "a\0", "#a", "\ud800"):
            self.assertRaises(ValueError, identity_field, identity)


class KeyFileTests(SynchronousTestCase):
    """The file: daemon.md 3.1 and measurement M10."""

    def test_accepted(self) -> None:
        """Lines that C reads are read; what made it drop keys without a word is mended."""
        table = [
            "",
            f"joe\t{X}\n",
            f"joe  \t {X}",
            f"joe {X}\r\njim {HORSE}\r\n",
            f"joe {X.upper()}",
            f"joe {X} # comment",
            f"joe {X}#comment",
            f"joe {X} \t",
            f"# c\n\n \n  # indented\njoe {X}",
            f"joe#1 {X}",
            f"{'a' * 16} {X}",
        ]
        for text in table:
            self.assertEqual(len(parse_keys(text, "f")), text.lower().count(X) + text.count(HORSE))

    def test_refused(self) -> None:
        """Every error is fatal and has its line; no message shows a key."""
        table = [
            (f"joe {X}\njoe {HORSE}", 2, "joe"),
            (f"joe {X[:-1]}", 1, "31 characters"),
            (f"joe {X}0", 1, "33 characters"),
            (f"joe {'g' * 32}", 1, "hexadecimal"),
            (f"joe {X} more", 1, "after the key"),
            (f"joe doe\t{X}", 1, "two words before the key"),
            (f"{'a' * 17} {X}", 1, "17 octets"),
            (f"{X} joe", 1, "32 octets"),
            ("joe", 1, "no key"),
            ("joe # comment", 1, "no key"),
            (f" joe {X}", 1, "white space"),
            (f"a {X}\n\tjoe {X}", 2, "white space"),
            (f"a\0 {X}", 1, "control"),
            (f"joe \\\n{X}", 1, "1 characters"),
        ]
        for text, line, message in table:
            found = problems(text)
            self.assertEqual(found[0][0], line, repr(text))
            self.assertIn(message, found[0][1], repr(text))
            self.assertFalse([one for one in found if X[4:9] in one[1] or HORSE[4:9] in one[1]])

    def test_all_at_once(self) -> None:
        """All problems of a file are reported together."""
        self.assertEqual(
            [line for line, _ in problems(f"joe\n joe {X}\njim {X}\n{X}\n")], [1, 2, 4]
        )

    @QUIET
    @given(st.text(alphabet=st.sampled_from("jo# \t\r\n\0af0\\\u00e4") | st.characters()))
    def test_any_text(self, text: str) -> None:
        """Any text is a key file or a ConfigurationError."""
        problems(text)

    @QUIET
    @given(
        st.dictionaries(
            st.text(
                st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]),
                min_size=1,
                max_size=4,
            ).filter(lambda name: not name.startswith("#")),
            st.binary(min_size=16, max_size=16).map(Key),
        )
    )
    def test_what_is_written_is_read(self, keys: dict[str, Key]) -> None:
        """A written key file reads back."""
        self.assertEqual(dict(parse_keys(format_keys(keys), "f")), keys)


class EditTests(SynchronousTestCase):
    """One entry of a key file."""

    TEXT = f"# ours\njoe {X} # old\njo\t{X}"

    def test_replaced_in_place(self) -> None:
        """A new key takes the old one's line; a name that begins alike is another one."""
        text = edit_keys(self.TEXT, "f", "joe", HORSE_KEY)
        self.assertEqual(text, f"# ours\njoe\t{HORSE}\njo\t{X}\n")

    def test_added_and_removed(self) -> None:
        """A new entry goes to the end; a removed one leaves the rest as it was."""
        self.assertEqual(edit_keys("", "f", "jim", X_KEY), key_line("jim", X_KEY))
        added = edit_keys(self.TEXT, "f", "jim", HORSE_KEY)
        self.assertEqual(added, f"{self.TEXT}\njim\t{HORSE}\n")
        self.assertEqual(edit_keys(added, "f", "jim", None), f"{self.TEXT}\n")
        self.assertEqual(edit_keys(self.TEXT, "f", "none", None), f"{self.TEXT}\n")

    def test_refused(self) -> None:
        """A broken file is not made worse, and a bad identity is not written."""
        self.assertRaises(ConfigurationError, edit_keys, "joe", "f", "jim", X_KEY)
        self.assertRaises(ValueError, edit_keys, "", "f", "a b", X_KEY)


class ModeTests(SynchronousTestCase):
    def test_modes(self) -> None:
        """A file that others may write is refused; one that everybody may read is remarked on."""
        for mode in (0o622, 0o602, 0o620, 0o666):
            self.assertRaises(ConfigurationError, check_mode, "keys", mode)
        for mode, warnings in ((0o600, 0), (0o400, 0), (0o640, 0), (0o644, 1), (0o604, 1)):
            self.assertEqual(len(check_mode("keys", mode)), warnings, oct(mode))
