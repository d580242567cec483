"""Who may come in, and who has to go: a client before the modes, keys and limits of this moment.

Reasons are sentences for the log; the client is told nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest

from bwctl.interfaces import ClientFacts
from bwctl.limits import policy
from bwctl.limits.classes import LimitClass
from bwctl.limits.keys import Key
from bwctl.net.host import Host
from bwctl.net.plugged import PluginFailure
from bwctl.values import IPAddress
from bwctl.wire.fields import Mode


@dataclass(frozen=True, slots=True)
class Visitor:
    """A client as its connection shows it, before it says who it is."""

    address: IPAddress
    names: tuple[str, ...] = ()  # of its certificate


@dataclass(frozen=True, slots=True)
class Admitted:
    """A client that was let in, and with what."""

    facts: ClientFacts
    mode: Mode
    key: Key | None


def class_of(host: Host, facts: ClientFacts) -> LimitClass | None:
    """A client's class, by the limits of this moment: they may have been read anew.

    None if a plugged-in policy fails.
    """
    try:
        return host.classify(facts)
    except PluginFailure:
        return None


def modes_for(host: Host, visitor: Visitor) -> Mode:
    """What the greeting offers."""
    return Mode(policy.offered_modes(host.limits, visitor.address, host.modes, visitor.names))


def why_not_open(host: Host, visitor: Visitor) -> str:
    """Whether the configuration or the class of certificate or address leaves the open mode out."""
    if not host.modes & Mode.OPEN:
        return "auth_mode has no O"
    limit_class = policy.classify(host.limits, visitor.address, names=visitor.names)
    return _without_open_mode(limit_class)


def why_not_verified(
    host: Host, visitor: Visitor, mode: Mode, key: Key | None, *, offered: Mode
) -> str:
    """Why a client's choice of a mode, or its token, did not count."""
    if mode & offered:
        return "unknown user" if key is None else "wrong key"
    why = f" ({why_not_open(host, visitor)})" if mode is Mode.OPEN else ""
    return f"the mode was not offered{why}"


def why_not_in_class(limit_class: LimitClass, mode: Mode) -> str:
    """A policy's class may forbid the mode that the limits, by address alone, allowed."""
    return _without_open_mode(limit_class) if mode is Mode.OPEN else ""


def why_no_longer(host: Host, client: Admitted) -> str:
    """Why a client that was let in would not be now; "" if it would.

    A site's own key store is asked at the beginning only.
    """
    if not client.mode & host.modes:
        return f"the mode {client.mode.name} is no longer offered"
    if client.mode is Mode.OPEN:
        limit_class = class_of(host, client.facts)
        return _without_open_mode(limit_class) if limit_class is not None else ""
    if not host.has_keys:
        return ""
    key = host.keys.find(client.facts.user or "")
    same = key is not None and compare_digest(key, client.key or b"")
    return "" if same else f"the key of {client.facts.user} is no longer in force"


def _without_open_mode(limit_class: LimitClass) -> str:
    return "; ".join(map(str, policy.open_mode_denials(limit_class)))
