"""Two clocks, kept apart: wall time for slots agreed with others, monotonic time for waiting."""

from __future__ import annotations

import ctypes
import time
from typing import Protocol

from bwctl.control.timing import UNSYNCHRONISED_ERROR, Reading
from bwctl.values import ErrorEstimate, NTPTime, ntp_from_unix_ns, ticks

_UNSYNC = 0x0040
_NANO = 0x2000


class IClock(Protocol):
    """What the rest of `bwctl.net` reads time from."""

    def now(self) -> NTPTime:
        """Wall time, corrected by what the kernel knows of its offset."""

    def mono(self) -> float:
        """Seconds that only grow and never step."""

    def error(self) -> ErrorEstimate:
        """How far `now` may be off."""

    def synchronised(self) -> bool:
        """Whether something disciplines the clock."""


def reading(clock: IClock) -> Reading:
    """Time and error in one value."""
    return Reading(clock.now(), clock.error())


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

    def read(self) -> tuple[bool, int, int]:
        """(synchronised, error bound in us, offset in ns); (False, 0, 0) where it cannot tell."""
        timex = _Timex()
        if self._call is None or self._call(ctypes.byref(timex)) < 0 or timex.status & _UNSYNC:
            return False, 0, 0
        offset = timex.offset if timex.status & _NANO else timex.offset * 1000
        return True, timex.maxerror, offset


class SystemClock:
    """The host's clock. Source: wire.md 3.3.

    Args:
        sync_fuzz: seconds added to every error estimate.
        shift: seconds added to the time, for trials of hosts that disagree.
    """

    def __init__(self, sync_fuzz: float = 0.0, shift: float = 0.0) -> None:
        self._kernel = KernelState()
        self._fuzz = ticks(sync_fuzz)
        self._shift = round(shift * 1_000_000_000)

    def now(self) -> NTPTime:
        """Wall time; the kernel's offset counts only while it is synchronised."""
        _, _, offset = self._kernel.read()
        return ntp_from_unix_ns(time.time_ns() + offset + self._shift)

    def mono(self) -> float:
        """`time.monotonic`."""
        return time.monotonic()

    def error(self) -> ErrorEstimate:
        """The kernel's bound, 0.1 s where there is none, plus `sync_fuzz`."""
        synchronised, bound, _ = self._kernel.read()
        units = (bound << 32) // 1_000_000 if synchronised else UNSYNCHRONISED_ERROR
        return ErrorEstimate.from_ticks(units + self._fuzz, synchronised)

    def synchronised(self) -> bool:
        """What the kernel says."""
        return self._kernel.read()[0]
