"""The testers of this package; `bwctl.daemon.plugins` finds those of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bwctl.interfaces import ITester
from bwctl.testers.iperf import Iperf
from bwctl.testers.iperf3 import Iperf3
from bwctl.testers.nuttcp import Nuttcp
from bwctl.testers.thrulay import Thrulay

BUILT_IN: Final[Sequence[ITester]] = (Iperf3(), Iperf(), Nuttcp(), Thrulay())
"""The testers of this package, in the order in which they are preferred."""
