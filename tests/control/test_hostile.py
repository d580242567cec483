"""Whatever arrives, in whatever state: RemoteProtocolError or nothing, and bounded memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.client import ClientSession, Identity, NoCommonMode
from bwctl.control.legality import CONTROL, PEER, Message, State, advance
from bwctl.control.server import (
    CancelAsked,
    ClientGreeted,
    ServerSession,
    StartAsked,
    TestAsked,
    TimeAsked,
    UnsupportedAsked,
)
from bwctl.errors import AcceptType, RemoteProtocolError
from bwctl.values import NTPTime
from bwctl.wire.fields import ALL_MODES, Mode
from bwctl.wire.messages import (
    Ready,
    StartAck,
    StartSession,
    StopSession,
    TestAccept,
    TimeRequest,
    TimeResponse,
    encode_stop,
)
from tests.control.replay import ClientPlayer, Player, Recording, ServerPlayer, recordings
from tests.support.damage import DAMAGES
from tests.support.sessions import (
    CANCEL,
    ERROR,
    KEY,
    NOW,
    PATHS,
    REQUEST,
    SESSION,
    SLOT,
    STARTED,
    TOOLS,
    Pair,
    drain,
    pump,
)
from tests.wire.strategies import quiet

KILO, MEGA = 1024, 1024 * 1024
EVERY_STATE = [(table, state) for table in (CONTROL, PEER) for state in PATHS[table is PEER]]
ENDS: list[Callable[[Pair], Any]] = [lambda pair: pair.server, lambda pair: pair.client]


def respond(session: ServerSession, event: Any) -> None:
    """Answer a client as an obliging daemon does."""
    if isinstance(event, ClientGreeted):
        if session.verify(KEY):
            session.open(TOOLS, STARTED)
        else:
            session.refuse(AcceptType.REJECT)
    elif isinstance(event, TimeAsked):
        session.time(NOW, ERROR)
    elif isinstance(event, TestAsked):
        session.grant(event.request.time, event.request.sid, 5001)
    elif isinstance(event, CancelAsked | UnsupportedAsked):
        session.deny(AcceptType.REJECT)
    elif isinstance(event, StartAsked):
        session.start(6002)
    elif session.may_stop:
        session.stop(AcceptType.ACCEPT)


def serve(session: ServerSession, octets: bytes) -> None:
    """Feed octets and answer everything that comes of them."""
    events = pump(session, octets)
    while events:
        respond(session, events.pop(0))
        events += drain(session)


# Messages of both ends in open mode, as a stranger would string them together.
FROM_CLIENT = {
    Message.TIME_REQUEST: TimeRequest().encode(),
    Message.TEST_REQUEST: REQUEST.encode(),
    Message.START_SESSION: StartSession(7).encode(),
    Message.CLIENT_STOP: encode_stop(AcceptType.ACCEPT, b"text"),
}
FRAGMENTS = [
    *FROM_CLIENT.values(),
    CANCEL.encode(),
    TimeResponse(NOW, ERROR).encode(),
    TestAccept(AcceptType.ACCEPT, SLOT, SESSION).encode(),
    TestAccept(AcceptType.REJECT).encode(),
    StartAck(AcceptType.ACCEPT, 7).encode(),
    StopSession(AcceptType.ACCEPT, 40).encode(),
    StopSession(AcceptType.ACCEPT, 0xFFFFFFFF).encode(),
    Ready().encode(),
    bytes(32),
    b"\1",
]
hostile_streams = st.lists(
    st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=200)), max_size=6
)


class AnyOctetsTests(SynchronousTestCase):
    def test_any_state(self) -> None:
        """Any octets, in any state, mode and role, do no worse than break the protocol."""
        for (table, state), mode in product(EVERY_STATE, (Mode.OPEN, Mode.ENCRYPTED)):
            self.any_octets(lambda m=mode, t=table, s=state: Pair(m, table=t).bring_to(s))

    def any_octets(self, make: Callable[[], Pair]) -> None:
        @settings(quiet, max_examples=30)
        @given(hostile_streams)
        def check(stream: list[bytes]) -> None:
            server, client = make().server, make().client
            for octets in stream:
                if not survives(lambda o=octets: serve(server, o)):
                    break
            for octets in stream:
                if not survives(lambda o=octets: pump(client, o)):
                    break

        check()

    @quiet
    @given(st.lists(st.sampled_from(list(FROM_CLIENT)), max_size=12), st.booleans())
    def test_order_of_messages(self, messages: list[Message], peer: bool) -> None:
        """Well-formed messages in any order: the server takes just those that the table has."""
        table = PEER if peer else CONTROL
        pair = Pair(table=table).bring_to(State.IDLE)
        state = State.IDLE
        for message in messages:
            legal = (state, message) in table
            if state is not State.CLOSED:
                found = survives(lambda m=message: serve(pair.server, FROM_CLIENT[m]))
                self.assertEqual(found, legal, f"{message} in {state}")
            if not legal:
                return
            state = advance(table, state, message, as_server=True)
            state = self.answered(table, state)
            self.assertIs(pair.server.state, state)

    def answered(self, table: Any, state: State) -> State:
        yes = {
            State.IDLE_TIMING: Message.TIME_RESPONSE,
            State.RESERVED_TIMING: Message.TIME_RESPONSE,
            State.REQUESTING: Message.TEST_ACCEPT,
            State.STARTING: Message.START_ACK,
            State.CLIENT_STOPPED: Message.SERVER_STOP,
        }
        return table[state, yes[state]] if state in yes else state

    def test_type_octets(self) -> None:
        """In each state only the type octets of wire.md 4.1 are taken, others end it at once."""
        legal = {
            State.IDLE: {1, 4},
            State.RESERVED: {1, 2, 4},
            State.TESTING: {3},
            State.SERVER_STOPPED: {3},
        }
        for state, types in legal.items():
            taken = {t for t in range(256) if self.takes(state, bytes([t]) + bytes(15))}
            self.assertEqual(taken, types, state)

    def takes(self, state: State, block: bytes) -> bool:
        server = Pair().bring_to(state).server
        return survives(lambda: pump(server, block))


class MutationTests(SynchronousTestCase):
    """Recorded streams with something wrong in them, against the end they were meant for."""

    def test_server(self) -> None:
        """A daemon survives a damaged client."""
        self.mutate("c2s", ServerPlayer)

    def test_client(self) -> None:
        """A client survives a damaged daemon."""
        self.mutate("s2c", ClientPlayer)

    def mutate(self, direction: str, player: Callable[[Recording], Player]) -> None:
        broken = 0
        playable = [r for r in recordings() if r.connection.scenario != "protocol_violations"]
        for recording in playable:
            stream = recording.connection.stream(direction)
            dice = random.Random(recording.name)
            for n in range(4 * len(DAMAGES)):
                damaged = bytearray(stream)
                DAMAGES[n % len(DAMAGES)](damaged, dice)
                size = dice.choice((0, 0, 1, 16, 50))
                one = player(recording).skip(unsayable)
                if not survives(lambda o=one, d=damaged, s=size: o.play(bytes(d), s)):
                    broken += 1
        self.assertGreater(broken, len(playable) * 5, "the damage was hardly noticed")


def unsayable(player: Player, name: str, plain: bytes) -> bool:
    """Whether a recorded message is none that our end could say: C's defects."""
    return not survives(lambda: player.answer(name, plain))


