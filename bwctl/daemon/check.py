"""`twistd bwctld --check`: what the files mean, told before anybody relies on it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from bwctl.daemon.build import Configuration
from bwctl.daemon.config import settings_text
from bwctl.limits.assignments import certificate_name
from bwctl.limits.classes import LIMITS, LimitClass, Limits, format_value
from bwctl.limits.policy import classify
from bwctl.net.clock import KernelState
from bwctl.values import IPAddress

NOBODY = ip_address("0.0.0.0")  # noqa: S104 - stands for no address, nothing listens there


class UnknownRequester(ValueError):
    """What --as names is nobody; the text says what it may be."""


def report(configuration: Configuration, requester: str = "") -> str:
    """The effective settings and classes, or with a requester the class that it would get.

    Raises:
        UnknownRequester: `requester` is no address, user:NAME or cert:NAME.
    """
    limits = configuration.limits
    if requester:
        return "\n".join(_answer(configuration, requester)) + "\n"
    lines = ["# settings", settings_text(configuration.settings).rstrip(), "", "# limit classes"]
    lines += [_class_line(one) for one in limits.classes.values()]
    lines += ["", "# who gets which", *_assignments(limits)]
    lines.append(f"# {len(configuration.keys)} users have a key")
    return "\n".join(lines) + "\n"


def _answer(configuration: Configuration, requester: str) -> Iterator[str]:
    limit_class = class_of(configuration, requester)
    lineage = " < ".join(one.name for one in limit_class.lineage())
    yield f"{requester}: class {lineage}"
    for name in LIMITS:
        values = [
            format_value(bound.governing(name), getattr(bound, bound.governing(name)))
            for bound in limit_class.bounds(name)
        ]
        yield f"  {name}={values[0]}" + (f" (above: {', '.join(values[1:])})" if values[1:] else "")


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


def _class_line(limit_class: LimitClass) -> str:
    parent = limit_class.parent
    written = ((name, getattr(limit_class, name)) for name in LIMITS)
    given = [f"{name}={format_value(name, value)}" for name, value in written if value is not None]
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


def clock_report() -> tuple[bool, str]:
    """Whether this host's clock counts as synchronised, and why, in plain words."""
    synchronised, bound, offset = KernelState().read()
    if synchronised:
        return True, (
            f"The kernel says that the clock is synchronised, to within {bound / 1e6:.6f} s "
            f"(offset {offset / 1e9:+.9f} s). Tests are accepted.\n"
        )
    return False, (
        "The kernel says that nothing synchronises the clock (STA_UNSYNC), so the daemon refuses\n"
        "every test unless allow_unsync is set.\n"
        "* No NTP daemon runs? Install one: chrony, ntpd or systemd-timesyncd.\n"
        "* chrony runs? It tells the kernel only with the line `rtcsync` in chrony.conf; add it\n"
        "  and restart chrony. `chronyc tracking` shows what chrony itself knows.\n"
        "* In a container the clock is that of the host; synchronise the host.\n"
        "* Otherwise set allow_unsync, and sync_fuzz to how far the clocks may be apart.\n"
    )
