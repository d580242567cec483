"""Our server in the place of the C daemon, in every recorded connection."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control import server
from bwctl.control.legality import State
from bwctl.control.server import (
    CancelAsked,
    ClientGreeted,
    ServerSession,
    StartAsked,
    TestAsked,
    TimeAsked,
    UnsupportedAsked,
)
from bwctl.control.session import Stopped
from bwctl.errors import AcceptType, LocalProtocolError, RemoteProtocolError
from bwctl.wire.crypto import ZERO_BLOCK
from bwctl.wire.fields import PROTOCOL_VERSION, Mode
from bwctl.wire.handshake import ServerOK
from bwctl.wire.messages import StartSession, StopSession
from bwctl.wire.request import TestRequest
from tests.control.replay import Recording, ServerPlayer, plain_of, recordings
from tests.support.sessions import KEY, pump, scripted

SIZES = (0, 1, 13)
# What the C server does there is a defect, or what its client sent deliberately wrong.
REFUSED = {"unoffered_mode", "zero_request_time", "protocol_violations"}


def refused(recording: Recording) -> bool:
    connection = recording.connection
    return connection.scenario in REFUSED or recording.name == "peer_open_on_aes peer"


def ours(recording: Recording) -> bool:
    """Whether the recorded server could be ours: it announced the version that we announce."""
    return recording.server_greeting.version == PROTOCOL_VERSION


def expected_events(recording: Recording) -> list[Any]:
    """What a server makes of the recorded messages of a client, told from their content."""
    events: list[Any] = []
    held = False
    for entry in recording.connection.messages:
        name, fields = entry["message"], entry["fields"]
        if name == "TestAccept":
            held = not fields["accept"]
        elif entry["direction"] == "c2s":
            events.append(expected_event(recording, name, fields, entry, held))
            held = held and name != "StartSession"
    return events


def expected_event(
    recording: Recording, name: str, fields: dict[str, Any], entry: dict[str, Any], held: bool
) -> Any:
    plain = plain_of(entry)
    if name == "ClientGreeting":
        return ClientGreeted(Mode(fields["mode"]), fields["userid"], min(fields["version"], 6))
    if name == "TimeRequest":
        return TimeAsked()
    if name == "TestRequest" and fields["kind"] == "cancel":
        return CancelAsked(bytes.fromhex(fields["sid"]))
    if name == "TestRequest":
        return TestAsked(TestRequest.decode(plain, recording.version), held)
    if name == "StartSession":
        return StartAsked(StartSession.decode(plain).peer_port)
    fixed = StopSession.decode(plain[:32])
    return Stopped(fixed.accept, fields["text"].encode("latin-1"))


class ReplayTests(SynchronousTestCase):
    def test_octets(self) -> None:
        """With the recorded challenge, IV and answers our octets are those of the C server."""
        played = [r for r in recordings() if ours(r) and not refused(r)]
        for recording in played:
            for size in SIZES:
                where = f"{recording.name}, pieces of {size}"
                player = ServerPlayer(recording)
                player.play(recording.connection.stream("c2s"), size)
                found, expected = player.octets, recording.connection.stream("s2c")
                self.assertEqual(found.hex(), expected.hex(), where)
                self.assertTrue(player.silent, where)
                self.assertEqual(player.events, expected_events(recording), where)
        self.assertEqual(len(played), PLAYED)

    def test_all_recordings(self) -> None:
        """Every recorded connection is in one of the three groups."""
        everything = recordings()
        others = [r for r in everything if not ours(r)]
        self.assertEqual([r.connection.name for r in others], ["server-control"] * 4)
        self.assertEqual(sum(map(refused, everything)), REFUSALS)
        self.assertEqual(len(everything), PLAYED + REFUSALS + len(others))


PLAYED, REFUSALS = 53, 12


class RefusalTests(SynchronousTestCase):
    """Where C must not be copied (wire.md 8.2), and where its client broke the rules."""

    def recorded(self, scenario: str, name: str) -> Recording:
        (found,) = [r for r in recordings() if r.name == f"{scenario} {name}"]
        return found

    def test_unoffered_mode(self) -> None:
        """Open mode is refused where it was not offered, to clients and to peer agents."""
        for scenario, name in (
            ("unoffered_mode", "server-control"),
            ("unoffered_mode", "server-control-2"),
            ("peer_open_on_aes", "peer"),
        ):
            recording = self.recorded(scenario, name)
            player = ServerPlayer(recording).play(recording.connection.stream("c2s"))
            refusal = ServerOK(AcceptType.REJECT).encode() + ZERO_BLOCK
            greeting = recording.connection.first("ServerGreeting")
            self.assertEqual(player.octets, greeting + refusal)
            self.assertEqual(len(player.events), 1)
            self.assertIs(player.session.state, State.CLOSED)

    def test_zero_request_time(self) -> None:
        """A first request for time 0 is no reservation: it comes as a cancel, to be denied."""
        recording = self.recorded("zero_request_time", "server-control")
        session = ServerSession(
            recording.server_greeting.modes, random=scripted(recording.server_greeting.challenge)
        )
        session.greet()
        pump(session, recording.connection.first("ClientGreeting"))
        self.assertTrue(session.verify(None))
        session.open(recording.server_ok.tools, recording.uptime)
        request = recording.connection.first("TestRequest")
        self.assertEqual(pump(session, request), [CancelAsked(bytes(16))])
        session.deny(AcceptType.REJECT)
        self.assertIs(session.state, State.IDLE)

    def test_violations(self) -> None:
        """Each malformed message ends the connection, with no octet more than C wrote."""
        reasons = {
            "server-control-3": "IP version 5",
            "server-control-4": "multiplier 0",
            "server-control-5": "integrity",
            "server-control-6": "one role",
            "server-control-7": "another session",
            "server-control-8": "message type 9",
        }
        for name, reason in reasons.items():
            recording = self.recorded("protocol_violations", name)
            stream = recording.connection.stream("c2s")
            for size in SIZES:
                player = ServerPlayer(recording)
                error = self.assertRaises(RemoteProtocolError, player.play, stream, size)
                self.assertIn(reason, str(error))
                self.assertEqual(player.octets, recording.connection.stream("s2c"))

    def test_tools(self) -> None:
        """Several tools in one request can be answered; thrulay is a tool, here or not."""
        kinds = {"server-control": UnsupportedAsked, "server-control-2": TestAsked}
        for name, kind in kinds.items():
            recording = self.recorded("protocol_violations", name)
            player = ServerPlayer(recording).play(recording.connection.stream("c2s"))
            self.assertIsInstance(player.events[-1], kind)
            answer = player.session.deny(AcceptType.UNSUPPORTED)
            self.assertEqual(answer[0], AcceptType.UNSUPPORTED)

    def test_version_0_with_version_1_content(self) -> None:
        """The C client's own request to a version 0 server has octets where zeros belong."""
        recording = self.recorded("old_server_v0", "server-control")
        player = ServerPlayer(recording)
        stream = recording.connection.stream("c2s")
        error = self.assertRaises(RemoteProtocolError, player.play, stream)
        self.assertIn("integrity", str(error))


