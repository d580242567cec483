"""A test as this host would run it: worked out once for each that is asked for again and again.

A client that negotiates asks for the same test in every round, and a mesh for the same few for
weeks; what follows from the test alone need not be found out each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bwctl.interfaces import ITester
from bwctl.limits import policy
from bwctl.limits.classes import LimitClass
from bwctl.limits.denials import Denial
from bwctl.limits.places import place_denials
from bwctl.limits.quota import Cost, cost_of
from bwctl.net.application import Application
from bwctl.net.host import Host
from bwctl.values import Kind, Role, TestSpec, ticks

_MOST_KNOWN = 1024
_LEAST_INTERVAL_MS = 100  # no tester reports more often; C 1.3 and 1.4 clients mean seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What a request brings with it whenever its test is."""

    asked: TestSpec  # its identity is the memory's key, so it has to live as long
    spec: TestSpec  # as it will be run
    tester: ITester
    problems: Sequence[str] = ()  # why no tester could run it
    denials: Sequence[Denial] = ()  # what forbids it to this class and client
    cost: Cost = Cost()  # to quotas
    # Only of what is not forbidden anyway:
    ports: int = 0  # that our end takes from the tester's pool
    datagrams: bool = True  # whether they may be ports of UDP too
    length: int = 0  # of the test, in ticks; padding comes on top


class Prospects:
    """The memory of them; the first request under new limits empties it."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._limits = host.limits  # of the classes in `_known`
        self._known: dict[tuple[object, ...], Prospect] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, application: Application, tester: ITester) -> Prospect:
        """What is known of the test that is asked for."""
        if self._limits is not self._host.limits:
            self._limits = self._host.limits
            self._known.clear()
        # A prospect keeps what it is of alive, so these ids are theirs alone.
        request, asker = application.request, application.asker
        key = (
            id(request.spec),
            id(tester),
            application.limit_class,
            request.role is Role.SERVER,
            asker.local,
            asker.is_inside,
            application.third_party,
        )
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[key] = _prospect(application, tester)
        return known


def _prospect(application: Application, tester: ITester) -> Prospect:
    asked, role = application.request.spec, application.request.role
    limit_class, asker = application.limit_class, application.asker
    spec = _as_run(asked, role, limit_class)
    facts = policy.Facts(
        spec=spec, role=role, local_client=asker.local, third_party=application.third_party
    )
    prospect = Prospect(
        asked=asked,
        spec=spec,
        tester=tester,
        problems=[*tester.problems(spec), *(() if spec.duration else ("a test of 0 seconds",))],
        denials=[*policy.check_test(limit_class, facts), *place_denials(spec, role, asker)],
        cost=cost_of(spec),
    )
    if prospect.problems or prospect.denials:
        return prospect
    return replace(
        prospect,
        ports=tester.ports(spec, role),
        datagrams=_may_use_datagrams(tester, spec),
        length=length_of(spec, tester),
    )


def length_of(spec: TestSpec, tester: ITester) -> int:
    """Ticks that a test takes, without any padding."""
    return ticks(spec.seconds + tester.overtime(spec))


def _as_run(asked: TestSpec, role: Role, limit_class: LimitClass) -> TestSpec:
    spec = _with_seconds(asked)
    if spec.kind is Kind.TRACE and role is spec.sender and not spec.first_ttl:
        first_ttl = policy.minimum_ttl(limit_class)
        return replace(spec, first_ttl=first_ttl) if first_ttl else spec
    return spec


def _with_seconds(spec: TestSpec) -> TestSpec:
    """Read a report interval below what any tester can do as seconds (wire.md 7.2)."""
    if spec.kind is Kind.THROUGHPUT and 0 < spec.report_interval_ms < _LEAST_INTERVAL_MS:
        return replace(spec, report_interval_ms=spec.report_interval_ms * 1000)
    return spec


def _may_use_datagrams(tester: ITester, spec: TestSpec) -> bool:
    """Whether a tester's ports may be ones of UDP too; not if all that it tells is TCP."""
    if spec.udp or spec.kind is not Kind.THROUGHPUT:
        return True
    seen = tester.listens(spec, 0)
    return not seen or any(one.protocol != "tcp" for one in seen)
