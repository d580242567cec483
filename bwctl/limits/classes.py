"""Limits classes: a tree in which no class allows more than its parent. Source: daemon.md 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from bwctl.limits.addresses import AddressTable
from bwctl.limits.grammar import hint, scaled_integer, shown
from bwctl.limits.periods import read_days, read_hours, write_days, write_hours
from bwctl.values import PLUGGED_TOOLS, ToolID, single_tools, tool_name


class Sense(Enum):
    """What the value of a limit means; says how it is written, inherited and checked."""

    AT_MOST = "upper bound; 0 = none, then only the ancestors' bounds hold"
    HORIZON = "upper bound; 0 in a class lifts its parent's (C), so it is refused"
    AT_LEAST = "lower bound; 0 = none"
    PERMISSION = "on or off"
    CHOICE = "testers joined with +; not given = all"
    HOURS = "times of the day joined with +; not given = all"
    DAYS = "days of the week joined with +; not given = all"


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
    }
)

Value = int | bool | ToolID | None

TESTERS: Final[Mapping[str, ToolID]] = MappingProxyType(
    {tool_name(tool): tool for tool in ToolID if tool}
)
"""Testers by the name that configuration keys and -T use."""


def tester_names(tools: ToolID) -> str:
    """Names of testers as the limit `testers` writes them."""
    return "+".join(map(tool_name, single_tools(tools)))


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
    widened: frozenset[str] = frozenset()  # limits in which it exceeds its parent, as C permits

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
        case Sense.AT_LEAST:
            return mine < bound
        case Sense.AT_MOST:
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
    """Whether an integer has to be cut to the parent's."""
    if LIMITS[limit] not in (Sense.AT_MOST, Sense.HORIZON):
        return False
    return bool(0 < getattr(parent, limit) < getattr(child, limit))


def read_value(limit: str, word: str) -> Value:
    """The value of a limit from the word in the file; ValueError if it is none."""
    return _READERS[LIMITS[limit]](word)


def _read_on_off(word: str) -> bool:
    try:
        return _ON_OFF[word.lower()]
    except KeyError:
        raise ValueError(f"{shown(word)} is neither on nor off") from None


def _read_testers(word: str) -> ToolID:
    tools = ToolID.NONE
    for name in word.lower().split("+"):
        tool = TESTERS.get(name) or _PLUGGED.get(name)
        if tool is None:
            raise ValueError(f"unknown tester {shown(name)}{hint(name, TESTERS)}")
        tools |= tool
    return tools


_PLUGGED: Final = {
    tool_name(tool): tool for tools in PLUGGED_TOOLS.values() for tool in single_tools(tools)
}
"""Bits for the testers of other packages, whose names are not known here: `0x10000`."""


_ON_OFF: Final = {"on": True, "off": False}
_READERS: Final[Mapping[Sense, Callable[[str], Value]]] = {
    Sense.AT_MOST: scaled_integer,
    Sense.HORIZON: scaled_integer,
    Sense.AT_LEAST: scaled_integer,
    Sense.PERMISSION: _read_on_off,
    Sense.CHOICE: _read_testers,
    Sense.HOURS: read_hours,
    Sense.DAYS: read_days,
}


def format_value(limit: str, value: Value) -> str:
    """The value of a limit as the file writes it."""
    if LIMITS[limit] is Sense.PERMISSION:
        return "on" if value else "off"
    if LIMITS[limit] is Sense.CHOICE:
        return tester_names(ToolID(value or 0))
    if LIMITS[limit] is Sense.HOURS:
        return write_hours(value or 0)
    if LIMITS[limit] is Sense.DAYS:
        return write_days(value or 0)
    return str(value)


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
