"""Two clocks, kept apart: wall time for slots agreed with others, monotonic time for waiting."""

from __future__ import annotations

import ctypes
import math
import time
from datetime import datetime

from zope.interface import implementer

from bwctl.control.timing import UNSYNCHRONISED_ERROR, Reading
from bwctl.interfaces import IClock as IClock
from bwctl.values import ErrorEstimate, NTPTime, ntp_from_unix_ns, ticks, unix_from_ntp

_UNSYNC = 0x0040
_NANO = 0x2000
_FRESH_S = 0.1


def reading(clock: IClock) -> Reading:
    """Time and error in one value."""
    return Reading(clock.now(), clock.error())


def local_time(moment: NTPTime) -> datetime:
    """A moment as this host's clocks on the wall show it."""
    return datetime.fromtimestamp(unix_from_ntp(moment))


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h> on 64-bit Linux (208 octets)."""

    _fields_ = [
        ("modes", ctypes.c_int),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_s", ctypes.c_long),
        ("time_us", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    ]


class KernelState:
    """What `ntp_adjtime` says: synchronised or not, error bound, offset."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._call = getattr(library, "ntp_adjtime", None) or getattr(library, "adjtimex", None)
        self._told = (False, 0, 0)
        self._told_until = -math.inf

    def read(self) -> tuple[bool, int, int]:
        """(synchronised, error bound in us, offset in ns); (False, 0, 0) where it cannot tell.

        Not older than a tenth of a second: a request looks at the clock many times, and the kernel
        itself works these out once a second.
        """
        now = time.monotonic()
        if now >= self._told_until:
            self._told, self._told_until = self._ask(), now + _FRESH_S
        return self._told

    def _ask(self) -> tuple[bool, int, int]:
        timex = _Timex()
        if self._call is None or self._call(ctypes.byref(timex)) < 0 or timex.status & _UNSYNC:
            return False, 0, 0
        offset = timex.offset if timex.status & _NANO else timex.offset * 1000
        return True, timex.maxerror, offset


@implementer(IClock)
class SystemClock:
    """The host's clock, as the kernel knows it. Source: wire.md 3.3.

    Args:
        sync_fuzz: seconds added to every error estimate.
        shift: seconds added to the time, for trials of hosts that disagree.
    """

    name = "kernel"

    def __init__(self, sync_fuzz: float = 0.0, shift: float = 0.0) -> None:
        self._kernel = KernelState()
        self._fuzz = ticks(sync_fuzz)
        self._shift = round(shift * 1_000_000_000)
        self._estimated = (False, -1, 0)  # the state that `_estimate` is of
        self._estimate = ErrorEstimate(0, 1)

    def now(self) -> NTPTime:
        """Wall time; the kernel's offset counts only while it is synchronised."""
        _, _, offset = self._state()
        return ntp_from_unix_ns(time.time_ns() + offset + self._shift)

    def mono(self) -> float:
        """`time.monotonic`."""
        return time.monotonic()

    def error(self) -> ErrorEstimate:
        """The known bound, 0.1 s where there is none, plus `sync_fuzz`."""
        state = self._state()
        if state != self._estimated:
            synchronised, bound, _ = self._estimated = state
            units = (bound << 32) // 1_000_000 if synchronised else UNSYNCHRONISED_ERROR
            self._estimate = ErrorEstimate.from_ticks(units + self._fuzz, synchronised)
        return self._estimate

    def synchronised(self) -> bool:
        """Whether something disciplines it."""
        return self._state()[0]

    def _state(self) -> tuple[bool, int, int]:
        """As `KernelState.read`."""
        return self._kernel.read()


class FreeClock(SystemClock):
    """The host's clock without anybody's word that it is right: `clock_source none`."""

    name = "none"

    def _state(self) -> tuple[bool, int, int]:
        return False, 0, 0
