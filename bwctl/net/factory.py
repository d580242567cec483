"""All control connections of a daemon: where they are made, and how they end."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory

from bwctl.limits.addresses import plain_address
from bwctl.net.broker import BrokerService
from bwctl.net.connections import Connections
from bwctl.net.control import ControlProtocol
from bwctl.net.host import Host
from bwctl.net.once import Once

_KILLING_S = 5.0  # from the last signal to the point where a stopping daemon waits no longer


class ControlFactory(ServerFactory):
    """Makes the control connections of one daemon, and can end them all."""

    noisy = False

    def __init__(self, host: Host) -> None:
        self.host = host
        self.broker = BrokerService(host)
        self.connections: Connections[ControlProtocol] = Connections()

    def buildProtocol(self, addr: IAddress | None) -> ControlProtocol:
        """A connection from an address; local sockets count as this host."""
        peer = plain_address(getattr(addr, "host", None) or "127.0.0.1")
        protocol = ControlProtocol(self.host, self.broker, peer, self.connections)
        protocol.factory = self
        return protocol

    def recheck(self) -> None:
        """After limits, keys and modes were read anew: end what would not be let in now."""
        for protocol in tuple(self.connections.open):
            protocol.recheck()

    def all_over(self) -> Deferred[list[None]]:
        """Fires when all that there is now is gone: connections, testers, exchanges of results."""
        waits: list[Deferred[Any]] = [one.gone.wait() for one in self.connections.open]
        waits += [agent.over.wait() for agent in self.connections.agents]
        return gatherResults(waits)

    async def drain(self) -> None:
        """Close every connection; over when no process of any test is left.

        Tests that run get `die_by` seconds to come to their end; those that wait get none. Results
        of those that have ended still go out.
        """
        running = [one for one in self.connections.open if one.agent and one.agent.ran]
        for protocol in self.connections.open - set(running):
            if protocol.agent is None:
                protocol.finish()
            else:
                protocol.abort()
        over: Once[None] = Once()
        timers = [
            self.host.timers.after(self.host.die_by, self._abort_all),
            self.host.timers.after(self.host.die_by + _KILLING_S, over.fire, None),
        ]
        # Also those whose control connections went away before.
        agents = {*self.connections.agents, *(one.agent for one in running if one.agent)}
        ended = gatherResults([agent.finished.wait() for agent in agents])
        ended.addBoth(lambda _: over.fire(None))
        await over.wait()
        for timer in timers:
            timer.cancel()
        await self._flush_all()

    async def _flush_all(self) -> None:
        """Close what is left; results that were just written still go out."""
        gone = [protocol.gone.wait() for protocol in self.connections.open]
        for protocol in tuple(self.connections.open):
            protocol.finish()
        await gatherResults(gone)

    def _abort_all(self) -> None:
        for protocol in tuple(self.connections.open):
            protocol.abort()
