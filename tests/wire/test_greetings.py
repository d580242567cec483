"""Extension bits ride where C programs do not look; everything C reads stays what it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import RemoteProtocolError
from bwctl.wire.fields import ALL_MODES, Mode
from bwctl.wire.handshake import ClientGreeting, ServerGreeting, ServerOK, peer_identity
from tests.wire.strategies import SINGLE_MODES, blocks, octet, quiet

extensions = st.integers(1, (1 << 64) - 1)
peer_extensions = st.integers(1, (1 << 24) - 1)


class ServerGreetingTests(SynchronousTestCase):
    @quiet
    @given(st.integers(0, 7), blocks, octet, extensions)
    def test_extensions(self, modes: int, challenge: bytes, version: int, bits: int) -> None:
        """Only the 12 octets that C ignores differ from a greeting without extensions."""
        plain = ServerGreeting(Mode(modes), challenge, version).encode()
        extended = ServerGreeting(Mode(modes), challenge, version, bits).encode()
        self.assertEqual(plain[:12], bytes(12))
        self.assertEqual(extended[12:], plain[12:])
        self.assertEqual(ServerGreeting.decode(extended).extensions, bits)
        self.assertEqual(ServerGreeting.decode(plain).extensions, 0)

    @quiet
    @given(st.binary(min_size=12, max_size=12))
    def test_unmarked_octets(self, unused: bytes) -> None:
        """Whatever else stands there is no extension."""
        greeting = ServerGreeting.decode(unused + bytes(20))
        if not unused.startswith(b"BWTX"):
            self.assertEqual(greeting.extensions, 0)

    def test_unknown_modes(self) -> None:
        """Mode bits that nobody defined are dropped, the known ones stay."""
        octets = bytes(12) + b"\x06\xff\xff\xff" + bytes(16)
        self.assertEqual(ServerGreeting.decode(octets).modes, ALL_MODES)

    def test_other_services(self) -> None:
        """Text is the greeting of some other service, and said to be; no daemon's looks so."""
        banners = (
            b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n",
            b"220 mail.example.net ESMTP " * 2,
        )
        for banner in banners:
            greeting = banner[: ServerGreeting.SIZE]
            error = self.assertRaises(RemoteProtocolError, ServerGreeting.decode, greeting)
            self.assertIn("not a BWCTL daemon", str(error))
        ours = ServerGreeting(ALL_MODES, b"t" * 16, extensions=int.from_bytes(b"abcdefgh", "big"))
        self.assertEqual(ServerGreeting.decode(ours.encode()), ours)


class ClientGreetingTests(SynchronousTestCase):
    @quiet
    @given(st.sampled_from(SINGLE_MODES), peer_extensions)
    def test_extensions(self, mode: Mode, bits: int) -> None:
        """A C peer agent cuts the identity at its first NUL and reads "endpoint" as ever."""
        plain = ClientGreeting(mode, identity=peer_identity(0)).encode()
        extended = ClientGreeting(mode, identity=peer_identity(bits)).encode()
        self.assertEqual(extended[4:20].split(b"\0")[0], b"endpoint")
        self.assertEqual(extended[:4] + extended[20:], plain[:4] + plain[20:])
        greeting = ClientGreeting.decode(extended)
        self.assertEqual((greeting.extensions, greeting.user), (bits, b"endpoint"))
        self.assertEqual(ClientGreeting.decode(plain).extensions, 0)

    @quiet
    @given(blocks)
    def test_identities(self, identity: bytes) -> None:
        """The user is the identity up to its first NUL; no other name confirms extensions."""
        greeting = ClientGreeting.decode(ClientGreeting(Mode.OPEN, identity=identity).encode())
        self.assertEqual(greeting.user, identity.split(b"\0")[0])
        if not identity.startswith(b"endpoint\0BWTX"):
            self.assertEqual(greeting.extensions, 0)

    def test_sixteen_characters(self) -> None:
        """A name of 16 characters has no terminator."""
        octets = ClientGreeting(Mode.ENCRYPTED, identity=b"sixteencharuser1").encode()
        self.assertEqual(ClientGreeting.decode(octets).user, b"sixteencharuser1")

    def test_one_mode(self) -> None:
        """A mode that is not exactly 1, 2 or 4 breaks the protocol (wire.md 2.2)."""
        legal = []
        for mode in (*range(256), 0x010001, 0x800000):
            octets = b"\x06" + mode.to_bytes(3, "big") + bytes(64)
            try:
                legal.append(int(ClientGreeting.decode(octets).mode))
            except RemoteProtocolError:
                continue
        self.assertEqual(legal, [1, 2, 4])


class ServerOKTests(SynchronousTestCase):
    def test_unknown_tools(self) -> None:
        """Tools of a newer server stay in the mask and disturb nobody."""
        octets = b"\xff\xff\xff\xff" + bytes(28)
        self.assertEqual(int(ServerOK.decode(octets).tools), 0xFFFFFFFF)
