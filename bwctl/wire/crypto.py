"""AES-128-CBC as one continuous stream per direction, and the token. Source: wire.md 1.3, 1.4."""

from __future__ import annotations

import hmac
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

BLOCK = 16
ZERO_BLOCK = bytes(BLOCK)
KEY_SIZE = 16
TOKEN_SIZE = 32


class BlockStream(Protocol):
    """What a connection does to whole blocks on their way out and in."""

    def encrypt(self, blocks: bytes) -> bytes:
        """Octets to send; `blocks` is a multiple of 16 octets long."""

    def decrypt(self, blocks: bytes) -> bytes:
        """Octets received; `blocks` is a multiple of 16 octets long."""


class PlainStream:
    """Open mode: nothing is done."""

    def encrypt(self, blocks: bytes) -> bytes:
        """The same octets."""
        return blocks

    def decrypt(self, blocks: bytes) -> bytes:
        """The same octets."""
        return blocks


class AESStream:
    """Both directions of an authenticated or encrypted connection, chained over messages."""

    def __init__(self, key: bytes, out_iv: bytes, in_iv: bytes) -> None:
        self._out = Cipher(AES(key), CBC(out_iv)).encryptor()
        self._in = Cipher(AES(key), CBC(in_iv)).decryptor()

    def encrypt(self, blocks: bytes) -> bytes:
        """Cipher text of the next blocks sent."""
        return self._out.update(blocks)

    def decrypt(self, blocks: bytes) -> bytes:
        """Plain text of the next blocks received."""
        return self._in.update(blocks)


def make_token(user_key: bytes, challenge: bytes, session_key: bytes) -> bytes:
    """The 32 octets that prove knowledge of the user key and carry the session key."""
    cipher = Cipher(AES(user_key), CBC(ZERO_BLOCK)).encryptor()
    return cipher.update(challenge + session_key)


def open_token(user_key: bytes, challenge: bytes, token: bytes) -> bytes | None:
    """The session key in a token, None if the token was made with another key or challenge."""
    plain = Cipher(AES(user_key), CBC(ZERO_BLOCK)).decryptor().update(token)
    if not hmac.compare_digest(plain[:BLOCK], challenge):
        return None
    return plain[BLOCK:]
