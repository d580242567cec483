"""External testers: a test that needs one says so, and is skipped or failed where it is missing."""

from __future__ import annotations

import os
import shutil
import socket
from unittest import SkipTest

PACKAGES = {"ping": "iputils-ping", "tracepath": "iputils-tracepath"}
"""Debian packages of programs that are not named like theirs."""

RARE = ("owping", "owampd", "paris-traceroute")
"""Programs that no distribution has any more; where they are missing their tests are skipped."""


def need(*names: str) -> None:
    """Skip the test if a tester is not installed; fail it under REQUIRE_TESTERS=1 unless RARE."""
    missing = [name for name in names if shutil.which(name) is None]
    if not missing:
        return
    rare = [name for name in missing if name in RARE]
    if rare:
        raise SkipTest(f"{', '.join(rare)} is not installed (build it from its sources)")
    packages = " ".join(PACKAGES.get(name, name) for name in missing)
    text = f"{', '.join(missing)} is not installed (apt-get install {packages})"
    if os.environ.get("REQUIRE_TESTERS") == "1":
        raise AssertionError(text)
    raise SkipTest(text)


def need_ipv6() -> None:
    """Skip the test where loopback has no IPv6."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return
    except OSError:
        raise SkipTest("loopback has no IPv6 here") from None
