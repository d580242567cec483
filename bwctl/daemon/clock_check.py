"""`twistd bwctld --check-clock`: whether the clock counts as synchronised, and why."""

from __future__ import annotations

import subprocess

from bwctl.daemon.build import Configuration
from bwctl.errors import BWCTLError
from bwctl.net.chrony import COMMAND, TIMEOUT_S, Tracking, parse_tracking
from bwctl.net.clock import KernelState
from bwctl.text import sanitise

_MOST_SAID = 100  # characters of chronyc's complaint
_REFUSES = "so the daemon refuses every test unless allow_unsync is set.\n"
_NTP = """\
* No NTP daemon runs? Install one: chrony, ntpd or systemd-timesyncd.
* chrony runs? It tells the kernel only with the line `rtcsync` in chrony.conf: add it and
  restart chrony, or set `clock_source chrony`, and the daemon asks chrony itself.
"""
_ADVICE = """\
* In a container the clock is that of the host; synchronise the host.
* Otherwise set allow_unsync, and sync_fuzz to how far the clocks may be apart.
"""


def clock_report(configuration: Configuration) -> tuple[bool, str]:
    """Whether the clock counts as synchronised for this daemon, and why, in plain words.

    Who is asked is what `clock_source` names.
    """
    source = configuration.settings.clock_source
    known = {"kernel": _kernel, "chrony": _chrony, "none": _nobody}.get(source)
    synchronised, text = known() if known is not None else _plug_in(configuration)
    if configuration.settings.allow_unsync and not synchronised:
        text += "allow_unsync is set here: tests are accepted all the same.\n"
    return synchronised, text


def _kernel() -> tuple[bool, str]:
    synchronised, bound, offset = KernelState().read()
    if synchronised:
        return True, (
            f"The kernel says that the clock is synchronised, to within {bound / 1e6:.6f} s "
            f"(offset {offset / 1e9:+.9f} s). Tests are accepted.\n"
        )
    return False, (
        f"The kernel says that nothing synchronises the clock (STA_UNSYNC),\n{_REFUSES}"
        f"{_chrony_beside() or _NTP}{_ADVICE}"
    )


def _chrony_beside() -> str:
    """Advice where chrony runs and does its work, but does not tell the kernel."""
    try:
        told = _ask_chrony()
    except _NoAnswer:
        return ""
    if not told.synchronised:
        return "* chrony runs here and is not synchronised: see `chronyc sources`.\n"
    return (
        f"* chrony runs here and says that it is right to within {told.error_s:.6f} s. Set\n"
        "  `clock_source chrony`, and the daemon asks chrony; or add the line `rtcsync` to\n"
        "  chrony.conf and restart chrony, and it tells the kernel.\n"
    )


def _chrony() -> tuple[bool, str]:
    """Ask as the daemon does, but once, and wait for the answer."""
    try:
        told = _ask_chrony()
    except _NoAnswer as error:
        return False, (
            f"clock_source is chrony, but `{' '.join(COMMAND)}` gives no answer ({error}),\n"
            f"{_REFUSES}"
            "* Is chrony installed, and does chronyd run? `chronyc tracking` has to work for the\n"
            "  user that the daemon runs as.\n"
            f"{_ADVICE}"
        )
    if told.synchronised:
        return True, (
            f"chrony says that the clock is synchronised, to within {told.error_s:.6f} s.\n"
            "Tests are accepted (clock_source is chrony; the kernel is not asked).\n"
        )
    return False, (
        f"clock_source is chrony, and chrony says that it is not synchronised,\n{_REFUSES}"
        "* It may just have started: `chronyc tracking` and `chronyc sources` tell how far it is.\n"
        f"{_ADVICE}"
    )


class _NoAnswer(BWCTLError):
    """chronyc did not tell anything; the text says why."""


def _ask_chrony() -> Tracking:
    try:
        done = subprocess.run(
            COMMAND, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S
        )
    except OSError as error:
        raise _NoAnswer(error.strerror) from error
    except subprocess.TimeoutExpired as error:
        raise _NoAnswer(f"not within {TIMEOUT_S:g} s") from error
    try:
        return parse_tracking(done.stdout)
    except ValueError as error:
        said = sanitise(done.stdout + done.stderr).strip()
        raise _NoAnswer(said.split("\n")[0][:_MOST_SAID] or str(error)) from error


def _nobody() -> tuple[bool, str]:
    return False, f"clock_source is none: nobody is asked about the clock,\n{_REFUSES}"


def _plug_in(configuration: Configuration) -> tuple[bool, str]:
    """One that is started with the daemon may know nothing before."""
    name, clock = configuration.settings.clock_source, configuration.plugged.clock
    assert clock is not None  # else the configuration had not been read
    try:
        synchronised = clock.synchronised()
    except Exception as error:  # whatever a plug-in does
        return False, f"The plug-in {name} failed ({type(error).__name__}: {error}),\n{_REFUSES}"
    if synchronised:
        return True, f"The plug-in {name} says that the clock is synchronised.\n"
    return False, f"The plug-in {name}, not started, says that it is not synchronised,\n{_REFUSES}"
