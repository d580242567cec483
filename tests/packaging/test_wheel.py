"""What users install: the wheel, in an environment of its own, away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[2]


class WheelTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp()).absolute()
        self.place.mkdir(parents=True)

    def run_there(self, *command: str | Path) -> str:
        """Run a command away from the checkout; its output."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTHONPATH", "VIRTUAL_ENV")
        }
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.place,
            env=environment | {"HOME": str(self.place)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        self.assertEqual(done.returncode, 0, f"{command}:\n{done.stdout}")
        return done.stdout

    def test_installed_wheel(self) -> None:
        """The wheel has the package and one plugin; daemon, client and a real test work."""
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
        self.run_there(*pip, "wheel", "--no-deps", "-w", self.place, ROOT)
        [wheel] = self.place.glob("*.whl")
        names = zipfile.ZipFile(wheel).namelist()
        inside = {name.split("/")[0] for name in names if ".dist-info/" not in name}
        self.assertEqual(inside, {"bwctl", "twisted"})
        self.assertEqual(
            [name for name in names if name.startswith("twisted/")],
            ["twisted/plugins/bwctl_service.py"],
        )
        self.assertIn("bwctl/py.typed", names)
        self.run_there(sys.executable, "-m", "venv", "installed")
        bin_ = self.place / "installed" / "bin"
        self.run_there(bin_ / "python", *pip[1:], "install", wheel)
        file = self.run_there(bin_ / "python", "-c", "import bwctl; print(bwctl.__file__)")
        self.assertTrue(file.startswith(str(self.place)), file)
        self.assertIn("--config-dir", self.run_there(bin_ / "twistd", "bwctld", "--help"))
        self.assertIn("EXIT STATUS", self.run_there(bin_ / "bwctl", "--help").upper())
        self.run_there(bin_ / "bwctl", "--version")
        result = self.run_there(bin_ / "python", "-m", "bwctl.demo", "--seconds", "1")
        self.assertIn("RECEIVER END", result)
