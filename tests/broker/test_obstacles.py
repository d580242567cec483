"""What was entered late is in the way, and gone once it is taken out."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from bwctl.broker.obstacles import Guard, Obstacles

STEP, LENGTH, FUZZ = 100, 10, 3


class ObstaclesTests(SynchronousTestCase):
    def places(self, obstacles: Obstacles) -> set[int]:
        """Those of the hundred places in a row that are taken."""
        starts = {number: number * STEP for number in range(100)}
        return {
            number
            for number, start in starts.items()
            if obstacles.first_fit(start, LENGTH, FUZZ) != start
        }

    def test_late(self) -> None:
        """However many were entered and taken out since the last search, it finds the rest."""
        for guard in Guard:
            random, obstacles = Random(7), Obstacles(guard)
            held: set[int] = set()
            for size in (1, 5, 31, 32, 33, 64, 90):
                wanted = set(random.sample(range(100), size))
                both = [*(wanted - held), *(held - wanted)]
                random.shuffle(both)
                for number in both:
                    start = number * STEP
                    if number in wanted:
                        obstacles.add(start, start + LENGTH, FUZZ, number)
                    else:
                        obstacles.remove(start, FUZZ, number)
                held = wanted
                self.assertEqual(self.places(obstacles), held)

    def test_never_searched(self) -> None:
        """What comes and goes without a search leaves nothing, and what stays is found at last."""
        obstacles = Obstacles(Guard.MAX)
        for number in range(100):
            obstacles.add(number * STEP, number * STEP + LENGTH, FUZZ, number)
            if number % 2:
                obstacles.remove(number * STEP, FUZZ, number)
        self.assertEqual(self.places(obstacles), set(range(0, 100, 2)))
