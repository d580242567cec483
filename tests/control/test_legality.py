"""The tables against the rows of wire.md 4.1 and 6.2, written down here once more by hand."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.legality import CONTROL, PEER, Message, State, Table, advance
from bwctl.errors import LocalProtocolError, RemoteProtocolError

FROM_CLIENT = {
    "ClientGreeting",
    "TimeRequest",
    "TestRequest",
    "StartSession",
    "StopSession from the client",
}

# The specification counts pairs of question and answer; between them the answer is due.
HANDSHAKE = """
    OPENED          ServerGreeting                 GREETED
    GREETED         ClientGreeting                 AUTHENTICATING
    AUTHENTICATING  ServerOK                       IDLE
    AUTHENTICATING  ServerOK with a refusal        CLOSED
"""
CONTROL_ROWS = (
    HANDSHAKE
    + """
    IDLE            TimeRequest                    IDLE_TIMING
    IDLE_TIMING     TimeResponse                   IDLE
    IDLE            TestRequest                    REQUESTING
    REQUESTING      TestAccept                     RESERVED
    REQUESTING      TestAccept with a refusal      IDLE
    RESERVED        TimeRequest                    RESERVED_TIMING
    RESERVED_TIMING TimeResponse                   RESERVED
    RESERVED        TestRequest                    REQUESTING
    RESERVED        StartSession                   STARTING
    STARTING        StartAck                       TESTING
    STARTING        StartAck with a refusal        IDLE
    TESTING         StopSession from the client    CLIENT_STOPPED
    TESTING         StopSession from the server    SERVER_STOPPED
    CLIENT_STOPPED  StopSession from the server    IDLE
    SERVER_STOPPED  StopSession from the client    IDLE
"""
)
# "Ready" is no message of C: one way, server to client, and only before the server's stop.
PEER_ROWS = (
    HANDSHAKE
    + """
    IDLE            TimeRequest                    IDLE_TIMING
    IDLE_TIMING     TimeResponse                   TESTING
    TESTING         Ready                          TESTING
    CLIENT_STOPPED  Ready                          CLIENT_STOPPED
    TESTING         StopSession from the client    CLIENT_STOPPED
    TESTING         StopSession from the server    SERVER_STOPPED
    CLIENT_STOPPED  StopSession from the server    CLOSED
    SERVER_STOPPED  StopSession from the client    CLOSED
"""
)


def rows(text: str) -> dict[tuple[str, str], str]:
    """State and message to the state that follows."""
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        state, *message, after = line.split()
        found[state, " ".join(message)] = after
    return found


class TableTests(SynchronousTestCase):
    def test_control(self) -> None:
        """On a control connection exactly the rows of wire.md 4.1 are legal."""
        self.compare(CONTROL, rows(CONTROL_ROWS))

    def test_peer(self) -> None:
        """Between peer agents exactly the sequence of wire.md 6.2 is legal, and Ready."""
        self.compare(PEER, rows(PEER_ROWS))

    def compare(self, table: Table, legal: dict[tuple[str, str], str]) -> None:
        for state, message, as_server in product(State, Message, (True, False)):
            where = f"{message.value} in {state.name}"
            after = legal.get((state.name, message.value))
            if after is not None:
                found = advance(table, state, message, as_server=as_server)
                self.assertIs(found, State[after], where)
                continue
            sent_by_them = (message.value in FROM_CLIENT) == as_server
            blame = RemoteProtocolError if sent_by_them else LocalProtocolError
            error = self.assertRaises(blame, advance, table, state, message, as_server=as_server)
            self.assertIn(message.value, str(error), where)
            self.assertIn(state.name, str(error), where)

    def test_direction(self) -> None:
        """Who sends a message is known for each."""
        self.assertEqual({m.value for m in Message if m.from_client}, FROM_CLIENT)

    def test_ways(self) -> None:
        """Every state but the last has a way out, and every one can be reached."""
        for table, unused in ((CONTROL, set()), (PEER, PEER_UNUSED)):
            reached, left = {State.OPENED, *table.values()}, {state for state, _ in table}
            self.assertEqual(set(State) - reached, unused)
            self.assertEqual(set(State) - left, unused | {State.CLOSED})


PEER_UNUSED = {State.REQUESTING, State.RESERVED, State.RESERVED_TIMING, State.STARTING}
