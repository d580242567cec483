"""`twistd bwctld --check`: what the files mean, told before anybody relies on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from ipaddress import ip_address
from operator import or_

from bwctl.daemon.build import Configuration
from bwctl.daemon.config import settings_text
from bwctl.interfaces import ITester
from bwctl.limits.assignments import certificate_name
from bwctl.limits.classes import LIMITS, LimitClass, Limits, Sense
from bwctl.limits.policy import classify
from bwctl.limits.written import format_value, tester_names
from bwctl.values import IPAddress, ToolID

NOBODY = ip_address("0.0.0.0")  # noqa: S104 - stands for no address, nothing listens there


_ALL = {"hours": "00-24", "days": "mon-sun"}


class UnknownRequester(ValueError):
    """What --as names is nobody; the text says what it may be."""


def report(configuration: Configuration, requester: str = "") -> str:
    """The effective settings and classes, or with a requester the class that it would get.

    Raises:
        UnknownRequester: `requester` is no address, user:NAME or cert:NAME.
    """
    limits, testers = configuration.limits, _enabled(configuration)
    if requester:
        return "\n".join(_answer(configuration, requester, testers)) + "\n"
    lines = ["# settings", settings_text(configuration.settings).rstrip(), "", "# limit classes"]
    lines += [_class_line(one, testers) for one in limits.classes.values()]
    lines += ["", "# who gets which", *_assignments(limits)]
    lines += [f"# {len(configuration.keys)} users have a key", ""]
    lines += [
        "# testers that the daemon looks for when it starts",
        *_probes(configuration, testers),
    ]
    return "\n".join(lines) + "\n"


def _enabled(configuration: Configuration) -> list[ITester]:
    disabled = configuration.settings.disabled
    return [one for one in configuration.testers if one.name not in disabled]


def _probes(configuration: Configuration, testers: Sequence[ITester]) -> Iterator[str]:
    for tester in testers:
        commands = [" ".join(one) for one in tester.probes(configuration.settings.commands)]
        yield f"# {tester.name}: {', '.join(commands) or 'built in'}"


def _answer(
    configuration: Configuration, requester: str, testers: Sequence[ITester]
) -> Iterator[str]:
    limit_class = class_of(configuration, requester)
    yield f"{requester}: class {' < '.join(limit_class.accounts)}"
    granted: list[str] = []
    free: list[str] = []
    for name, sense in LIMITS.items():
        if limit_class.binding(name):
            yield f"  {name}={_bounds(limit_class, name, testers)}"
        elif name == "testers":
            yield f"  {name}={_value(limit_class, name, testers)}"
        else:
            (granted if sense is Sense.PERMISSION else free).append(name)
    yield f"  on: {', '.join(granted) or 'nothing'}"
    yield f"  no limit: {', '.join(free) or 'nothing'}"


def _bounds(limit_class: LimitClass, name: str, testers: Sequence[ITester]) -> str:
    """What binds a class in one limit: the nearest value, and others that ancestors have."""
    nearest, *further = limit_class.binding(name)
    value = _value(nearest, name, testers)
    others = [(one.name, _value(one, name, testers)) for one in further]
    notes = [] if nearest is limit_class else [f"from {nearest.name}"]
    notes += [f"{above}: {other}" for above, other in others if other != value]
    return f"{value} ({', '.join(notes)})" if notes else value


def _value(limit_class: LimitClass, name: str, testers: Sequence[ITester]) -> str:
    """What holds in a class, as the file would say it; "" for what it cannot say."""
    governing = limit_class.governing(name)
    written = format_value(governing, getattr(limit_class, governing))
    if not written and name == "testers":
        return tester_names(reduce(or_, (one.tool_id for one in testers), ToolID.NONE))
    return written or _ALL.get(name, "")


def class_of(configuration: Configuration, requester: str) -> LimitClass:
    """The class of an address, `user:NAME` or `cert:NAME`."""
    kind, _, name = requester.partition(":")
    if kind == "user":
        if name not in configuration.keys:
            raise UnknownRequester(f"user {name} has no key, so nobody can be it")
        return classify(configuration.limits, NOBODY, name)
    if kind == "cert":
        return classify(configuration.limits, NOBODY, None, [certificate_name(name)])
    return classify(configuration.limits, _address(requester))


def _address(text: str) -> IPAddress:
    try:
        return ip_address(text)
    except ValueError:
        raise UnknownRequester(f"{text} is not an address, user:NAME or cert:NAME") from None


def _class_line(limit_class: LimitClass, testers: Sequence[ITester]) -> str:
    parent = limit_class.parent
    values = ((name, _value(limit_class, name, testers)) for name in LIMITS)
    given = [f"{name}={value}" for name, value in values if value]
    head = [f"parent={parent.name}"] if parent else []
    return f"limit {limit_class.name} with {', '.join(head + given)}"


def _assignments(limits: Limits) -> Iterator[str]:
    yield f"assign default {limits.default.name}"
    for network, one in limits.networks.rules.items():
        yield f"assign net {network} {one.name}"
    for user, one in sorted(limits.users.items()):
        yield f"assign user {user} {one.name}"
    for name, one in sorted(limits.certificates.items()):
        yield f"assign cert {name} {one.name}"
