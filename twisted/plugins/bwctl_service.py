"""Tells twistd about bwctld; the real code is named, not imported."""

from twisted.application.service import ServiceMaker

bwctld = ServiceMaker(
    "bwctld", "bwctl.daemon.tap", "Bandwidth test controller: the BWCTL daemon", "bwctld"
)
