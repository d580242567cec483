"""Command line of the embedded tester: a table, because argparse takes longer to import than run.

Source: thrulay.md section 7; ranges are ours.
"""

from __future__ import annotations

from bwctl.embedded.datagrams import DEFAULT_PACKET, MAX_PACKET
from bwctl.embedded.protocol import MAX_BLOCK, MAX_WINDOW, MIN_BLOCK

DEFAULT_BLOCK = 128 << 10
MAX_STREAMS = 255  # of C
MAX_INTERVALS = 100_000  # in one result
MIN_INTERVAL_S = 0.01
MAX_RATE = 10**12  # bit/s
TCP, UDP = "tcp", "udp"
POISSON, PERIODIC = "poisson", "periodic"

_COMMON: dict[str, tuple[float, float, float]] = {  # lowest, highest, default
    "port": (1, 65535, 5003),
    "streams": (0, MAX_STREAMS, 1),
    "interval": (0, 1e6, 1),
    "omit": (0, 1e6, 0),
    "window": (0, MAX_WINDOW, 0),
    "idle": (0.1, 1e6, 10),
    "rate": (0, MAX_RATE, 0),
}
_RANGES = {
    "server": {**_COMMON, "duration": (0, 1e6, 10), "deadline": (0, 1e6, 30)},
    "client": {
        **_COMMON,
        "duration": (0.1, 1e6, 10),
        "block": (0, MAX_BLOCK, DEFAULT_BLOCK),
        "packet": (0, MAX_PACKET, DEFAULT_PACKET),
        "tos": (0, 255, 0),
        "mss": (0, 65535, 0),
        "timeout": (0.1, 1e6, 10),
    },
}
_TEXTS = {
    "server": {"bind": "", "peer": "", "protocol": ""},
    "client": {"connect": "", "bind": "", "schedule": POISSON},
}
_CHOICES = {"protocol": (TCP, UDP), "schedule": (POISSON, PERIODIC)}
_REQUIRED = {"server": "bind", "client": "connect"}
_WHOLE = {"port", "streams", "window", "rate", "block", "packet", "tos", "mss"}


class UsageError(Exception):
    """The command line makes no sense."""


class Options:
    """What the command line says. Times in seconds, sizes in octets, 0 = the default.

    Server only: `peer`, `protocol` of the test ("": the client's choice), `deadline` for all
    streams to arrive. There, 0 is: any number of streams, any duration, no deadline, and `rate`
    is the most that a UDP test may have, bit/s of whole IP packets.
    Client only: `connect`, `block`, `packet`, `schedule`, `tos` (the octet), `mss`, `timeout` (of
    each step before the test). A `rate` makes it a UDP test.
    A window of 0 leaves the buffers of TCP to the kernel.
    """

    role: str
    bind: str
    connect: str
    peer: str
    protocol: str
    schedule: str
    port: int
    streams: int
    duration: float
    interval: float
    omit: float
    window: int
    idle: float
    deadline: float
    rate: int
    block: int
    packet: int
    tos: int
    mss: int
    timeout: float


def parse(arguments: list[str]) -> Options:
    """Options of `server ...` or `client ...`.

    Raises:
        UsageError: an unknown or incomplete option, or a number out of range.
    """
    role = arguments[0] if arguments else ""
    if role not in _RANGES:
        raise UsageError("the first argument has to be 'server' or 'client'")
    values: dict[str, object] = {name: limits[2] for name, limits in _RANGES[role].items()}
    values |= _TEXTS[role]
    for name, text in _pairs(arguments[1:]):
        if name not in values:
            raise UsageError(f"unknown option --{name}")
        values[name] = _text(name, text) if name in _TEXTS[role] else _number(role, name, text)
    return _complete(role, values)


def _pairs(arguments: list[str]) -> list[tuple[str, str]]:
    names, texts = arguments[::2], arguments[1::2]
    for name in names:
        if not name.startswith("--"):
            raise UsageError(f"{name!r} is not an option")
    if len(names) != len(texts):
        raise UsageError(f"{names[-1]} wants a value")
    return [(name[2:], text) for name, text in zip(names, texts, strict=True)]


def _text(name: str, text: str) -> str:
    if text not in _CHOICES.get(name, (text,)):
        raise UsageError(f"--{name} {text!r} is not one of {', '.join(_CHOICES[name])}")
    return text


def _number(role: str, name: str, text: str) -> float:
    low, high, _ = _RANGES[role][name]
    try:
        value = int(text) if name in _WHOLE else float(text)
    except ValueError:
        raise UsageError(f"--{name} {text!r} is not a number") from None
    if not low <= value <= high:
        raise UsageError(f"--{name} {text} is not in {low:g} .. {high:g}")
    return value


def _complete(role: str, values: dict[str, object]) -> Options:
    options = Options()
    options.role = role
    for name, value in values.items():
        setattr(options, name, value)
    if role == "client":
        options.streams = options.streams or 1
        options.block = max(options.block or DEFAULT_BLOCK, MIN_BLOCK)
        options.packet = options.packet or DEFAULT_PACKET
    if not values[_REQUIRED[role]]:
        raise UsageError(f"--{_REQUIRED[role]} is missing")
    _check(options)
    return options


def _check(options: Options) -> None:
    """Refuse what single values do not show."""
    if options.interval and options.interval < MIN_INTERVAL_S:
        raise UsageError(f"--interval under {MIN_INTERVAL_S} s")
    if options.interval and options.duration / options.interval > MAX_INTERVALS:
        raise UsageError(f"more than {MAX_INTERVALS} intervals")
    if options.role == "client" and options.rate and options.streams > 1:
        raise UsageError("a UDP test has one stream")
    if options.role == "client" and options.rate and options.omit:
        raise UsageError("nothing of a UDP test can be omitted")


def nanoseconds(seconds: float) -> int:
    """Seconds as nanoseconds."""
    return round(seconds * 1e9)
