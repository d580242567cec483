"""Both ends joined in memory: whole lives of connections, in every mode and version."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.client import Identity, NoCommonMode, Opened, ServerGreeted, TurnedAway
from bwctl.control.legality import CONTROL, PEER, Message, State
from bwctl.control.server import (
    CancelAsked,
    ClientGreeted,
    StartAsked,
    TestAsked,
    TimeAsked,
    UnsupportedAsked,
)
from bwctl.control.session import Stopped
from bwctl.errors import AcceptType, LocalProtocolError, RemoteProtocolError
from bwctl.values import NTPTime, Role, ToolID
from bwctl.wire.fields import ALL_MODES, Mode
from bwctl.wire.messages import Ready, StartAck, TestAccept, TimeResponse
from tests.support.sessions import (
    CANCEL,
    ERROR,
    KEY,
    NOW,
    PATHS,
    REQUEST,
    SESSION,
    SLOT,
    SPEC,
    STARTED,
    TOOLS,
    Pair,
    drain,
)

MODES = (Mode.OPEN, Mode.AUTHENTICATED, Mode.ENCRYPTED)
ANNOUNCED = (0, 1, 2, 3, 4, 5, 6, 7, 255)
LENGTHS = (0, 1, 15, 16, 17, 100000)
LATER = NTPTime(SLOT + 12345)


class LifeTests(SynchronousTestCase):
    """The conversation that a test makes on one control connection."""

    def test_modes_and_versions(self) -> None:
        """Every mode with every version, in one piece and octet by octet."""
        for mode, version, size in product(MODES, ANNOUNCED, (0, 1)):
            self.whole_life(Pair(mode, announced=version, size=size), mode, version)

    def test_odd_pieces(self) -> None:
        """Where the network cuts the stream does not matter."""
        for mode, size in product(MODES, (2, 3, 7, 15, 16, 17, 31, 33, 68, 100)):
            self.whole_life(Pair(mode, size=size), mode, 6)

    def whole_life(self, pair: Pair, mode: Mode, version: int) -> None:
        spoken = min(version, 6)
        tools = TOOLS if spoken else ToolID.IPERF
        user = "" if mode is Mode.OPEN else "testuser"
        self.assertEqual(pair.server_greets(), [ServerGreeted(ALL_MODES, version)])
        self.assertEqual(pair.client_greets(), [ClientGreeted(mode, user, spoken)])
        self.assertEqual(pair.opens(), [Opened(tools, STARTED)])
        self.assertEqual((pair.client.mode, pair.client.version), (mode, spoken))
        for output in (b"", b"first test\n", bytes(16)):
            self.ask_the_time(pair)
            self.reserve(pair)
            self.run_a_test(pair, output)
        self.reserve(pair)
        self.assertEqual(pair.requests(CANCEL), [CancelAsked(SESSION)])
        refusal = TestAccept(AcceptType.REJECT, NTPTime(0), SESSION, 5001)
        self.assertEqual(pair.denies(), [refusal])
        self.assert_both(pair, State.IDLE)

    def ask_the_time(self, pair: Pair) -> None:
        before = pair.server.state
        self.assertEqual(pair.asks_time(), [TimeAsked()])
        self.assertEqual(pair.tells_time(), [TimeResponse(NOW, ERROR)])
        self.assert_both(pair, before)

    def reserve(self, pair: Pair) -> None:
        self.assertEqual(pair.requests(), [TestAsked(REQUEST, update=False)])
        granted = TestAccept(AcceptType.ACCEPT, SLOT, SESSION, 5001)
        self.assertEqual(pair.grants(), [granted])
        self.assert_both(pair, State.RESERVED)
        self.ask_the_time(pair)
        update = replace(REQUEST, time=LATER)
        self.assertEqual(pair.requests(update), [TestAsked(update, update=True)])
        self.assertEqual(pair.grants(LATER), [replace(granted, start=LATER)])
        self.assert_both(pair, State.RESERVED)

    def run_a_test(self, pair: Pair, output: bytes) -> None:
        self.assertEqual(pair.starts(), [StartAsked(6001)])
        self.assertEqual(pair.acknowledges(), [StartAck(AcceptType.ACCEPT, 6002)])
        self.assert_both(pair, State.TESTING)
        self.assertEqual(pair.client_stops(), [Stopped(AcceptType.ACCEPT, b"")])
        self.assertEqual(pair.server_stops(output), [Stopped(AcceptType.ACCEPT, output)])
        self.assert_both(pair, State.IDLE)

    def assert_both(self, pair: Pair, state: State) -> None:
        self.assertEqual((pair.server.state, pair.client.state), (state, state))


class ChoiceTests(SynchronousTestCase):
    """Which mode a client takes: wire.md 2.2, 6.3."""

    def test_choice(self) -> None:
        """The strongest common mode; the weakest between peers; with no key the open one alone."""
        open_, authenticated, encrypted = MODES
        cases = [
            (ALL_MODES, KEY, False, ALL_MODES, encrypted),
            (ALL_MODES, KEY, True, ALL_MODES, open_),
            (ALL_MODES, KEY, True, authenticated | encrypted, authenticated),
            (open_ | authenticated, KEY, False, ALL_MODES, authenticated),
            (ALL_MODES, None, False, ALL_MODES, open_),
            (ALL_MODES, None, True, ALL_MODES, open_),
            (ALL_MODES, None, False, authenticated | encrypted, None),
            (authenticated, KEY, False, open_ | encrypted, None),
            (ALL_MODES, KEY, False, Mode.NONE, None),
        ]
        for wanted, key, weakest_first, offered, expected in cases:
            identity = Identity(wanted, b"testuser", key, weakest_first)
            if expected is not None:
                self.assertIs(identity.choose(offered), expected)
                continue
            error = self.assertRaises(NoCommonMode, identity.choose, offered)
            self.assertEqual((error.offered, error.usable), (offered, identity.usable))

    def test_hidden_key(self) -> None:
        """The key of a user does not show in what is printed."""
        self.assertNotIn(repr(KEY), repr(Identity(ALL_MODES, b"testuser", KEY)))


class VersionTests(SynchronousTestCase):
    def test_client_that_claims_another_version(self) -> None:
        """A client may speak less than the server offers; above 6 counts as 6 (wire.md 7.1)."""
        for spoken in range(1, 6):
            pair = Pair(spoken=spoken).bring_to(State.IDLE)
            self.assertEqual(pair.server.version, spoken)
        for spoken in (7, 255):
            pair = Pair(spoken=spoken).bring_to(State.RESERVED)
            self.assertEqual(pair.server.version, 6)

    def test_version_3(self) -> None:
        """3 was never assigned: such a client is treated as one of version 2."""
        spec = replace(SPEC, omit=3, parallel=2, server_sends=True, mss=9, report_interval_ms=5000)
        understood = []
        for version in (2, 3):
            pair = Pair(announced=version).bring_to(State.IDLE)
            understood += pair.requests(replace(REQUEST, spec=spec))
        expected = replace(spec, server_sends=False, mss=0)
        self.assertEqual(understood, [TestAsked(replace(REQUEST, spec=expected), False)] * 2)

    def test_version_0_is_iperf(self) -> None:
        """A version 0 server says nothing of its tools: it has iperf alone (wire.md 2.3)."""
        pair = Pair(announced=0)
        pair.server_greets()
        pair.client_greets()
        self.assertEqual(pair.opens(), [Opened(ToolID.IPERF, STARTED)])


class RequestTests(SynchronousTestCase):
    """What a reservation does to the requests that follow it; wire.md 4.1."""

    def setUp(self) -> None:
        self.pair = Pair().bring_to(State.RESERVED)

    def test_denied_update(self) -> None:
        """A denied update costs the reservation; the same SID then names a new request."""
        self.pair.requests()
        self.pair.denies(AcceptType.REJECT, LATER)
        self.assertIs(self.pair.server.state, State.IDLE)
        self.assertEqual(self.pair.requests(), [TestAsked(REQUEST, update=False)])

    def test_every_refusal(self) -> None:
        """Whatever the reason of a refusal, the connection stays usable and holds nothing."""
        for accept in (AcceptType.REJECT, AcceptType.FAILURE, AcceptType.UNSUPPORTED):
            pair = Pair().bring_to(State.RESERVED)
            pair.requests()
            self.assertEqual(pair.denies(accept)[0].accept, accept)
            self.assertIs(pair.client.state, State.IDLE)
            self.assertEqual(pair.requests(), [TestAsked(REQUEST, update=False)])

    def test_foreign_session(self) -> None:
        """An update or a cancel for another session ends the connection."""
        for request in (REQUEST, CANCEL):
            pair = Pair().bring_to(State.RESERVED)
            foreign = replace(request, sid=b"U" * 16)
            self.assertRaises(RemoteProtocolError, pair.requests, foreign)

    def test_foreign_session_by_its_last_octet(self) -> None:
        """All 16 octets of a SID count; C looks at 8 (wire.md 8.2)."""
        for place in range(16):
            pair = Pair().bring_to(State.RESERVED)
            sid = bytearray(SESSION)
            sid[place] ^= 1
            foreign = replace(REQUEST, sid=bytes(sid))
            self.assertRaises(RemoteProtocolError, pair.requests, foreign)

    def test_foreign_session_with_an_unsupported_tool(self) -> None:
        """A request for another session is a violation, whatever else is wrong with it."""
        octets = bytearray(replace(REQUEST, sid=b"U" * 16).encode())
        octets[96:100] = bytes(4)
        self.assertRaises(RemoteProtocolError, self.pair.client_says, bytes(octets))

    def test_any_session_in_a_first_request(self) -> None:
        """Where nothing is held the SID decides nothing; the client daemon takes it as given."""
        pair = Pair().bring_to(State.IDLE)
        request = replace(REQUEST, sid=b"U" * 16, role=Role.CLIENT, tool_port=5001)
        self.assertEqual(pair.requests(request), [TestAsked(request, update=False)])

    def test_cancel_of_what_is_gone(self) -> None:
        """A first request with time 0 asks to give back what is not held; it is denied."""
        pair = Pair().bring_to(State.IDLE)
        self.assertEqual(pair.requests(CANCEL), [CancelAsked(SESSION)])
        pair.denies()
        self.assertIs(pair.client.state, State.IDLE)

    def test_unsupported(self) -> None:
        """Several tools in one request are answered, not dropped; a held reservation is gone."""
        for state in (State.IDLE, State.RESERVED):
            pair = Pair().bring_to(state)
            octets = bytearray(pair.client.request(REQUEST))
            octets[96:100] = b"\0\0\0\3"
            (event,) = pair.client_says(bytes(octets))
            self.assertIsInstance(event, UnsupportedAsked)
            pair.denies(AcceptType.UNSUPPORTED, SLOT)
            self.assertIs(pair.server.state, State.IDLE)

    def test_reservation_at_time_0(self) -> None:
        """An acceptance with time 0 says nothing; the client takes it for a violation."""
        for state in (State.IDLE, State.RESERVED):
            pair = Pair().bring_to(state)
            pair.requests()
            self.assertRaises(RemoteProtocolError, pair.grants, NTPTime(0))

    def test_refused_start(self) -> None:
        """A refused start frees the reservation and leaves the connection usable."""
        self.pair.starts()
        refusal = self.pair.server.refuse_start(AcceptType.FAILURE)
        self.assertEqual(self.pair.server_says(refusal), [StartAck(AcceptType.FAILURE)])
        self.assertEqual(self.pair.requests(), [TestAsked(REQUEST, update=False)])


class StopTests(SynchronousTestCase):
    def test_lengths(self) -> None:
        """Results of any length arrive whole, from either end, with either end first."""
        for mode, length, table in product(MODES, LENGTHS, (CONTROL, PEER)):
            self.exchange(Pair(mode, table=table), bytes(n & 0xFF for n in range(length)))

    def test_octet_by_octet(self) -> None:
        """The same when each octet comes alone."""
        for length in LENGTHS:
            self.exchange(Pair(Mode.ENCRYPTED, size=1), b"x" * length)

    def exchange(self, pair: Pair, output: bytes) -> None:
        pair.bring_to(State.TESTING)
        self.assertEqual(pair.server_stops(output), [Stopped(AcceptType.ACCEPT, output)])
        self.assertEqual(pair.client_stops(output), [Stopped(AcceptType.ACCEPT, output)])
        after = State.IDLE if pair.table is CONTROL else State.CLOSED
        self.assertEqual((pair.server.state, pair.client.state), (after, after))

    def test_crossing(self) -> None:
        """Both ends may stop at once: each has sent its own before it reads the other's."""
        for mode, table, size in product(MODES, (CONTROL, PEER), (0, 1)):
            pair = Pair(mode, table=table, size=size).bring_to(State.TESTING)
            from_client = pair.client.stop(AcceptType.REJECT, b"client")
            from_server = pair.server.stop(AcceptType.FAILURE, b"server")
            heard = [pair.server_says(from_server), pair.client_says(from_client)]
            self.assertEqual(
                heard,
                [[Stopped(AcceptType.FAILURE, b"server")], [Stopped(AcceptType.REJECT, b"client")]],
            )
            self.assertIs(pair.server.state, pair.client.state)

    def test_stop_while_results_arrive(self) -> None:
        """Our stop may go out while the other end's results are still coming in."""
        for mode in MODES:
            pair = Pair(mode).bring_to(State.TESTING)
            octets = pair.client.stop(AcceptType.ACCEPT, b"y" * 1000)
            self.assertEqual(pair.client_says(octets[:500]), [])
            answer = pair.server.stop(AcceptType.ACCEPT, b"z")
            expected = [Stopped(AcceptType.ACCEPT, b"y" * 1000)]
            self.assertEqual(pair.client_says(octets[500:]), expected)
            self.assertEqual(pair.server_says(answer), [Stopped(AcceptType.ACCEPT, b"z")])
            self.assertIs(pair.server.state, State.IDLE)

    def test_one_stop_each(self) -> None:
        """A second StopSession is a violation, by whoever sends it."""
        pair = Pair().bring_to(State.CLIENT_STOPPED)
        self.assertRaises(LocalProtocolError, pair.client.stop, AcceptType.ACCEPT)
        pair = Pair().bring_to(State.SERVER_STOPPED)
        self.assertRaises(LocalProtocolError, pair.server.stop, AcceptType.ACCEPT)
        pair = Pair().bring_to(State.TESTING)
        twice = pair.client.stop(AcceptType.ACCEPT) * 2
        self.assertEqual(len(pair.client_says(twice)), 1)
        self.assertEqual(pair.server_stops(), [Stopped(AcceptType.ACCEPT, b"")])
        self.assertRaises(RemoteProtocolError, pair.server.next_event)


