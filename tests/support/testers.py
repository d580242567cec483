"""External testers: a test that needs one says so, and is skipped or failed where it is missing."""

from __future__ import annotations

import os
import shutil
from unittest import SkipTest


def need(*names: str) -> None:
    """Skip the test if a tester is not installed; fail it under REQUIRE_TESTERS=1."""
    missing = [name for name in names if shutil.which(name) is None]
    if not missing:
        return
    text = f"{', '.join(missing)} is not installed (apt-get install {' '.join(missing)})"
    if os.environ.get("REQUIRE_TESTERS") == "1":
        raise AssertionError(text)
    raise SkipTest(text)