class VerifyTests(SynchronousTestCase):
    """Who is let in: wire.md 1.4, 2.3, 8.2."""

    def server(self, offered: Mode, recording: Recording) -> ServerSession:
        challenge = recording.server_greeting.challenge
        session = ServerSession(offered, random=scripted(challenge, bytes(16), bytes(16)))
        session.greet()
        pump(session, recording.connection.first("ClientGreeting"))
        return session

    def recorded_in(self, mode: Mode) -> Recording:
        return next(r for r in recordings() if r.client_greeting and r.client_greeting.mode is mode)

    def test_mode_and_key(self) -> None:
        """Each mode needs to be offered, and all but the open one the right key."""
        single = (Mode.OPEN, Mode.AUTHENTICATED, Mode.ENCRYPTED)
        for offered in range(8):
            for mode in single:
                recording = self.recorded_in(mode)
                for key in (recording.user_key, bytes(16), None):
                    found = self.server(Mode(offered), recording).verify(key)
                    known = mode is Mode.OPEN or key == recording.user_key
                    self.assertEqual(found, bool(offered & mode) and known, (offered, mode, key))

    def test_unknown_user_takes_the_same_way(self) -> None:
        """An unknown user costs one token, as a wrong key does, and is told the same."""
        recording = self.recorded_in(Mode.AUTHENTICATED)
        opened: list[bytes] = []

        def spy(key: bytes, challenge: bytes, token: bytes) -> None:
            opened.append(key)

        self.patch(server, "open_token", spy)
        answers = set()
        for key in (None, bytes(16)):
            session = self.server(Mode.AUTHENTICATED, recording)
            self.assertFalse(session.verify(key))
            answers.add(session.refuse(AcceptType.REJECT))
        self.assertEqual(len(opened), 2)
        self.assertEqual(len(answers), 1)

    def test_unknown_user_never_passes(self) -> None:
        """Not even a token made with the key that stands in for the missing one opens."""
        recording = self.recorded_in(Mode.AUTHENTICATED)
        challenge = recording.server_greeting.challenge
        session = ServerSession(
            Mode.AUTHENTICATED, random=scripted(challenge, recording.user_key or KEY)
        )
        session.greet()
        pump(session, recording.connection.first("ClientGreeting"))
        self.assertFalse(session.verify(None))

    def test_open_without_key(self) -> None:
        """An authenticated connection is never opened in the clear for want of `verify`."""
        recording = self.recorded_in(Mode.AUTHENTICATED)
        session = self.server(Mode.AUTHENTICATED, recording)
        self.assertRaises(LocalProtocolError, session.open, recording.server_ok.tools, 0)
        self.assertIs(session.state, State.AUTHENTICATING)
