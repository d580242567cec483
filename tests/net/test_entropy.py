"""Random octets that nobody is given twice."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from bwctl.net.entropy import Entropy


class EntropyTests(SynchronousTestCase):
    def test_never_twice(self) -> None:
        """Many ids, small and large, are all different and as long as asked for."""
        entropy = Entropy()
        sizes = [16] * 1000 + [5000, 16, 4096, 16]
        drawn = [entropy(size) for size in sizes]
        self.assertEqual([len(one) for one in drawn], sizes)
        self.assertEqual(len(set(drawn)), len(drawn))

    def test_fork(self) -> None:
        """A child does not go on with its parent's octets."""
        script = (
            "import os; from bwctl.net.entropy import entropy; entropy(16)\n"
            "child = os.fork()\n"
            "if child: os.waitpid(child, 0)\n"
            "print(entropy(16).hex(), flush=True)\n"
        )
        told = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
        )
        lines = told.stdout.split()
        self.assertEqual(len(lines), 2)
        self.assertEqual(len(set(lines)), 2)
