"""AES-128-CBC against published values, its chaining over messages, and the token."""

from __future__ import annotations

from hashlib import md5

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.wire.crypto import (
    BLOCK,
    TOKEN_SIZE,
    AESStream,
    PlainStream,
    make_token,
    open_token,
)
from tests.wire.strategies import blocks, quiet

# NIST SP 800-38A, F.2.1: CBC-AES128.Encrypt
KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
IV = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
PLAIN = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172a"
    "ae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52ef"
    "f69f2445df4f9b17ad2b417be66c3710"
)
CIPHER = bytes.fromhex(
    "7649abac8119b246cee98e9b12e9197d"
    "5086cb9b507219ee95db113a917678b2"
    "73bed6b8e3c1743b7116e69e22229516"
    "3ff1caa1681fac09120eca307586e1a7"
)


class StreamTests(SynchronousTestCase):
    def test_known_answer(self) -> None:
        """The published blocks, at once and block by block: the chain runs over calls."""
        self.assertEqual(AESStream(KEY, IV, bytes(16)).encrypt(PLAIN), CIPHER)
        self.assertEqual(AESStream(KEY, bytes(16), IV).decrypt(CIPHER), PLAIN)
        stream = AESStream(KEY, IV, IV)
        for start in range(0, len(PLAIN), BLOCK):
            piece = slice(start, start + BLOCK)
            self.assertEqual(stream.encrypt(PLAIN[piece]), CIPHER[piece])
            self.assertEqual(stream.decrypt(CIPHER[piece]), PLAIN[piece])

    @quiet
    @given(blocks, blocks, blocks, st.lists(st.tuples(st.booleans(), st.integers(1, 5))))
    def test_two_ends(
        self, key: bytes, client_iv: bytes, server_iv: bytes, talk: list[tuple[bool, int]]
    ) -> None:
        """Both directions keep their own chain, however messages alternate."""
        client = AESStream(key, client_iv, server_iv)
        server = AESStream(key, server_iv, client_iv)
        for n, (from_client, size) in enumerate(talk):
            sender, receiver = (client, server) if from_client else (server, client)
            message = bytes([n & 0xFF]) * (size * BLOCK)
            self.assertEqual(receiver.decrypt(sender.encrypt(message)), message)

    def test_equal_blocks_differ(self) -> None:
        """The same message twice does not look the same: the chain was not begun anew."""
        stream = AESStream(KEY, IV, IV)
        self.assertNotEqual(stream.encrypt(bytes(32)), stream.encrypt(bytes(32)))

    def test_open_mode(self) -> None:
        """Open mode changes nothing."""
        self.assertEqual(PlainStream().encrypt(PLAIN), PLAIN)
        self.assertEqual(PlainStream().decrypt(PLAIN), PLAIN)


class TokenTests(SynchronousTestCase):
    @quiet
    @given(blocks, blocks, blocks, blocks)
    def test_round_trip(
        self, key: bytes, other: bytes, challenge: bytes, session_key: bytes
    ) -> None:
        """The token opens with its key and challenge, with nothing else."""
        token = make_token(key, challenge, session_key)
        self.assertEqual(len(token), TOKEN_SIZE)
        self.assertEqual(open_token(key, challenge, token), session_key)
        if other != key:
            self.assertIsNone(open_token(other, challenge, token))
        if other != challenge:
            self.assertIsNone(open_token(key, other, token))

    def test_layout(self) -> None:
        """It is plain CBC with a zero IV over challenge and session key (wire.md 1.4)."""
        expected = AESStream(KEY, bytes(16), bytes(16)).encrypt(PLAIN[:32])
        self.assertEqual(make_token(KEY, PLAIN[:16], PLAIN[16:32]), expected)

    def test_damaged(self) -> None:
        """A flipped bit in the half that carries the challenge is noticed."""
        token = make_token(KEY, PLAIN[:16], PLAIN[16:32])
        for place in range(BLOCK):
            damaged = bytearray(token)
            damaged[place] ^= 1
            self.assertIsNone(open_token(KEY, PLAIN[:16], bytes(damaged)))

    def test_passphrase_key(self) -> None:
        """The keys of the recorded sessions are MD5 of their passphrase (wire.md 1.5)."""
        key = md5(b"golden passphrase", usedforsecurity=False).hexdigest()
        self.assertEqual(key, "91b4306547f50105c7c9a23e505cd458")
