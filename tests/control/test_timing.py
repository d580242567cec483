"""The figures of wire.md 3.4 and 6.4 and of daemon.md 4.1, and those of recorded sessions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.control.timing import (
    OVERRUN,
    UNSYNCHRONISED_ERROR,
    Reading,
    clock_complaint,
    first_time,
    fuzz,
    results_due,
)
from bwctl.values import ErrorEstimate, NTPTime, seconds, ticks
from bwctl.wire.fields import encode_error
from tests.control.replay import recordings
from tests.wire.strategies import quiet

NOON = NTPTime(0xEEAC6B6A00000000)


def error(value: float) -> ErrorEstimate:
    return ErrorEstimate.from_ticks(ticks(value))


def at(offset: float, off_by: float) -> Reading:
    return Reading(NTPTime(NOON + ticks(offset)), error(off_by))


def granted(answer: dict[str, Any]) -> int:
    return int(answer["reservation_time"]["raw"], 16)


def immediate_requests() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """First requests for a server daemon that were granted a later time, and the answers."""
    for recording in recordings():
        messages = recording.connection.messages
        for entry, following in pairwise(messages):
            request, answer = entry["fields"], following["fields"]
            if following["message"] != "TestAccept" or answer["accept"]:
                continue
            new = request["kind"] == "new" and request["conf_server"]
            if new and granted(answer) > int(request["req_time"]["raw"], 16) > 0:
                yield recording.name, request, answer


class FuzzTests(SynchronousTestCase):
    def test_unsynchronised_pair(self) -> None:
        """F = 1.70 s with sync_fuzz 0, 2.70 s with 0.5 s on both (daemon.md 4.1)."""
        for sync_fuzz, expected in ((0.0, 1.70), (0.5, 2.70)):
            own = ErrorEstimate.from_ticks(UNSYNCHRONISED_ERROR + ticks(sync_fuzz))
            asked = own.plus(0).plus(0)  # through the client: decoded and encoded twice
            self.assertAlmostEqual(seconds(fuzz(asked, own)), expected, 1)
            self.assertEqual(fuzz(asked, own), asked.ticks + own.ticks + ticks(1.5))

    def test_constants(self) -> None:
        """1.5 s for testers that overrun, 0.1 s for a clock that nobody disciplines."""
        self.assertEqual((seconds(OVERRUN), fuzz(error(1), error(1), 0)), (1.5, 2 * error(1).ticks))
        self.assertEqual(encode_error(ErrorEstimate.from_ticks(UNSYNCHRONISED_ERROR)).hex(), "15cd")

    def test_recorded_reservations(self) -> None:
        """An immediate request was granted at now + 2F + 2R + 1 s; now is in the SID."""
        own = ErrorEstimate(24, 154)  # 189a, as each of these daemons said
        seen = 0
        for name, request, answer in immediate_requests():
            estimate = request["time_error"]
            f = fuzz(ErrorEstimate(estimate["scale"], estimate["multiplier"]), own)
            made = int(answer["sid"][8:24], 16)
            rest = seconds(granted(answer) - made - 2 * f) - 1.0  # 2R, on one host
            self.assertTrue(0 <= rest < 0.05, f"{name}: {rest}")
            seen += 1
        self.assertEqual(seen, 25)

    def test_immediate_request(self) -> None:
        """Two unsynchronised hosts with 0.5 s of sync_fuzz: 6.42 s ahead (wire.md 3.4)."""
        f = fuzz(ErrorEstimate(24, 156), ErrorEstimate(24, 154))
        self.assertAlmostEqual(seconds(2 * f) + 1, 6.42, 2)


class ClientTimesTests(SynchronousTestCase):
    def test_first_time(self) -> None:
        """now + 7 round trips to both + 0.25 s."""
        self.assertEqual(first_time(NOON, ticks(0.1)) - NOON, 7 * ticks(0.1) + ticks(0.25))

    def test_results(self) -> None:
        """Reservation, duration and omit, 1 s, and the larger round trip."""
        due = results_due(NOON, ticks(12), ticks(0.5))
        self.assertEqual(due - NOON, ticks(13.5))


class ClockTests(SynchronousTestCase):
    """The clock check of the client daemon's peer agent: wire.md 6.4."""

    def test_offsets(self) -> None:
        """5 s ahead or behind is too much for small errors; 10 s of error cover it."""
        cases = {
            (0.0, 0.1): None,
            (0.15, 0.1): None,
            (-0.15, 0.1): None,
            (5.0, 0.1): "ahead",
            (-5.0, 0.1): "behind",
            (5.0, 10.0): None,
            (-5.0, 10.0): None,
        }
        for (offset, off_by), expected in cases.items():
            found = clock_complaint(at(0, 0.1), at(offset, off_by), at(0.01, 0.1))
            if expected is None:
                self.assertIsNone(found, (offset, off_by))
            else:
                self.assertIn(expected, found or "nothing", (offset, off_by))

    def test_equality(self) -> None:
        """What just touches passes; one tick more does not."""
        small = ErrorEstimate(0, 1)
        before, after = Reading(NOON, small), Reading(NTPTime(NOON + 100), small)
        verdicts = {
            NOON - 2: None,
            NOON - 3: "behind",
            NOON + 102: None,
            NOON + 103: "ahead",
        }
        for time, expected in verdicts.items():
            found = clock_complaint(before, Reading(NTPTime(time), small), after)
            self.assertEqual(found and found.split()[-1], expected, time - NOON)

    def test_size(self) -> None:
        """The complaint says by how much at least, when errors are taken off."""
        found = clock_complaint(at(0, 0.1), at(5, 0.1), at(0, 0.1)) or ""
        self.assertIn("at least 4.8", found)

    @quiet
    @given(
        st.floats(-100, 100), st.floats(0, 50), st.floats(0, 50), st.floats(0, 2), st.floats(0, 1)
    )
    def test_true_clocks_pass(
        self, offset: float, own: float, remote: float, rtt: float, place: float
    ) -> None:
        """Clocks that are no further off than they say are never complained of."""
        apart = max(-1.0, min(1.0, offset / 50)) * (own + remote)
        answered = rtt * place + apart
        found = clock_complaint(at(0, own), at(answered, remote), at(rtt, own))
        self.assertIsNone(found)