class MemoryTests(SynchronousTestCase):
    def test_garbage(self) -> None:
        """Octets without end are refused before half a megabyte of them is kept."""
        for (table, state), end, octet in product(EVERY_STATE, ENDS, (0, 3, 0xFF)):
            session = end(Pair(table=table).bring_to(state))
            self.assertLess(swallowed(session, bytes([octet]) * (16 * KILO)), MEGA // 2)

    def test_announced_results(self) -> None:
        """Results above the bound are refused when they are announced, not when they came."""
        for end, table in product(ENDS, (CONTROL, PEER)):
            for length, taken in ((999, True), (1000, True), (1001, False), (0xFFFFFFFF, False)):
                session = end(Pair(table=table, max_result=1000).bring_to(State.TESTING))
                octets = StopSession(AcceptType.ACCEPT, length).encode()
                self.assertEqual(survives(lambda s=session, o=octets: pump(s, o)), taken, length)

    def test_large_results(self) -> None:
        """Results up to the bound arrive in network-sized pieces; what follows them is bounded."""
        output = bytes(range(256)) * (2 * KILO)  # 512 KiB
        for end in ENDS:
            session = end(Pair(max_result=len(output)).bring_to(State.TESTING))
            octets = encode_stop(AcceptType.ACCEPT, output)
            (event,) = pump(session, octets, 16 * KILO)
            self.assertEqual(event.output, output)
            self.assertLess(swallowed(session, bytes(16 * KILO)), 2 * MEGA)

    def test_results_behind_the_bound(self) -> None:
        """While results come in, no more is kept than was announced and one read."""
        session = Pair(table=PEER).bring_to(State.TESTING).server
        pump(session, StopSession(AcceptType.ACCEPT, 100_000).encode())
        self.assertLess(swallowed(session, b"\xff" * (16 * KILO)), MEGA // 2)

    def test_first_words(self) -> None:
        """A stranger who never finishes a greeting, or a ServerOK, is bounded too."""
        server = ServerSession(ALL_MODES)
        server.greet()
        self.assertLess(swallowed(server, bytes(16 * KILO)), MEGA // 2)
        client = ClientSession(Identity())
        self.assertLess(swallowed(client, bytes(16 * KILO)), MEGA // 2)


def swallowed(session: Any, piece: bytes) -> int:
    """Octets taken until the session refuses more, at most 8 MiB."""
    total = 0
    while total < 8 * MEGA and survives(lambda: pump(session, piece)):
        total += len(piece)
    return total


def survives(action: Callable[[], object]) -> bool:
    """Whether it went well; False if the other end broke the protocol or offers no mode."""
    try:
        action()
    except (RemoteProtocolError, NoCommonMode):
        return False
    return True


class UntrustedValuesTests(SynchronousTestCase):
    def test_user_names(self) -> None:
        """Names that are no text become a user that nobody has, not an error."""
        for name in (b"\xff" * 16, b"a\0b", b"\0", bytes(range(0x80, 0x90))):
            session = ServerSession(ALL_MODES)
            session.greet()
            greeting = b"\6\0\0\2" + name.ljust(16, b"\0") + bytes(48)
            (event,) = pump(session, greeting)
            self.assertIsInstance(event.user, str)
            self.assertFalse(session.verify(None))

    def test_grant_of_any_request(self) -> None:
        """The largest and the smallest time come through as they are."""
        for time in (1, (1 << 64) - 1):
            pair = Pair().bring_to(State.IDLE)
            pair.requests()
            (answer,) = pair.grants(NTPTime(time))
            self.assertEqual(answer.start, time)
