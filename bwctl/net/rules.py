"""What forbids a request here: limits, what is held and used up, the clock, the site's policy."""

from __future__ import annotations

from bwctl.control import timing
from bwctl.limits import policy, starts
from bwctl.limits.counts import pending_denials
from bwctl.limits.policy import Moment
from bwctl.net.application import Application
from bwctl.net.clock import local_time
from bwctl.net.host import Host
from bwctl.net.prospect import Prospect
from bwctl.values import NTPTime, ticks


class Rules:
    """Holds applications against all that may forbid them; answers are sentences for the log."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def moment(self, application: Application) -> Moment:
        """The host's clocks now, the padding that their error makes, the start as local time.

        The last one only where a class looks at it.
        """
        host, request = self._host, application.request
        clock, local_start = host.clock, None
        error, now = clock.error(), clock.now()
        if starts.has_times(application.limit_class):
            local_start = local_time(max(now, request.time))
        return Moment(
            now,
            timing.fuzz(request.error, error, host.overrun),
            local_start=local_start,
            clock_synchronised=clock.synchronised(),
            allow_unsync=host.allow_unsync,
        )

    def against(self, application: Application, prospect: Prospect, moment: Moment) -> list[str]:
        """Everything that forbids a new reservation but the timetable."""
        host, limit_class = self._host, application.limit_class
        denials = [
            *prospect.denials,
            *policy.check_moment(limit_class, moment),
            *pending_denials(limit_class, host.broker.count),
            *host.quotas.denials(limit_class, application.requester, prospect.cost),
        ]
        reasons = [*map(str, denials), *application.objections]
        if reasons:  # alone it is the timetable's to say: its answer names a time
            reasons += self._too_far(application, moment.now, application.request.time)
        return reasons

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
        wanted = application.request.latest or None
        horizon = starts.horizon(application.limit_class)
        if horizon is None:
            return wanted
        allowed = NTPTime(now + ticks(horizon))
        return allowed if wanted is None else min(wanted, allowed)

    def beyond_latest(self, application: Application, now: NTPTime, start: NTPTime) -> list[str]:
        """Why the first free start is too late."""
        latest = application.request.latest
        unwanted = ["busy until after the latest time"] if latest and start > latest else []
        reasons = [*unwanted, *self._too_far(application, now, start)]
        return reasons or ["no free time up to the end of the calendar"]

    def _too_far(self, application: Application, now: NTPTime, start: NTPTime) -> list[str]:
        return [str(one) for one in starts.check_notice(application.limit_class, now, start)]
