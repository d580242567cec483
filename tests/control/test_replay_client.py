"""Our client in the place of the C programs, in every recorded connection."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.client import NoCommonMode, Opened, ServerGreeted, TurnedAway
from bwctl.control.legality import State
from bwctl.control.session import Stopped
from bwctl.errors import AcceptType, RemoteProtocolError
from bwctl.values import ToolID
from bwctl.wire.fields import Mode
from bwctl.wire.messages import StartAck, StopSession, TestAccept, TimeResponse
from bwctl.wire.request import TestRequest
from tests.control.replay import (
    ClientPlayer,
    Recording,
    plain_of,
    recordings,
    with_version,
    with_zero_end,
)
from tests.support.sessions import pump

SIZES = (0, 1, 13)
NOT_LIKE_C = {
    "protocol_violations": "our client cannot say what was said there",
    "unoffered_mode": "nor choose a mode that was not offered",
    "zero_request_time": "nor take a reservation at time 0",
    "wrong_key": "the session key is not known",
    "unknown_user": "nor here",
    "no_common_mode": "no word is said",
    "mode_zero": "no word is said",
}


def like_c(recording: Recording) -> bool:
    scenario = recording.connection.scenario
    return scenario not in NOT_LIKE_C and recording.name != "peer_open_on_aes peer"


def expected_events(recording: Recording, announced: int) -> list[Any]:
    """What a client makes of the recorded messages of a server, told from their content."""
    events: list[Any] = []
    for entry in recording.connection.messages:
        if entry["direction"] == "s2c":
            event = expected_event(recording, entry, announced)
            events += [event] if event else []
    return events


def expected_event(recording: Recording, entry: dict[str, Any], announced: int) -> Any:
    name, fields, plain = entry["message"], entry["fields"], plain_of(entry)
    if name == "ServerGreeting":
        return ServerGreeted(Mode(fields["modes"]), announced)
    if name == "ServerOK" and fields["accept"]:
        return TurnedAway(AcceptType(fields["accept"]))
    if name == "ServerUptime":
        tools = ToolID(recording.server_ok.tools if announced else ToolID.IPERF)
        return Opened(tools, recording.uptime)
    simple = {"TimeResponse": TimeResponse, "TestAccept": TestAccept, "StartAck": StartAck}
    if name in simple:
        return simple[name].decode(plain)
    if name == "StopSession":
        return Stopped(StopSession.decode(plain[:32]).accept, fields["text"].encode("latin-1"))
    return None


class ReplayTests(SynchronousTestCase):
    def test_octets(self) -> None:
        """With the recorded keys and wishes our octets are those of the C client."""
        played = [r for r in recordings() if like_c(r)]
        for recording in played:
            for size in SIZES:
                self.replay(recording, size)
        self.assertEqual(len(played), 53)

    def replay(self, recording: Recording, size: int) -> None:
        where = f"{recording.name}, pieces of {size}"
        if recording.connection.scenario == "old_server_v0":
            recording = with_zero_end(recording)
        # The script that spoke an older version to the C server overrode what was announced.
        announced = min(recording.version, recording.server_greeting.version)
        stream = with_version(recording.connection.stream("s2c"), 12, announced)
        expected = recording.connection.stream("c2s")
        expected = with_version(expected, 0, min(announced, 6))  # C echoes 7
        player = ClientPlayer(recording)
        player.play(stream, size)
        self.assertEqual(player.octets.hex(), expected.hex(), where)
        self.assertTrue(player.silent, where)
        self.assertEqual(player.events, expected_events(recording, announced), where)


class RefusalTests(SynchronousTestCase):
    def of(self, scenario: str) -> list[Recording]:
        return [r for r in recordings() if r.connection.scenario == scenario]

    def test_turned_away(self) -> None:
        """A wrong key and an unknown user look the same; 32 octets say it all."""
        for recording in self.of("wrong_key") + self.of("unknown_user"):
            for size in SIZES:
                player = ClientPlayer(recording)
                player.play(recording.connection.stream("s2c"), size)
                self.assertEqual(player.events[1:], [TurnedAway(AcceptType.REJECT)])
                self.assertIs(player.session.state, State.CLOSED)
                sent, theirs = player.octets, recording.connection.stream("c2s")
                self.assertEqual(sent[:20], theirs[:20])  # version, mode, user

    def test_no_common_mode(self) -> None:
        """Without a mode in common the client says nothing at all, not even an unoffered one."""
        silent = self.of("no_common_mode") + self.of("mode_zero") + self.of("unoffered_mode")
        (peer,) = [r for r in self.of("peer_open_on_aes") if r.connection.kind == "peer"]
        for recording in [*silent, peer]:
            session = ClientPlayer(recording).session
            pump(session, recording.connection.first("ServerGreeting"))
            error = self.assertRaises(NoCommonMode, session.greet)
            self.assertEqual(error.offered, recording.server_greeting.modes)
            self.assertEqual(error.usable, Mode.OPEN)
            self.assertIn("usable here open", str(error))

    def test_zero_time(self) -> None:
        """A reservation at time 0, as the C server gives it, is a violation."""
        (recording,) = self.of("zero_request_time")
        player = ClientPlayer(recording)
        stream = recording.connection.stream("s2c")
        error = self.assertRaises(RemoteProtocolError, player.play, stream)
        self.assertIn("time 0", str(error))

    def test_version_0_zeros(self) -> None:
        """To a version 0 server we write zeros where the C client breaks the message."""
        recording = self.of("old_server_v0")[0]
        (theirs,) = recording.plain("TestRequest")
        self.assertRaises(RemoteProtocolError, TestRequest.decode, theirs, 0)
        (mended,) = with_zero_end(recording).plain("TestRequest")
        self.assertEqual(TestRequest.decode(mended, 0).encode(0), mended)
