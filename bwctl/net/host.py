"""What one daemon, or the local end of a client, is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed

from bwctl.broker.broker import ResourceBroker
from bwctl.broker.ports import PortPool
from bwctl.broker.timetable import Timetable
from bwctl.control.session import MAX_RESULT
from bwctl.control.timing import OVERRUN
from bwctl.interfaces import ClientFacts, ITester
from bwctl.limits.classes import LimitClass, Limits, only_class
from bwctl.limits.keys import Key, KeyRing
from bwctl.limits.policy import classify
from bwctl.net.clock import IClock
from bwctl.net.hooks import HookRunner
from bwctl.net.once import Once
from bwctl.net.plugged import Plugged
from bwctl.net.portcheck import FreePorts, TakePorts
from bwctl.net.process import MAX_OUTPUT
from bwctl.net.quotas import Quotas
from bwctl.net.readings import Readings
from bwctl.net.timers import Timers
from bwctl.values import NTPTime, ToolID
from bwctl.wire.fields import ALL_MODES, Mode

TEST_PORTS = (5202, 5900)  # C's default range, shared by all testers without one of their own

EVERYTHING = only_class(LimitClass(name="local", allow_udp=True, allow_no_endpoint=True))
"""No policy: for an end that serves its own user alone."""


@dataclass(kw_only=True)
class Host:
    """Shared by all control connections of one daemon.

    What may be changed while it runs (limits, keys) is replaced as a whole.
    """

    reactor: Any
    clock: IClock
    timers: Timers
    testers: Mapping[str, ITester]  # all that are known and not disabled, by name
    broker: ResourceBroker = field(default_factory=lambda: ResourceBroker(Timetable()))
    limits: Limits = EVERYTHING
    keys: KeyRing = field(default_factory=KeyRing)
    modes: Mode = ALL_MODES
    allow_unsync: bool = False
    overrun: int = OVERRUN
    commands: Mapping[str, str] = field(default_factory=dict)
    cpus: Mapping[str, str] = field(default_factory=dict)  # by tester
    ports: Mapping[str, PortPool] = field(default_factory=dict)  # by tester; else test_ports
    test_ports: PortPool = field(default_factory=lambda: PortPool(*TEST_PORTS, Random()))  # noqa: S311
    take_ports: TakePorts = field(default_factory=FreePorts)
    peer_ports: Sequence[int] = ()
    started: NTPTime = NTPTime(0)
    max_connections: int = 1000
    max_connections_per_host: int = 32
    handshake_timeout: float = 20.0
    control_timeout: float = 7200.0
    die_by: float = 30.0
    max_result: int = MAX_RESULT
    max_output: int = MAX_OUTPUT
    versions: dict[str, str] = field(default_factory=dict)  # of the testers found here
    hooks: HookRunner | None = None
    plugged: Plugged = field(default_factory=Plugged)
    probed: Once[None] = field(default_factory=Once)  # fires when all testers were looked for
    quotas: Quotas = field(init=False)
    readings: Readings = field(init=False)

    def __post_init__(self) -> None:
        self.quotas = Quotas(self.clock)
        self.readings = Readings(self.reactor, lambda *failed: self.plugged.failed(*failed))

    @property
    def tools(self) -> ToolID:
        """The testers on offer, as ServerOK says it."""
        mask = ToolID.NONE
        for name in self.versions:
            mask |= self.testers[name].tool_id
        return mask

    def tester(self, tool: ToolID) -> ITester | None:
        """A tester that was found here."""
        for name in self.versions:
            if self.testers[name].tool_id == tool:
                return self.testers[name]
        return None

    def pool(self, tester: ITester) -> PortPool:
        """The ports that a tester's server takes."""
        return self.ports.get(tester.name, self.test_ports)

    @property
    def has_keys(self) -> bool:
        """Whether all keys are in `keys`, and nobody else has to be asked."""
        return self.plugged.key_store is None

    def key(self, identity: str) -> Deferred[Key | None]:
        """The key of an identity, from the plugged-in key store or from the key file."""
        if self.plugged.key_store is None:
            return succeed(self.keys.find(identity))
        return self.plugged.key(identity, self.reactor)

    def classify(self, client: ClientFacts) -> LimitClass:
        """The class of a client, by the plugged-in policy or by the limits file.

        Raises:
            PluginFailure: the policy failed.
        """
        chosen = self.plugged.limit_class(client, self.limits)
        names = client.certificate_names
        return chosen or classify(self.limits, client.address, client.user, names)
