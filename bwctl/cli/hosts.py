"""Host syntax of -c and -s. Source: clients.md 3."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, ip_address

from bwctl.values import IPAddress

DEFAULT_PORT = 4823
TLS_PORT = 4824
LOCAL_HOST = "localhost"

_BRACKETS = re.compile(r"\[(?P<host>[^\[\]]*)\](?::(?P<port>.*))?")
_PLAIN = re.compile(r"(?P<host>[^:]*)(?::(?P<port>[^:]*))?")
_PORT = re.compile(r"[0-9]{1,5}")
_HOST = re.compile(r"[^\s\[\]/\x00-\x1f\x7f]{1,300}")


@dataclass(frozen=True, slots=True)
class HostPort:
    """A daemon as the user named it: a name, an address or an interface, and a port."""

    host: str
    port: int = DEFAULT_PORT
    explicit_port: bool = field(default=False, compare=False)
    tls: bool = False

    @property
    def address(self) -> IPAddress | None:
        """The address, if the host is written as one."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    def with_tls(self) -> HostPort:
        """The same daemon, reached over TLS."""
        port = self.port if self.explicit_port or self.tls else TLS_PORT
        return replace(self, port=port, tls=True)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_host(text: str, default_port: int = DEFAULT_PORT) -> HostPort:
    """Read `host`, `host:port`, `[address]`, `[address]:port` or a bare IPv6 address.

    `bwctls://` in front means TLS, on TLS_PORT unless a port is given; `bwctl://` changes nothing.

    Raises:
        ValueError: it is none of these; the text says why.
    """
    scheme, separator, rest = text.partition("://")
    if separator and scheme not in ("bwctl", "bwctls"):
        raise ValueError(f"{scheme}:// is not one of bwctl:// and bwctls://")
    tls = bool(separator) and scheme == "bwctls"
    host, port = _split(rest.rstrip("/") if separator else text)
    if not _HOST.fullmatch(host) or host.startswith("-"):
        raise ValueError("not a host name or address")
    if port is None:
        return HostPort(host, TLS_PORT if tls else default_port, tls=tls)
    return HostPort(host, parse_port(port), explicit_port=True, tls=tls)


def parse_port(text: str) -> int:
    """Read a TCP port.

    Raises:
        ValueError: not a number from 1 to 65535.
    """
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        raise ValueError("port must be 1 to 65535")
    return int(text)


def _split(text: str) -> tuple[str, str | None]:
    """Host and port of a text; the host of `:port` is this one."""
    match = _BRACKETS.fullmatch(text) or _PLAIN.fullmatch(text)
    if match is None:
        _check_ipv6(text)
        return text, None
    host, port = match["host"], match["port"]
    if host or port is None or text.startswith("["):
        return host, port
    return LOCAL_HOST, port


def _check_ipv6(text: str) -> None:
    """Raise ValueError unless a text with several colons and no brackets is an IPv6 address."""
    try:
        IPv6Address(text)
    except ValueError:
        raise ValueError("not an IPv6 address; write [ADDRESS]:PORT for one with a port") from None
