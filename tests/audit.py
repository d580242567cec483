"""Holds the installed dependencies against known vulnerabilities.

pip-audit asks the databases of advisories, where they can be reached; where they cannot, that is
said, and only LEAST is checked. Exit status 1: something is known.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PLACE: Final = ROOT / ".venv" / "audit"
SOURCES: Final = ("pypi", "osv")
PATIENCE_S: Final = 300

LEAST: Final = {  # what daemon and client stand on: first versions without a known advisory
    "twisted": ("24.7.0", "CVE-2024-41671, CVE-2024-41810 (twisted.web, which we do not use)"),
    "cryptography": ("46.0.7", "CVE-2026-26007 and those of its OpenSSL"),
    "pyopenssl": ("26.0.0", "CVE-2026-27448, CVE-2026-27459 (DTLS, which we do not use)"),
}


def main() -> int:
    """Look, tell, and give the exit status."""
    found = [*too_old(), *known()]
    for sentence in found:
        print(f"audit: {sentence}")
    return 1 if found else 0


def too_old() -> list[str]:
    """Installed versions below LEAST."""
    return [
        f"{name} {version(name)} is older than {least}: {why}"
        for name, (least, why) in LEAST.items()
        if _numbers(version(name)) < _numbers(least)
    ]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)[:3]))


def known() -> list[str]:
    """What the first database knows that answers; says so if none does."""
    try:
        program = _pip_audit()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"audit: pip-audit cannot be installed, so no database was asked: {error}")
        return []
    for source in SOURCES:
        report = _report(program, source)
        looked = [one for one in report if "skip_reason" not in one]
        if looked:
            print(f"audit: {len(looked)} of {len(report)} packages looked up at {source}")
            return [
                f"{one['name']} {one['version']}: {flaw['id']}, fixed in {flaw['fix_versions']}"
                for one in looked
                for flaw in one["vulns"]
            ]
    print(f"audit: no database of advisories can be reached ({', '.join(SOURCES)}): not looked up")
    return []


def _pip_audit() -> Path:
    """The program, in an environment of its own, so that it does not audit itself."""
    program = PLACE / "bin" / "pip-audit"
    if not program.exists():
        venv.create(PLACE, with_pip=True)
        pip = [PLACE / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "pip-audit"]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode:
            raise subprocess.SubprocessError(done.stderr.strip().splitlines()[-1:])
    return program


def _report(program: Path, source: str) -> list[dict[str, Any]]:
    """What pip-audit says of each package; nothing if it cannot ask."""
    where = ["--path", sysconfig.get_path("purelib"), "--vulnerability-service", source]
    how = ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(
            [program, *where, *how], capture_output=True, text=True, timeout=PATIENCE_S
        )
        report: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return []
    return report


if __name__ == "__main__":
    sys.exit(main())
