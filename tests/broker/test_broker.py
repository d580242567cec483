"""Counts on accounts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bwctl.broker.broker import ResourceBroker
from bwctl.broker.reservation import Full, Reservation, TooBusy
from bwctl.broker.timetable import Timetable
from tests.broker.wishes import wish

CHAIN = ("students", "campus", "root")


class AccountTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.broker = ResourceBroker(Timetable(setup_margin=0, max_reservations=2))

    def counts(self) -> list[int]:
        return [self.broker.count(account) for account in CHAIN]

    def booked(self, *accounts: str) -> Reservation:
        answer = self.broker.place(wish(), 0, accounts=accounts)
        assert isinstance(answer, Reservation)
        return answer

    def test_count_comes_and_goes(self) -> None:
        """A reservation counts for its class and the ancestors, once, until it is released."""
        mine = self.booked(*CHAIN)
        self.booked("root")
        self.assertEqual(self.counts(), [1, 1, 2])
        self.assertTrue(self.broker.release(mine))
        self.assertFalse(self.broker.release(mine))
        self.assertEqual(self.counts(), [0, 0, 1])

    def test_update(self) -> None:
        """An update moves the count with the reservation."""
        mine = self.booked(*CHAIN)
        self.assertEqual(self.broker.count("root", besides=mine), 0)
        answer = self.broker.place(wish(earliest=500), 0, replacing=mine, accounts=CHAIN)
        assert isinstance(answer, Reservation)
        self.assertEqual(self.counts(), [1, 1, 1])
        self.assertEqual(self.broker.count("root", besides=mine), 1)  # no longer one of them

    def test_refused_update(self) -> None:
        """A refused update loses its counts, and only those."""
        mine = self.booked(*CHAIN)
        self.booked("root")
        answer = self.broker.place(wish(latest=1), 0, replacing=mine, accounts=CHAIN)
        self.assertIsInstance(answer, TooBusy)
        self.assertEqual(self.counts(), [0, 0, 1])

    def test_full(self) -> None:
        """What is refused is not counted."""
        self.booked(*CHAIN)
        self.booked(*CHAIN)
        self.assertEqual(self.broker.place(wish(), 0, accounts=CHAIN), Full(2))
        self.assertEqual(self.counts(), [2, 2, 2])

    def test_mistake(self) -> None:
        """A demand that is none leaves the old reservation and its counts."""
        mine = self.booked(*CHAIN)
        with self.assertRaises(ValueError):
            self.broker.place(wish(length=0), 0, replacing=mine, accounts=CHAIN)
        self.assertEqual(self.counts(), [1, 1, 1])
        self.assertIn(mine, self.broker.timetable)
