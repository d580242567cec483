"""A request for a time slot as the resource broker sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bwctl.limits.classes import LimitClass
from bwctl.limits.places import Asker
from bwctl.values import SID
from bwctl.wire.request import TestRequest


@dataclass(slots=True, kw_only=True)
class Application:
    """A request for a time slot and who makes it."""

    request: Final[TestRequest]
    sid: Final[SID]
    limit_class: Final[LimitClass]
    rtt: Final[float]  # bound of the round trip to the control client, seconds
    asker: Final[Asker]
    third_party: Final[bool]  # the control client is at neither end of the test
    client: Final[str]  # for the log
    objections: Final[Sequence[str]] = ()  # of the site's own policy
    requester: Final[str] = ""  # whose quotas count (bwctl.limits.quota)
