"""The testers of this package; `bwctl.daemon.plugins` finds those of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bwctl.interfaces import ITester
from bwctl.testers.iperf import Iperf
from bwctl.testers.iperf3 import Iperf3
from bwctl.testers.nuttcp import Nuttcp
from bwctl.testers.owamp import Owamp
from bwctl.testers.paris_traceroute import ParisTraceroute
from bwctl.testers.ping import Ping
from bwctl.testers.thrulay import Thrulay
from bwctl.testers.tracepath import Tracepath
from bwctl.testers.traceroute import Traceroute

BUILT_IN: Final[Sequence[ITester]] = (
    *(Iperf3(), Iperf(), Nuttcp(), Thrulay()),
    *(Ping(), Owamp()),
    *(Traceroute(), Tracepath(), ParisTraceroute()),
)
"""The testers of this package, of each kind in the order in which they are preferred."""
