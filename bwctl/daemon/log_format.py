"""One log event as one line: text for people, JSON for programs.

Whatever a remote end has sent, a line stays one line and cannot steer a terminal.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from functools import lru_cache
from string import Formatter
from typing import Any, Final

from twisted.logger import LogEvent, formatEvent
from twisted.python.failure import Failure
from twisted.python.reflect import safe_repr

from bwctl.values import NTP_UNIX_OFFSET

LONGEST_MESSAGE: Final = 2000  # characters; a syslog datagram holds more than that
LONGEST_FIELD: Final = 500

_SECRET = re.compile(r"(?:^|_)(?:key|password|passphrase|pass|secret|token)$")
_MOMENTS: Final = frozenset({"start", "end", "next_free"})  # fields that hold an NTPTime
# "event", and what Twisted adds for observers of its old kind, which others may have attached
_NO_FIELDS: Final = frozenset(
    {"event", "message", "time", "system", "format", "isError", "failure", "logLevel"}
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_BARE = re.compile(r"[!#-<>-\[\]-~]+")  # printable ASCII without blank, quote, = and backslash


def clean(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """A text on one line: what is not printable is shown as an escape, the end may be cut.

    That takes in control characters, line and paragraph ends, and those that turn the line round.
    """
    if len(text) > longest:
        text = text[:longest] + "..."
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape(one) for one in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def timestamp(unix: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    microseconds = round(unix * 1_000_000)
    return f"{_second(microseconds // 1_000_000)}.{microseconds // 1000 % 1000:03d}Z"


@lru_cache(maxsize=64)
def _second(unix: int) -> str:
    """Kept for the many lines of one second, and for the starts that many ask for."""
    return (_EPOCH + timedelta(seconds=unix)).isoformat()[:19]


def text_line(event: LogEvent, level: str, location: str = "", *, time: bool = True) -> str:
    """Time, level, event name, place in the source, message and fields; a traceback below.

    A field that the message shows already is not repeated.

    Args:
        time: whether to begin with the time; whoever takes the line may have its own.
    """
    secret, further = _shape(event.get("log_format"), tuple(event))
    if secret:
        event = _without_secrets(event)
    words = [level, clean(_name(event)), message(event)]
    if location:
        words.insert(2, location)
    if time:
        words.insert(0, timestamp(event.get("log_time", 0.0)))
    words += [f"{name}={quoted(_shown(name, event[name]))}" for name in further]
    line = " ".join(filter(None, words))
    return line if "log_failure" not in event else "\n\t| ".join((line, *_traceback(event)))


def json_line(event: LogEvent, level: str, location: str = "") -> str:
    """One JSON object in ASCII; what is not known is absent."""
    event = _without_secrets(event)
    entry: dict[str, Any] = {
        "time": timestamp(event.get("log_time", 0.0)),
        "level": level,
        "event": _name(event),
        "location": location,
        "message": message(event),
        "traceback": "\n".join(_traceback(event)),
    }
    entry = {name: value for name, value in entry.items() if value}
    for name, value in _fields(event):
        entry.setdefault(name, _json_value(value))
        if value is not event[name]:
            entry.setdefault(f"{name}_ntp", event[name])
    return json.dumps(entry, allow_nan=False).replace("\x7f", "\\u007f")


def message(event: LogEvent) -> str:
    """The message, fit for a line."""
    try:
        text = event["log_format"].format_map(event)  # as formatEvent, in a tenth of the time
    except Exception:  # there is no format, or a call in it, or it tells what is wrong
        text = formatEvent(event)
    return clean(text.strip())


def quoted(value: object) -> str:
    """The value of a field: bare where it is plain, else in quotes."""
    text = _text(value)
    if _BARE.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{clean(escaped)}"'


def _name(event: LogEvent) -> str:
    """Its constant name; of events that are not ours the module it comes from."""
    name: object = event.get("event")
    return name if isinstance(name, str) else str(event.get("log_namespace", "-"))


def _fields(event: LogEvent) -> Iterator[tuple[str, object]]:
    """What an event of ours holds besides its message."""
    for name in _field_names(tuple(event)):
        yield name, _shown(name, event[name])


def _shown(name: str, value: object) -> object:
    """A field as people read it."""
    if name in _MOMENTS and isinstance(value, int):
        return timestamp(value / (1 << 32) - NTP_UNIX_OFFSET)
    return value


def _field_names(names: tuple[str, ...]) -> list[str]:
    if "event" not in names:
        return []
    return [name for name in names if name not in _NO_FIELDS and not name.startswith("log_")]


@lru_cache(maxsize=256)  # events are many, and of few kinds
def _shape(format_: object, names: tuple[str, ...]) -> tuple[bool, tuple[str, ...]]:
    """Of an event with such fields: whether any is secret, and which the message does not show."""
    shown = _fields_of(format_)
    further = tuple(name for name in _field_names(names) if name not in shown)
    return any(map(_is_secret, names)), further


@lru_cache(maxsize=256)
def _fields_of(format_: object) -> frozenset[str]:
    """The names of the fields in a format string."""
    if not isinstance(format_, str):
        return frozenset()
    try:
        names = [name for _, name, _, _ in Formatter().parse(format_) if name]
    except ValueError:  # no format at all; the message says so
        return frozenset()
    return frozenset(re.split(r"[.\[]", name)[0] for name in names)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def _without_secrets(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """An event or a part of it, with values gone whose name says that they are secret."""
    return {name: "***" if _is_secret(str(name)) else value for name, value in values.items()}


def _text(value: object) -> str:
    """A value as a text, which may still hold anything."""
    if type(value) is str and len(value) <= LONGEST_FIELD:  # as most are
        return value
    if isinstance(value, Enum):
        return str(value.name)
    if type(value) is bytes:  # not a key, whose own str hides it
        value = value.decode("utf-8", "backslashreplace")
    try:
        text = str(value)
    except Exception:  # whatever it is, it must not break the log
        text = safe_repr(value)
    return text if len(text) <= LONGEST_FIELD else text[:LONGEST_FIELD] + "..."


def _json_value(value: object) -> object:
    if value is None or type(value) in (bool, int):  # not an enumeration
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {_text(key): _json_value(one) for key, one in _without_secrets(value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json_value(one) for one in value]
    return _text(value).encode("utf-8", "replace").decode("utf-8")


def _traceback(event: LogEvent) -> list[str]:
    """The lines of a failure's traceback, each fit for a line."""
    failure = event.get("log_failure")
    if not isinstance(failure, Failure):
        return []
    return [clean(line) for line in failure.getTraceback().splitlines()]
