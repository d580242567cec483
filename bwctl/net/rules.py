"""What forbids a request here: limits, what is held and used up, the clock, the site's policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bwctl.control import timing
from bwctl.limits import policy, starts
from bwctl.limits.classes import LimitClass
from bwctl.limits.counts import pending_denials
from bwctl.limits.denials import Denial
from bwctl.limits.places import Asker, place_denials
from bwctl.net.clock import local_time
from bwctl.net.host import Host
from bwctl.values import SID, NTPTime, Role, TestSpec, ticks
from bwctl.wire.request import TestRequest

_MOST_KNOWN = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A request for a time slot and who makes it."""

    request: TestRequest
    sid: SID
    limit_class: LimitClass
    rtt: float  # bound of the round trip to the control client, seconds
    asker: Asker
    third_party: bool  # the control client is at neither end of the test
    client: str  # for the log
    objections: Sequence[str] = ()  # of the site's own policy
    requester: str = ""  # whose quotas count (bwctl.limits.quota)


class Moment(NamedTuple):
    """The host's clock as it is when a request is looked at; reading it takes its time."""

    now: NTPTime
    fuzz: int  # the padding F, in ticks


class Rules:
    """Holds applications against all that may forbid them; answers are sentences for the log."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._limits = host.limits  # of the classes in `_known`
        self._known: dict[tuple[object, ...], tuple[TestSpec, list[Denial]]] = {}

    def moment(self, application: Application) -> Moment:
        """The time, and the padding that the error of the clock makes now."""
        clock = self._host.clock
        fuzz = timing.fuzz(application.request.error, clock.error(), self._host.overrun)
        return Moment(clock.now(), fuzz)

    def against(self, application: Application, spec: TestSpec, moment: Moment) -> list[str]:
        """Everything that forbids a new reservation but the timetable."""
        host, limit_class = self._host, application.limit_class
        local_start = None
        if starts.has_times(limit_class):
            local_start = local_time(max(moment.now, application.request.time))
        facts = policy.Facts(
            spec=spec,
            role=application.request.role,
            fuzz=moment.fuzz,
            now=moment.now,
            local_start=local_start,
            local_client=application.asker.local,
            third_party=application.third_party,
            clock_synchronised=host.clock.synchronised(),
            allow_unsync=host.allow_unsync,
        )
        denials = [
            *self._against_test(application, facts),
            *policy.check_moment(limit_class, facts),
            *pending_denials(limit_class, host.broker.count),
            *host.quotas.denials(limit_class, application.requester, spec),
        ]
        reasons = [*map(str, denials), *application.objections]
        if reasons:  # alone it is the timetable's to say: its answer names a time
            reasons += self._too_far(application, facts.now, application.request.time)
        return reasons

    def _against_test(self, application: Application, facts: policy.Facts) -> list[Denial]:
        """What forbids a test whenever it is; worked out once for each that is asked for again.

        The test as it will be run follows from the one asked for, class and role.
        """
        if self._limits is not self._host.limits or len(self._known) >= _MOST_KNOWN:
            self._limits = self._host.limits
            self._known.clear()
        asked, asker = application.request.spec, application.asker
        key = (
            id(asked),
            application.limit_class,
            facts.role is Role.SERVER,
            asker.local,
            asker.is_inside,
            application.third_party,
        )
        known = self._known.get(key)
        if known is None:
            denials = [
                *policy.check_test(application.limit_class, facts),
                *place_denials(facts.spec, facts.role, asker),
            ]
            known = self._known[key] = (asked, denials)  # as long as it is kept its id is its own
        return known[1]

    def against_move(self, application: Application, moment: Moment) -> list[str]:
        """Everything that forbids to move a reservation but the timetable."""
        padding = policy.check_padding(application.limit_class, moment.fuzz)
        outside = self.outside(application, application.request.time)
        return [*map(str, padding), *outside, *application.objections]

    def outside(self, application: Application, start: NTPTime) -> list[str]:
        """Why a test may not start at a time, or now if that is past: hours and days."""
        if not starts.has_times(application.limit_class):
            return []
        local = local_time(max(self._host.clock.now(), start))
        return [str(one) for one in starts.check_start(application.limit_class, local)]

    def latest(self, application: Application, now: NTPTime) -> NTPTime | None:
        """The latest start that the client wants and its class allows; None: any."""
        bounds = [application.request.latest] if application.request.latest else []
        horizon = starts.horizon(application.limit_class)
        if horizon is not None:
            bounds.append(NTPTime(now + ticks(horizon)))
        return min(bounds, default=None)

    def beyond_latest(self, application: Application, now: NTPTime, start: NTPTime) -> list[str]:
        """Why the first free start is too late."""
        latest = application.request.latest
        unwanted = ["busy until after the latest time"] if latest and start > latest else []
        reasons = [*unwanted, *self._too_far(application, now, start)]
        return reasons or ["no free time up to the end of the calendar"]

    def _too_far(self, application: Application, now: NTPTime, start: NTPTime) -> list[str]:
        return [str(one) for one in starts.check_notice(application.limit_class, now, start)]
