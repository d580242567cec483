"""Tests between the same two ends, for the command line and for other programs."""

from __future__ import annotations

from dataclasses import replace

from bwctl.net.conductor import Conductor, Wish
from bwctl.net.failures import SessionFailure
from bwctl.net.once import settled
from bwctl.net.pair import CLOSING_S, EndWish, Held, Opener, Pair, Surroundings
from bwctl.results import ExitStatus, TestResult
from bwctl.verdict import judge


class Series:
    """One test after the other, over the same connections while they serve.

    Whatever ends a test other than its result, the connections are closed, and the daemons give
    back what was reserved.
    """

    def __init__(self, around: Surroundings, receiver: EndWish, sender: EndWish) -> None:
        self._around = around
        self._receiver = receiver
        self._sender = sender
        self._pair: Pair | None = None
        self._held: list[Held] = []  # not known to be gone
        self._conductor: Conductor | None = None  # of the test under way, or of the last

    async def test(self, wish: Wish) -> TestResult:
        """One test; its `failure` tells why it is none. Cancelling gives up."""
        conductor = self._conductor = None
        try:
            pair = await self._open()
            conductor = self._conductor = Conductor(self._around, pair, wish)
            result = await conductor.run()
        except SessionFailure as error:
            self.close()
            result = conductor.result if conductor is not None else TestResult()
            failure = ExitStatus[error.code.upper()].failure(error.message, error.hint)
            return replace(result, failure=failure)
        except BaseException:
            self.close()
            raise
        finally:
            self._conductor = None
        return replace(result, failure=judge(result))

    def interrupt(self) -> bool:
        """Cut a started test short: it ends soon, with what there is; False: none has started."""
        return self._conductor is not None and self._conductor.interrupt()

    def rate(self) -> float | None:
        """Bits per second of the test that runs, where one of its ends is ours and tells it."""
        return self._conductor.rate() if self._conductor is not None else None

    async def _open(self) -> Pair:
        """The connections of the last test if they still serve, else new ones."""
        pair = self._pair
        if pair is not None and pair.usable:
            for end in (pair.receiver, pair.sender):
                await end.read_clock(self._around.clock)
            return pair
        self.close()
        opener = Opener(self._around)
        self._held = [*(one for one in self._held if not one.is_gone), opener.held]
        self._pair = await opener.open(self._receiver, self._sender)
        return self._pair

    def close(self) -> None:
        """Begin to close the connections, and what this program runs of a test."""
        for held in self._held:
            held.close()
        self._pair = None

    async def gone(self, most_s: float = CLOSING_S) -> None:
        """After `close`: until nothing is left of any test, or so many seconds are over."""
        held, self._held = self._held, []
        await settled([one.gone(self._around.timers, most_s) for one in held])