class PeerTests(SynchronousTestCase):
    def test_first_message(self) -> None:
        """A peer agent closes on any first message that is not a TimeRequest (wire.md 6.2)."""
        others = (REQUEST.encode(), b"\2" + bytes(31), b"\3" + bytes(31), b"\5" + bytes(31))
        for octets in others:
            pair = Pair(table=PEER).bring_to(State.IDLE)
            self.assertRaises(RemoteProtocolError, pair.client_says, octets)

    def test_ready(self) -> None:
        """Two agents that both know the extension pass Ready on, also after the client's stop."""
        states = (State.TESTING, State.CLIENT_STOPPED)
        for mode, state, size in product(MODES, states, (0, 1, 16)):
            pair = Pair(mode, table=PEER, size=size, extensions=(3, 5)).bring_to(state)
            self.assertEqual((pair.server.peer_extensions, pair.client.peer_extensions), (1, 1))
            self.assertEqual(pair.server_says(pair.server.ready()), [Ready()])
            self.assertEqual((pair.server.state, pair.client.state), (state, state))
            self.assertEqual(pair.server_stops(b"ok"), [Stopped(AcceptType.ACCEPT, b"ok")])

    def test_ready_that_nobody_knows(self) -> None:
        """Nothing is sent to an agent that did not confirm the extension."""
        for extensions in ((0, 0), (1, 0), (0, 1), (1, 2)):
            pair = Pair(table=PEER, extensions=extensions).bring_to(State.TESTING)
            self.assertEqual(pair.server.peer_extensions, 0)
            self.assertEqual(pair.server.ready(), b"")

    def test_unasked_ready(self) -> None:
        """From an agent that must not send it, Ready is a violation; from a client always."""
        pair = Pair(table=PEER).bring_to(State.TESTING)
        self.assertRaises(RemoteProtocolError, pair.server_says, Ready().encode())
        pair = Pair(table=PEER, extensions=(1, 1)).bring_to(State.TESTING)
        self.assertRaises(RemoteProtocolError, pair.client_says, Ready().encode())

    def test_refused(self) -> None:
        """A refusal ends it for both, on either kind of connection."""
        for table, mode in product((CONTROL, PEER), MODES):
            pair = Pair(mode, table=table).bring_to(State.AUTHENTICATING)
            self.assertEqual(pair.refuses(), [TurnedAway(AcceptType.REJECT)])
            self.assertEqual((pair.server.state, pair.client.state), (State.CLOSED,) * 2)


