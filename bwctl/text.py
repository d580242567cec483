"""Text of others, fit to be shown."""

from __future__ import annotations

import re

# line feed and tab stay; other control characters and those that turn the line round do not
_UNSAFE = re.compile("[^\n\t -~\xa0-\u2027\u202f-\u2065\u206a-\U0010ffff]|[\ud800-\udfff]")


def sanitise(text: str | bytes) -> str:
    """A remote text fit for a terminal: what could steer it is shown as an escape."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return _UNSAFE.sub(_escape, text.replace("\r\n", "\n"))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
