"""Authentication words, keys and what is said where no mode fits."""

from __future__ import annotations

import getpass
import warnings
from collections import deque
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.auth import (
    AuthWords,
    Credentials,
    ask_passphrase,
    read_credentials,
    read_modes,
    take_words,
)
from bwctl.cli.exits import UsageError

KEY = "0123456789abcdef0123456789ABCDEF"


def take(*words: str) -> tuple[AuthWords | None, list[str]]:
    """The words read after `-c h`, and those left over."""
    rest = deque(words)
    return take_words("-c h", rest), list(rest)


class WordTests(SynchronousTestCase):
    """take_words."""

    def test_mode(self) -> None:
        """Letters of MODE in any case and order."""
        for text, modes in {"o": 1, "A": 2, "e": 4, "AEO": 7, "oA": 3, "aaeo": 7}.items():
            self.assertEqual(read_modes(text), modes)

    def test_not_a_mode(self) -> None:
        """Any other word is left alone, also a missing one."""
        for words in (["x"], ["AEOx"], ["-s", "g"], [""], []):
            self.assertEqual(take(*words), (None, words))

    def test_mode_alone(self) -> None:
        """One word; the next ones are not ours."""
        self.assertEqual(take("AEO", "-v"), (AuthWords(7), ["-v"]))

    def test_key_file(self) -> None:
        """All four words, AESKEY in any case."""
        for scheme in ("AESKEY", "aeskey", "AesKey2"):
            self.assertEqual(take("AE", scheme, "jane", "keys"), (AuthWords(6, "jane", "keys"), []))

    def test_passphrase(self) -> None:
        """Without a key file, at the end or before an option."""
        self.assertEqual(take("AE", "AESKEY", "jane"), (AuthWords(6, "jane"), []))
        self.assertEqual(take("AE", "AESKEY", "jane", "-v"), (AuthWords(6, "jane"), ["-v"]))

    def test_identity_missing(self) -> None:
        """AESKEY alone is an error that shows the form."""
        for words in (["AE", "AESKEY"], ["AE", "AESKEY", "-s", "g"]):
            error = self.assertRaises(UsageError, take, *words)
            self.assertEqual(error.message, "-c h AE AESKEY: an identity must follow")
            self.assertEqual(error.hint, "the form is MODE [AESKEY IDENTITY [KEYFILE]]")

    def test_long_identity(self) -> None:
        """An identity has at most 16 octets."""
        self.assertEqual(take("A", "AESKEY", "x" * 16)[0], AuthWords(2, "x" * 16))
        self.assertRaises(UsageError, take, "A", "AESKEY", "x" * 17)

    def test_mode_without_key(self) -> None:
        """A or E without O and without an identity can never work."""
        for mode in ("A", "E", "ae"):
            error = self.assertRaises(UsageError, take, mode)
            self.assertEqual(error.message, f"-c h {mode}: this mode needs a key")


class CredentialTests(SynchronousTestCase):
    """read_credentials."""

    def key_file(self, text: str) -> str:
        """A key file's name."""
        path = Path(self.mktemp())
        path.write_text(text)
        return str(path)

    def never(self, prompt: str) -> str:
        """Nobody may be asked."""
        raise AssertionError(prompt)

    def test_open(self) -> None:
        """Without an identity only the open mode is left, and no key is read."""
        for words in (AuthWords(), AuthWords(7), AuthWords(1, "jane", "missing")):
            self.assertEqual(read_credentials(words, "h", self.never), Credentials())

    def test_key_file(self) -> None:
        """The key of the identity comes from the file."""
        name = self.key_file(f"joe\t{'0' * 32}\n# comment\njane  {KEY}\n")
        got = read_credentials(AuthWords(7, "jane", name), "h", self.never)
        self.assertEqual((got.modes, got.identity), (7, "jane"))
        self.assertEqual(bytes(got.key or b""), bytes.fromhex(KEY))

    def test_key_is_hidden(self) -> None:
        """No repr shows a key."""
        name = self.key_file(f"jane {KEY}\n")
        text = repr(read_credentials(AuthWords(7, "jane", name), "h", self.never))
        self.assertNotIn(KEY.lower(), text.lower())
        self.assertNotIn("\\x", text)

    def test_passphrase(self) -> None:
        """The key is the MD5 of the passphrase; the prompt names identity and host."""
        asked: list[str] = []

        def ask(prompt: str) -> str:
            asked.append(prompt)
            return "golden passphrase"

        got = read_credentials(AuthWords(6, "jane"), "h:4823", ask)
        self.assertEqual((got.key or b"").hex(), "91b4306547f50105c7c9a23e505cd458")
        self.assertEqual(asked, ["Passphrase of jane for h:4823: "])

    def test_empty_passphrase(self) -> None:
        """Return alone is no passphrase."""
        error = self.assertRaises(
            UsageError, read_credentials, AuthWords(6, "jane"), "h", lambda prompt: ""
        )
        self.assertEqual(error.message, "no passphrase for jane")

    def test_unknown_identity(self) -> None:
        """The file and the identity are named."""
        name = self.key_file(f"jane {KEY}\n")
        error = self.assertRaises(UsageError, read_credentials, AuthWords(6, "joe", name), "h")
        self.assertEqual(error.message, f"key file {name} has no identity joe")

    def test_missing_file(self) -> None:
        """A file that cannot be read is a usage error."""
        error = self.assertRaises(UsageError, read_credentials, AuthWords(6, "joe", "/no/k"), "h")
        self.assertEqual(error.message, "key file /no/k: No such file or directory")

    def test_broken_file(self) -> None:
        """A broken file is named with its line, and no key is shown."""
        name = self.key_file(f"jane {KEY}0\n")
        error = self.assertRaises(UsageError, read_credentials, AuthWords(6, "jane", name), "h")
        self.assertTrue(error.message.startswith(f"key file {name}:1: "), error.message)
        self.assertNotIn(KEY, error.message)


class PassphraseTests(SynchronousTestCase):
    """ask_passphrase."""

    def test_terminal(self) -> None:
        """The answer comes from the terminal."""
        self.patch(getpass, "getpass", lambda prompt: f"answer to {prompt}")
        self.assertEqual(ask_passphrase("who?"), "answer to who?")

    def test_no_terminal(self) -> None:
        """Nothing is read where it would be echoed."""

        def echoes(prompt: str) -> str:
            warnings.warn("echo", getpass.GetPassWarning, stacklevel=1)
            raise AssertionError("went on")

        self.patch(getpass, "getpass", echoes)
        error = self.assertRaises(UsageError, ask_passphrase, "who?")
        self.assertEqual(error.hint, "name a key file after the identity")

    def test_end_of_file(self) -> None:
        """End of file is no answer."""

        def ends(prompt: str) -> str:
            raise EOFError

        self.patch(getpass, "getpass", ends)
        self.assertRaises(UsageError, ask_passphrase, "who?")
