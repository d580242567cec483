"""Every recorded message decodes, and encodes to the same octets; encrypted ones decrypt."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import RemoteProtocolError
from bwctl.values import Kind, Role
from bwctl.wire.crypto import AESStream, BlockStream, PlainStream, make_token, open_token
from bwctl.wire.fields import Mode
from bwctl.wire.handshake import ClientGreeting, ServerGreeting, ServerOK, ServerUptime
from bwctl.wire.messages import (
    StartAck,
    StartSession,
    StopSession,
    TestAccept,
    TimeRequest,
    TimeResponse,
    encode_stop,
)
from bwctl.wire.request import TestRequest, UnsupportedRequest
from tests.support.vectors import Connection, connections

SIMPLE = {
    "ServerGreeting": ServerGreeting,
    "ClientGreeting": ClientGreeting,
    "ServerOK": ServerOK,
    "ServerUptime": ServerUptime,
    "TimeRequest": TimeRequest,
    "TimeResponse": TimeResponse,
    "TestAccept": TestAccept,
    "StartSession": StartSession,
    "StartAck": StartAck,
}
# What the C programs, or the scripts that provoked them, put there against the rules.
DELIBERATE = {"protocol_violations", "old_server_v0"}


class Replay:
    """The two block streams of a recorded connection, and the version its client speaks."""

    def __init__(self, connection: Connection) -> None:
        hello = connection.first("ClientGreeting")
        greeting = ClientGreeting.decode(hello) if hello else None
        self.version = greeting.version if greeting else 6
        self.client: BlockStream = PlainStream()
        self.server: BlockStream = PlainStream()
        answer = connection.first("ServerOK")
        if greeting and answer and connection.token_key:
            challenge = ServerGreeting.decode(connection.first("ServerGreeting")).challenge
            key = open_token(connection.token_key, challenge, greeting.token)
            if key is not None:
                self.client = AESStream(key, greeting.iv, ServerOK.decode(answer).iv)
                self.server = AESStream(key, ServerOK.decode(answer).iv, greeting.iv)

    def plain(self, entry: dict[str, Any]) -> bytes:
        octets = bytes.fromhex(entry["hex"])
        if not entry["encrypted"]:
            return octets
        reader = self.client if entry["direction"] == "s2c" else self.server
        return reader.decrypt(octets)


class VectorTests(SynchronousTestCase):
    def test_every_message(self) -> None:
        """All messages decrypt to the recorded plain text and survive a round trip."""
        seen: Counter[str] = Counter()
        for connection in connections():
            replay = Replay(connection)
            for entry in connection.messages:
                where = f"{connection.scenario} {connection.name} message {entry['n']}"
                plain = replay.plain(entry)
                if entry["encrypted"]:
                    seen["encrypted"] += 1
                    self.assertEqual(plain.hex(), entry["plaintext_hex"], where)
                seen[self.round_trip(entry, plain, replay.version, connection, where)] += 1
        self.assertEqual(
            {name: seen[name] for name in ("TestRequest", "StopSession", "encrypted")},
            {"TestRequest": 57, "StopSession": 68, "encrypted": 67},
        )
        self.assertEqual(seen["deliberate"], 7)

    def round_trip(
        self, entry: dict[str, Any], plain: bytes, version: int, connection: Connection, where: str
    ) -> str:
        name = entry["message"]
        if connection.scenario in DELIBERATE and name in ("TestRequest", "Unknown"):
            return self.deliberate(plain, version, where)
        if name in SIMPLE:
            message = SIMPLE[name].decode(plain)
            self.assertEqual(message.encode().hex(), plain.hex(), where)
        elif name == "TestRequest":
            self.request(TestRequest.decode(plain, version), plain, version, entry, where)
        elif name == "StopSession":
            fixed = StopSession.decode(plain[:32])
            output = fixed.output(plain[32:]) if fixed.length else b""
            self.assertEqual(output.decode("latin-1"), entry["fields"]["text"], where)
            self.assertEqual(encode_stop(fixed.accept, output).hex(), plain.hex(), where)
        elif name == "ServerOKPad":
            self.assertEqual(plain, bytes(16), where)
        else:
            self.fail(f"{where}: {name} is not known")
        return name

    def deliberate(self, plain: bytes, version: int, where: str) -> str:
        try:
            TestRequest.decode(plain, version)
        except (RemoteProtocolError, UnsupportedRequest):
            return "deliberate"
        except Exception as error:  # a message that is no TestRequest at all
            self.assertNotEqual(len(plain), TestRequest.size(version), f"{where}: {error!r}")
            return "deliberate"
        return "legal part of a deliberate session"

    def request(
        self,
        request: TestRequest,
        plain: bytes,
        version: int,
        entry: dict[str, Any],
        where: str,
    ) -> None:
        self.assertEqual(request.encode(version).hex(), plain.hex(), where)
        fields, spec = entry["fields"], request.spec
        expected = {
            "role": Role.CLIENT if fields["conf_client"] else Role.SERVER,
            "duration": fields["duration"],
            "time": int(fields["req_time"]["raw"], 16),
            "latest": int(fields["latest_time"]["raw"], 16),
            "error": fields["time_error"]["multiplier"] << fields["time_error"]["scale"],
            "port": fields["tool_port"],
            "client": fields["client_address"],
            "server": fields["server_address"],
            "sid": fields["sid"],
        }
        found = {
            "role": request.role,
            "duration": spec.duration,
            "time": request.time,
            "latest": request.latest,
            "error": request.error.ticks,
            "port": request.tool_port,
            "client": str(spec.client),
            "server": str(spec.server),
            "sid": request.sid.hex(),
        }
        self.assertEqual(found, expected, where)
        if spec.kind is Kind.THROUGHPUT:
            rate = fields.get("bandwidth", fields["bandwidth_mantissa"])
            self.assertEqual(spec.bandwidth, rate, where)
            self.assertEqual(spec.omit, fields.get("omit", 0), where)
            self.assertEqual(spec.udp, bool(fields["udp"]), where)

    def test_tokens(self) -> None:
        """The token opens with the right key only, and is made again octet for octet."""
        opened = 0
        for connection in connections():
            hello = connection.first("ClientGreeting")
            if not hello or not connection.token_key:
                continue
            greeting = ClientGreeting.decode(hello)
            if greeting.mode is Mode.OPEN:
                continue
            challenge = ServerGreeting.decode(connection.first("ServerGreeting")).challenge
            key = open_token(connection.token_key, challenge, greeting.token)
            if key is None:
                continue
            opened += 1
            self.assertEqual(make_token(connection.token_key, challenge, key), greeting.token)
            self.assertIsNone(open_token(bytes(16), challenge, greeting.token))
        self.assertEqual(opened, 9)
