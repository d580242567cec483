"""Crowds of clients, with and without keys, who want all time slots there are."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import AcceptType
from bwctl.values import SID, Role, ToolID, seconds, ticks
from bwctl.wire.fields import Mode
from tests.abuse.crowd import sources
from tests.abuse.scenes import Scene
from tests.support.baseline import Baseline, status
from tests.support.daemons import running, start_ours
from tests.support.effort import SEEDED, dice, times
from tests.support.raw import Raw, request
from tests.support.served import served

ADDRESS = "127.0.0.120"
USERS = 40
GUESTS, KNOWN = 12, 20  # reservations that may be held
LIMITS = (
    f"limit root with allow_udp=on, pending={GUESTS + KNOWN + 1}\n"
    f"limit guest with parent=root, pending={GUESTS}\n"
    f"limit known with parent=root, pending={KNOWN}\n"
    "limit clean with parent=root\n"
    "assign default guest\n"
    "assign net 127.0.0.0/24 clean\n"
)
ENDS = {"server": ADDRESS, "client": ADDRESS}


def key_of(number: int) -> bytes:
    return bytes([number]) * 16


@dataclass
class Holder:
    """A client and what it holds."""

    raw: Raw
    user: int | None
    sid: SID = SID(bytes(16))
    role: Role = Role.SERVER
    start: int = 0  # 0: nothing is held
    duration: int = 0


class FloodTests(SynchronousTestCase):
    def setUp(self) -> None:
        keys = "".join(f"user{number} {key_of(number).hex()}\n" for number in range(USERS))
        users = "".join(f"assign user user{number} known\n" for number in range(USERS))
        options = "disable_iperf\ndisable_iperf3\ndisable_nuttcp\n"
        self.daemon = start_ours(ADDRESS, options, limits=LIMITS + users, keys=keys)
        self.addCleanup(self.daemon.kill)
        self.dice = dice("reservations")
        self.now = 0

    def test_flood(self) -> None:
        """Classes get what they may have and no more, slots never overlap, and all come back."""
        with running(self.daemon):
            baseline = Baseline(self.daemon)
            for _ in range(times(2, 30)):
                with served(self.daemon):
                    self.flood(times(150, 300))
                baseline.check()

    def flood(self, size: int) -> None:
        holders = [self.come(source) for source in sources(size, 41)]
        for _ in range(size * 3):
            self.want(self.dice.choice(holders))
        self.check(holders)
        for holder in self.dice.sample(holders, size):
            scene = Scene(holder.raw.session, holder.raw.socket)
            scene.leave(self.dice.choice((1, 1, 2)))

    def come(self, source: str) -> Holder:
        user = self.dice.choice((None, self.dice.randrange(USERS)))
        if user is None:
            raw = Raw(ADDRESS, self.daemon.ports.control, source=source)
        else:
            mode = self.dice.choice((Mode.AUTHENTICATED, Mode.ENCRYPTED))
            names = {"user": f"user{user}", "key": key_of(user), "source": source}
            raw = Raw(ADDRESS, self.daemon.ports.control, mode, **names)  # type: ignore[arg-type]
        raw.open()
        self.now = raw.time().time
        return Holder(raw, user)

    def want(self, holder: Holder) -> None:
        """Ask, move, or give back."""
        cancels = holder.start and self.dice.random() < 0.3
        if not holder.start:
            holder.role = self.dice.choice(list(Role))
            holder.duration = self.dice.choice((1, 5, 60))
            holder.sid = SID(self.dice.randbytes(16))
        at = 0 if cancels else self.now + ticks(self.dice.choice((60, 300, 3600)))
        wanted = request(
            at,
            role=holder.role,
            sid=holder.sid,
            tool=ToolID.THRULAY,
            duration=holder.duration,
            **ENDS,
        )
        answer = holder.raw.ask(wanted)
        granted = answer.accept is AcceptType.ACCEPT
        self.assertFalse(granted and cancels)
        holder.start = answer.start if granted else 0
        holder.sid = answer.sid if granted else holder.sid

    def check(self, holders: list[Holder]) -> None:
        held = [one for one in holders if one.start]
        guests = sum(one.user is None for one in held)
        self.assertLessEqual(guests, GUESTS, SEEDED)
        self.assertLessEqual(len(held) - guests, KNOWN, SEEDED)
        self.assertGreater(len(held), GUESTS, SEEDED)  # the flood is one
        in_time = sorted((one.start, one.duration) for one in held)
        for (start, duration), (after, _) in zip(in_time, in_time[1:], strict=False):
            self.assertGreater(seconds(after - start), duration, SEEDED)
        there = status(self.daemon)["reservations"]
        self.assertIn(there - len(held), (0, 1), SEEDED)  # the clean client's
