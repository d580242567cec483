"""What stands in for a daemon at the tester's server, where -E says that there may be none.

Source: clients.md 11. Unlike C's, it runs no tester of its own and is always free.
"""

from __future__ import annotations

import os
from typing import Final

from bwctl.control.client import Opened
from bwctl.errors import AcceptType
from bwctl.net.clock import IClock
from bwctl.values import SID, SID_SIZE, ToolID
from bwctl.wire.fields import PROTOCOL_VERSION
from bwctl.wire.messages import StartAck, TestAccept, TimeResponse
from bwctl.wire.request import TestRequest

EVERY_TOOL: Final = ToolID(0xFFFF_FFFF)  # those of plug-ins too


class StandIn:
    """Agrees to any time and any tester; nothing is connected, nothing has to be given back."""

    version: Final = PROTOCOL_VERSION
    holds_reservation: Final = False
    usable: Final = True
    rtt: Final = 0.0

    def __init__(self, clock: IClock) -> None:
        self._clock = clock
        self._sid = SID(os.urandom(SID_SIZE))
        self.opened = Opened(EVERY_TOOL, clock.now())

    async def time(self) -> TimeResponse:
        """Our own clock."""
        return TimeResponse(self._clock.now(), self._clock.error())

    async def request(self, request: TestRequest) -> TestAccept:
        """The time asked for, and a session id for each test."""
        if request.sid != self._sid:
            self._sid = SID(os.urandom(SID_SIZE))
        return TestAccept(AcceptType.ACCEPT, request.time, self._sid)

    async def start(self, peer_port: int, protected: bool = False) -> StartAck:
        """No peer connection."""
        return StartAck(AcceptType.ACCEPT, 0)

    def close(self) -> None:
        """There is nothing to close."""
