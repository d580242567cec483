"""What the results of a test end say around the output of its tester."""

from __future__ import annotations

from bwctl.net.clock import IClock
from bwctl.net.kept import shortened
from bwctl.net.plan import Plan
from bwctl.values import seconds


class Transcript:
    """Lines before and after the output; verbose tests have more of them, as from C."""

    def __init__(self, plan: Plan, clock: IClock) -> None:
        self._plan = plan
        self._clock = clock
        self._head = bytearray()
        self._notes = bytearray()
        self.reason = ""  # the last complaint

    def say(self, name: str, value: str, *, below: bool = False) -> None:
        """A line of the kind that verbose tests have, above or below the output."""
        if self._plan.spec.verbose:
            target = self._notes if below else self._head
            target += f"bwctl: {name}: {value}\n".encode()

    def stamp(self, name: str, *, below: bool = False) -> None:
        """The time now as such a line: seconds since 1900, six decimals, as C prints them."""
        self.say(name, f"{seconds(self._clock.now()):.6f}", below=below)

    def addresses(self, name: str) -> None:
        """Both ends as such lines."""
        spec = self._plan.spec
        self.say(f"{name}: receiver", str(spec.address(spec.sender.other)))
        self.say(f"{name}: sender", str(spec.address(spec.sender)))

    def note(self, text: str) -> None:
        """A line below the output, in every test."""
        self._notes += f"bwctl: {text}\n".encode()

    def blame(self, text: str) -> None:
        """A note that says why the test does not end well, if it does not."""
        self.reason = text
        self.note(text)

    def around(self, output: bytes) -> bytes:
        """All of it, with a tester's output in the middle; that is cut where there is no room."""
        if output and not output.endswith(b"\n"):
            output += b"\n"
        most = self._plan.max_output
        room = max(0, most - len(self._head) - len(self._notes))
        return bytes(self._head) + shortened(output, room, most) + bytes(self._notes)
