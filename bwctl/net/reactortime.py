"""A reactor whose own time never steps.

Twisted's reactors count in wall time, so setting the clock moves all their pending calls, back by
an hour if it is set back by an hour. Where the reactor is ours we give it the monotonic clock.
"""

from __future__ import annotations

import time
from typing import Any


def use_monotonic(reactor: Any) -> bool:
    """Let a reactor count in monotonic time; False if calls are pending already.

    Another application that runs a daemon inside it may call this first; it is the only thing that
    keeps timeouts right when the clock is set back.
    """
    if reactor.getDelayedCalls():
        return False
    reactor.seconds = time.monotonic
    return True
