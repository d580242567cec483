"""The package as users install it: its wheel, in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300
_NO_SOURCES = (".*", "build", "dist", "_trial_temp*", "__pycache__", "*.egg-info")
_OLDEST = "import sys, venv; sys.exit(sys.version_info < (3, 10))"


def bare_environment(home: Path) -> dict[str, str]:
    """The environment of this process without what leads to the checkout."""
    unwanted = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONWARNINGS")  # pip has warnings
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {"HOME": str(home)}


def run_in(place: Path, *command: str | Path) -> str:
    """Run a command away from the checkout; its output.

    Raises:
        AssertionError: it failed; with its output.
    """
    done = subprocess.run(
        [str(word) for word in command],
        cwd=place,
        env=bare_environment(place),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}"
    return done.stdout


def build_wheel(place: Path) -> Path:
    """Build the wheel of the checkout in a directory.

    From a copy: builds of one directory at the same time spoil each other.
    """
    source, unwanted = place / "source", shutil.ignore_patterns(*_NO_SOURCES)
    shutil.copytree(ROOT, source, ignore=unwanted)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    run_in(place, *pip, "wheel", "--no-deps", "-w", place, source)
    [wheel] = place.glob("*.whl")
    return wheel


def install(python: str, wheel: Path, place: Path) -> Path:
    """Install a wheel into a new environment below a directory; its directory of programs."""
    quiet = ("-m", "pip", "--disable-pip-version-check", "-q")
    its_own = subprocess.run([python, "-c", "import ensurepip"], capture_output=True)
    bare = () if its_own.returncode == 0 else ("--without-pip",)  # a system's may have none
    run_in(place, python, "-m", "venv", *bare, "installed")
    bin_ = place / "installed" / "bin"
    pip = (
        (sys.executable, *quiet, "--python", bin_ / "python") if bare else (bin_ / "python", *quiet)
    )
    run_in(place, *pip, "install", wheel)
    return bin_


def pythons_for_all(uid: int) -> Iterator[str]:
    """Python interpreters, new enough, that a user without any right can run."""
    names = ["/usr/bin/python3", "/usr/local/bin/python3", os.path.realpath(sys.executable)]
    for path in filter(os.path.exists, names):
        if _runs([path, "-c", _OLDEST], uid):
            yield path


def _runs(command: Sequence[str], uid: int) -> bool:
    done = subprocess.run(
        command,
        user=uid,
        group=uid,
        extra_groups=[],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    return done.returncode == 0


def can_enter(place: Path, uid: int) -> bool:
    """Whether a user without any right may use a directory."""
    return _runs(["test", "-x", str(place)], uid)
