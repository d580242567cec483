"""The cells of the interoperability table: who tests with whom, and how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

OURS, C = "ours", "C"


@dataclass(frozen=True)
class Trio:
    """Which program plays which part."""

    client: str
    receiver: str
    sender: str

    @property
    def title(self) -> str:
        """For the table."""
        if self.receiver == self.sender:
            daemons = "two daemons of " + ("ours" if self.receiver == OURS else "C")
        else:
            names = {OURS: "ours", C: "C's"}
            daemons = f"receiver {names[self.receiver]}, sender {names[self.sender]}"
        return f"{'our' if self.client == OURS else 'C'} client, {daemons}"


TRIOS = (
    Trio(C, OURS, OURS),
    Trio(OURS, C, C),
    Trio(C, OURS, C),
    Trio(C, C, OURS),
    Trio(OURS, OURS, C),
    Trio(OURS, C, OURS),
)
"""Without --flip the receiver's daemon is the server daemon, the sender's the client daemon."""

CONTROL = Trio(C, C, C)
"""What C does by itself: not a cell of ours, but the measure for them."""

TESTERS = ("iperf3", "iperf", "nuttcp")
ONE_ENDED = {"ping": "bwping", "traceroute": "bwtraceroute", "tracepath": "bwtraceroute"}
"""Testers that the sender runs alone, and the clients for them."""

MODES = ("O", "A", "E")  # open, authenticated, encrypted


@dataclass(frozen=True)
class Cell:
    """One test, or a few on the same pair of daemons."""

    trio: Trio
    tester: str
    udp: bool = False
    receiver_mode: str = "O"
    sender_mode: str = "O"
    kind: str = "plain"  # or one of EXTRAS

    @property
    def slug(self) -> str:
        """A name for a test method."""
        trio = f"{self.trio.client}_client_{self.trio.receiver}_{self.trio.sender}".lower()
        modes = f"{self.receiver_mode}{self.sender_mode}"
        return f"{trio}_{self.tester}_{self.protocol}_{modes}_{self.kind}"

    @property
    def protocol(self) -> str:
        """Of the test's data."""
        if self.tester in ONE_ENDED:
            return "one-ended"
        return "udp" if self.udp else "tcp"

    @property
    def program(self) -> str:
        """The client."""
        return ONE_ENDED.get(self.tester, "bwctl")

    @property
    def duration(self) -> int:
        """Seconds.

        C runs `iperf -s -t DURATION` one fuzz, 1.7 s here, before the client comes, and that -t is
        how long the server waits for it, too.
        """
        return 4 if self.tester == "iperf" else 2

    @property
    def options(self) -> str:
        """Lines of both daemons' configurations.

        nuttcp -u takes two seconds longer than its time. C's daemon ends the sender one fuzz after
        the test's time, or whole seconds of the fuzz after the receiver: by default too early.
        """
        needed = self.tester == "nuttcp" and self.udp and self.trio.sender == C
        return "sync_fuzz 1.0\n" if needed else ""


EXTRAS = {
    "flip": "`--flip`",
    "parallel": "`-P 2`",
    "repeated": "`-n 2`",
    "mixed": "modes that differ",
    "ipv6": "IPv6",
    "only_receiver": "`-c` alone",
    "only_sender": "`-s` alone",
    "killed": "client killed",
    "interrupted": "client interrupted",
}
"""Kinds of cells beside the plain ones, and how the table names them."""

ONE_DAEMON = ("only_receiver", "only_sender")
"""The client itself is the other end, in a process of its own."""


def plain(trio: Trio) -> Iterator[Cell]:
    """Every tester, protocol and mode."""
    for tester, udp, mode in product(TESTERS, (False, True), MODES):
        yield Cell(trio, tester, udp, mode, mode)
    for tester, mode in product(ONE_ENDED, MODES):
        yield Cell(trio, tester, False, mode, mode)


def extras(trio: Trio) -> Iterator[Cell]:
    """What goes beyond one test in one direction with one stream."""
    for udp in (False, True):
        yield Cell(trio, "iperf3", udp, kind="flip")
        yield Cell(trio, "iperf3", udp, kind="parallel")
    for tester in ("nuttcp", "ping", "traceroute"):
        yield Cell(trio, tester, kind="flip")
    yield Cell(trio, "iperf", kind="parallel")
    yield Cell(trio, "nuttcp", kind="parallel")
    for mode in ("O", "E"):
        yield Cell(trio, "iperf3", False, mode, mode, kind="repeated")
    for modes in ("OE", "AO", "EA"):
        yield Cell(trio, "iperf3", False, *modes, kind="mixed")
    yield Cell(trio, "iperf3", False, "E", "E", kind="ipv6")
    yield Cell(trio, "iperf3", True, kind="ipv6")
    yield Cell(trio, "iperf", kind="ipv6")
    for tester in ("nuttcp", "ping", "traceroute"):
        yield Cell(trio, tester, kind="ipv6")
    if trio.receiver == trio.sender:
        for kind in ONE_DAEMON:
            yield Cell(trio, "iperf3", kind=kind)
    for tester in TESTERS:
        yield Cell(trio, tester, kind="killed")
    yield Cell(trio, "iperf3", kind="interrupted")


CELLS = tuple(cell for trio in TRIOS for cell in (*plain(trio), *extras(trio)))
