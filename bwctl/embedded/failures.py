"""Why a test of the embedded tester does not come to its regular end."""

from __future__ import annotations


class Stopped(Exception):
    """A signal asked us to end; the text is its name."""


class ServerGone(Exception):
    """The server closed a connection in mid-test, or is silent."""


class Turned(Exception):
    """A connection does not become a part of a test; the text says why."""


def reason_of(error: Exception) -> str:
    """A sentence for people, without the numbers of the system."""
    if isinstance(error, TimeoutError):
        return "the server does not answer in time"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