class CommandTests(SynchronousTestCase):
    """Our own mistakes raise LocalProtocolError, change no state and send nothing."""

    def test_server(self) -> None:
        """Each command of the server outside its states."""
        commands = {
            Message.SERVER_GREETING: lambda s: s.greet(),
            Message.SERVER_OK: lambda s: s.open(TOOLS, STARTED),
            Message.SERVER_REFUSAL: lambda s: s.refuse(AcceptType.REJECT),
            Message.TIME_RESPONSE: lambda s: s.time(NOW, ERROR),
            Message.TEST_ACCEPT: lambda s: s.grant(SLOT, SESSION, 5001),
            Message.TEST_REFUSAL: lambda s: s.deny(AcceptType.REJECT),
            Message.START_ACK: lambda s: s.start(6002),
            Message.START_REFUSAL: lambda s: s.refuse_start(AcceptType.FAILURE),
            Message.SERVER_STOP: lambda s: s.stop(AcceptType.ACCEPT),
        }
        for peer, message in product((False, True), commands):
            self.illegal(peer, message, commands[message], lambda pair: pair.server)

    def test_client(self) -> None:
        """Each command of the client outside its states."""
        commands = {
            Message.CLIENT_GREETING: lambda c: c.greet(),
            Message.TIME_REQUEST: lambda c: c.ask_time(),
            Message.TEST_REQUEST: lambda c: c.request(REQUEST),
            Message.START_SESSION: lambda c: c.start(6001),
            Message.CLIENT_STOP: lambda c: c.stop(AcceptType.ACCEPT),
        }
        for peer, message in product((False, True), commands):
            self.illegal(peer, message, commands[message], lambda pair: pair.client)

    def illegal(self, peer, message, command, end) -> None:  # type: ignore[no-untyped-def]
        table = PEER if peer else CONTROL
        for state in PATHS[peer]:
            if (state, message) not in table:
                session = end(Pair(table=table).bring_to(state))
                self.assertRaises(LocalProtocolError, command, session)
                self.assertIs(session.state, state, message)

    def test_error_leaves_the_cipher_alone(self) -> None:
        """A refused command does not advance the block stream: the talk goes on."""
        pair = Pair(Mode.ENCRYPTED).bring_to(State.IDLE)
        self.assertRaises(LocalProtocolError, pair.client.start, 1)
        self.assertRaises(LocalProtocolError, pair.server.time, NOW, ERROR)
        self.assertEqual(pair.asks_time(), [TimeAsked()])
        self.assertEqual(pair.tells_time(), [TimeResponse(NOW, ERROR)])

    def test_holds_reservation(self) -> None:
        """A client knows when there is something to give back."""
        for peer, path in PATHS.items():
            for state in path:
                pair = Pair(table=PEER if peer else CONTROL).bring_to(state)
                self.assertEqual(pair.client.holds_reservation, state is State.RESERVED)

    def test_may_stop(self) -> None:
        """Whether a stop is due from us, in every state."""
        for peer, path in PATHS.items():
            for state in path:
                pair = Pair(table=PEER if peer else CONTROL).bring_to(state)
                running = state is State.TESTING
                self.assertEqual(pair.server.may_stop, running or state is State.CLIENT_STOPPED)
                self.assertEqual(pair.client.may_stop, running or state is State.SERVER_STOPPED)


