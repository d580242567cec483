"""Limits classes: a tree in which no class allows more than its parent. Source: daemon.md 2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from bwctl.limits.addresses import AddressTable
from bwctl.values import ToolID


class Sense(Enum):
    """What the value of a limit means; says how it is written, inherited and checked."""

    AT_MOST = "upper bound; 0 = none, then only the ancestors' bounds hold"
    HORIZON = "upper bound; 0 in a class lifts its parent's (C), so it is refused"
    AT_LEAST = "lower bound; 0 = none"
    PERMISSION = "on or off"
    CHOICE = "testers joined with +; not given = all"
    HOURS = "times of the day joined with +; not given = all"
    DAYS = "days of the week joined with +; not given = all"
    FIRST_DAY = "a date; not given = all days"
    LAST_DAY = "a date; not given = all days"


KNOWN_TO_C: Final[Mapping[str, Sense]] = MappingProxyType(
    {
        "duration": Sense.AT_MOST,
        "bandwidth": Sense.AT_MOST,
        "pending": Sense.AT_MOST,
        "event_horizon": Sense.HORIZON,
        "max_time_error": Sense.AT_MOST,
        "minimum_ttl": Sense.AT_LEAST,
        "allow_open_mode": Sense.PERMISSION,
        "allow_tcp": Sense.PERMISSION,
        "allow_udp": Sense.PERMISSION,
        "allow_no_endpoint": Sense.PERMISSION,
    }
)
"""The limits that files of C installations have."""

LIMITS: Final[Mapping[str, Sense]] = MappingProxyType(
    {
        **KNOWN_TO_C,
        "allow_throughput": Sense.PERMISSION,
        "allow_latency": Sense.PERMISSION,
        "allow_trace": Sense.PERMISSION,
        "allow_third_party": Sense.PERMISSION,
        "testers": Sense.CHOICE,
        "max_streams": Sense.AT_MOST,
        "max_connections": Sense.AT_MOST,
        "rate_tcp": Sense.AT_MOST,
        "tests_per_hour": Sense.AT_MOST,
        "tests_per_day": Sense.AT_MOST,
        "seconds_per_day": Sense.AT_MOST,
        "bytes_per_day": Sense.AT_MOST,
        "hours": Sense.HOURS,
        "days": Sense.DAYS,
        "first_day": Sense.FIRST_DAY,
        "last_day": Sense.LAST_DAY,
    }
)

Value = int | bool | ToolID | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LimitClass:
    """One class; values that it does not give itself are copies of its parent's.

    Integers: 0 = no bound here. Two classes are equal only if they are the same object.
    """

    name: str
    parent: LimitClass | None = field(default=None, repr=False)
    duration: int = 0  # seconds
    bandwidth: int = 0  # bit/s, UDP
    pending: int = 0  # reservations held at a time, the descendants' included
    event_horizon: int = 0  # seconds from now to the start
    max_time_error: int = 0  # seconds
    minimum_ttl: int = 0
    allow_open_mode: bool = True
    allow_tcp: bool = True
    allow_udp: bool = False
    allow_no_endpoint: bool = False
    allow_throughput: bool = True
    allow_latency: bool | None = None  # None: as allow_tcp
    allow_trace: bool | None = None  # None: as allow_tcp
    allow_third_party: bool = True
    testers: ToolID = ToolID.NONE  # NONE: all
    max_streams: int = 0  # of one throughput test
    max_connections: int = 0  # control connections at a time, the descendants' included
    rate_tcp: int = 0  # bit/s
    tests_per_hour: int = 0  # this and the next three: of one requester (bwctl.limits.quota)
    tests_per_day: int = 0
    seconds_per_day: int = 0
    bytes_per_day: int = 0
    hours: int = 0  # mask of minutes of the day (bwctl.limits.periods); 0: all
    days: int = 0  # mask of days, Monday first; 0: all
    first_day: int = 0  # as date.toordinal; 0: no first one
    last_day: int = 0
    widened: frozenset[str] = frozenset()  # limits in which it exceeds its parent, as C permits
    _binding: dict[str, tuple[LimitClass, ...]] = field(
        default_factory=dict, init=False, repr=False
    )
    _accounts: list[str] = field(default_factory=list, init=False, repr=False)
    _given: dict[tuple[str, ...], tuple[str, ...]] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def accounts(self) -> tuple[str, ...]:
        """Names of the classes on which what its clients hold counts, worked out once."""
        if not self._accounts:
            self._accounts.extend(one.name for one in self.lineage())
        return tuple(self._accounts)

    def lineage(self) -> Iterator[LimitClass]:
        """The class, its parent and so on up to the root."""
        limit_class: LimitClass | None = self
        while limit_class is not None:
            yield limit_class
            limit_class = limit_class.parent

    def bounds(self, limit: str) -> Iterator[LimitClass]:
        """The classes whose value of a limit binds this one.

        All up to the root; with `strict_limits off` no further than to the class that widened it.
        """
        for limit_class in self.lineage():
            yield limit_class
            if limit_class.governing(limit) in limit_class.widened:
                break

    def binding(self, limit: str) -> tuple[LimitClass, ...]:
        """Those of `bounds` that can forbid anything: they give a value, or withhold a permission.

        Worked out once, as every request asks for a dozen limits of which few are given.
        """
        found = self._binding.get(limit)
        if found is None:
            withheld = LIMITS[limit] is Sense.PERMISSION
            found = self._binding[limit] = tuple(
                bound
                for bound in self.bounds(limit)
                if (not bound.allows(limit) if withheld else getattr(bound, limit))
            )
        return found

    def given(self, limits: tuple[str, ...]) -> tuple[str, ...]:
        """Those of some limits that can forbid anything; worked out once, as `binding`."""
        found = self._given.get(limits)
        if found is None:
            found = self._given[limits] = tuple(filter(self.binding, limits))
        return found

    def governing(self, limit: str) -> str:
        """The limit itself, or `allow_tcp` where a kind of test has no permission of its own."""
        return "allow_tcp" if getattr(self, limit) is None else limit

    def allows(self, permission: str) -> bool:
        """Whether the class itself grants a permission; its ancestors have to grant it too."""
        return bool(getattr(self, self.governing(permission)))


def is_wider(limit: str, child: LimitClass, parent: LimitClass) -> bool:
    """Whether a class permits what its parent does not, in a way that C lets pass."""
    mine: int = getattr(child, limit) or 0
    bound: int = getattr(parent, limit) or 0
    match LIMITS[limit]:
        case Sense.PERMISSION:
            return child.allows(limit) and not parent.allows(limit)
        case Sense.CHOICE | Sense.HOURS | Sense.DAYS:
            return bound != 0 and mine & ~bound != 0
        case Sense.HORIZON:
            return mine == 0 < bound
        case Sense.AT_LEAST | Sense.FIRST_DAY:
            return mine < bound
        case Sense.AT_MOST | Sense.LAST_DAY:
            return False


def strictest(limit: str, child: LimitClass, parent: LimitClass) -> Value:
    """What holds of a value that is wider than the parent's.

    Of testers, hours and days it is what both allow; where that is nothing the class keeps what
    it says, and the check of its ancestors forbids all of it.
    """
    mine: int = getattr(child, limit) or 0
    bound: int = getattr(parent, limit) or 0
    match LIMITS[limit]:
        case Sense.PERMISSION:
            return False
        case Sense.CHOICE | Sense.HOURS | Sense.DAYS:
            return mine & bound or mine
        case _:
            return bound


def is_too_large(limit: str, child: LimitClass, parent: LimitClass) -> bool:
    """Whether an upper bound has to be cut to the parent's."""
    if LIMITS[limit] not in (Sense.AT_MOST, Sense.HORIZON, Sense.LAST_DAY):
        return False
    return bool(0 < getattr(parent, limit) < getattr(child, limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All classes, and who belongs to which."""

    classes: Mapping[str, LimitClass]  # in the order of the file, the root first
    default: LimitClass
    users: Mapping[str, LimitClass]
    networks: AddressTable[LimitClass]
    certificates: Mapping[str, LimitClass] = field(default_factory=dict)  # by DNS:name and so on

    @property
    def root(self) -> LimitClass:
        """The class above all others."""
        return next(iter(self.classes.values()))


def only_class(limit_class: LimitClass) -> Limits:
    """Limits in which everybody is in one class."""
    return Limits(
        classes=MappingProxyType({limit_class.name: limit_class}),
        default=limit_class,
        users=MappingProxyType({}),
        networks=AddressTable(),
    )


BUILT_IN: Final = LimitClass(name="default", duration=30, max_time_error=10)
"""The class of everybody where no limit is given. Source: daemon.md 2.6."""
