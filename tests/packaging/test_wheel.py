"""What users install: the wheel, in an environment of its own, away from the checkout."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.installed import build_wheel, install, run_in


class WheelTests(SynchronousTestCase):
    def test_installed_wheel(self) -> None:
        """The wheel has the package and one plugin; daemon, client and a real test work."""
        place = Path(self.mktemp()).absolute()
        place.mkdir(parents=True)
        wheel = build_wheel(place)
        names = zipfile.ZipFile(wheel).namelist()
        inside = {name.split("/")[0] for name in names if ".dist-info/" not in name}
        self.assertEqual(inside, {"bwctl", "twisted"})
        self.assertEqual(
            [name for name in names if name.startswith("twisted/")],
            ["twisted/plugins/bwctl_service.py"],
        )
        self.assertIn("bwctl/py.typed", names)
        bin_ = install(sys.executable, wheel, place)
        file = run_in(place, bin_ / "python", "-c", "import bwctl; print(bwctl.__file__)")
        self.assertTrue(file.startswith(str(place)), file)
        self.assertIn("--config-dir", run_in(place, bin_ / "twistd", "bwctld", "--help"))
        self.assertIn("EXIT STATUS", run_in(place, bin_ / "bwctl", "--help").upper())
        run_in(place, bin_ / "bwctl", "--version")
        result = run_in(place, bin_ / "python", "-m", "bwctl.demo", "--seconds", "1")
        self.assertIn("RECEIVER END", result)