class PipelineTests(SynchronousTestCase):
    def test_questions_wait_for_answers(self) -> None:
        """Messages sent without waiting are taken one by one, each after our answer."""
        for mode, size in product(MODES, (0, 1)):
            pair = Pair(mode, size=size).bring_to(State.IDLE)
            stream = pair.client._stream
            burst = b"".join(
                stream.encrypt(plain)
                for plain in (
                    b"\4" + bytes(31),
                    REQUEST.encode(),
                    b"\4" + bytes(31),
                    CANCEL.encode(),
                )
            )
            self.assertEqual(pair.client_says(burst), [TimeAsked()])
            self.assertIsNone(pair.server.next_event())
            pair.server.time(NOW, ERROR)
            self.assertEqual(drain(pair.server), [TestAsked(REQUEST, update=False)])
            pair.server.grant(SLOT, SESSION, 5001)
            self.assertEqual(drain(pair.server), [TimeAsked()])
            pair.server.time(NOW, ERROR)
            self.assertEqual(drain(pair.server), [CancelAsked(SESSION)])
            pair.server.deny(AcceptType.REJECT)
            self.assertEqual(drain(pair.server), [])

    def test_blocks_behind_the_greeting(self) -> None:
        """Encrypted blocks that follow the greeting at once wait for the key."""
        pair = Pair(Mode.ENCRYPTED)
        pair.server_greets()
        (event,) = pair.client_says(pair.client.greet() + bytes(32))
        self.assertIsInstance(event, ClientGreeted)
        self.assertEqual(drain(pair.server), [])

    def test_next_test_behind_the_stop(self) -> None:
        """What follows a client's StopSession waits until we have stopped too."""
        pair = Pair().bring_to(State.TESTING)
        burst = pair.client.stop(AcceptType.ACCEPT) + b"\4" + bytes(31)
        self.assertEqual(pair.client_says(burst), [Stopped(AcceptType.ACCEPT, b"")])
        pair.server.stop(AcceptType.ACCEPT)
        self.assertEqual(drain(pair.server), [TimeAsked()])

    def test_answers_in_one_piece(self) -> None:
        """A StartAck and the StopSession behind it are two events, as after a late start."""
        for mode in MODES:
            pair = Pair(mode).bring_to(State.STARTING)
            both = pair.server.start(6002) + pair.server.stop(AcceptType.FAILURE, b"too late")
            expected = [
                StartAck(AcceptType.ACCEPT, 6002),
                Stopped(AcceptType.FAILURE, b"too late"),
            ]
            self.assertEqual(pair.server_says(both), expected)
