"""What comes before the resource broker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bwctl.limits.classes import LimitClass
from bwctl.limits.places import Asker
from bwctl.values import SID
from bwctl.wire.request import TestRequest


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
