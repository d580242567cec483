"""Completion, in the shells that are here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.completion import SHELLS, completion
from bwctl.cli.programs import PROGRAMS

_CLIENT = "import sys; from bwctl.cli.main import bwctl; sys.exit(bwctl())"
_BASH = """
source /dev/stdin <<< "$SCRIPT"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
"$FUNCTION"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def run(*command: str, **variables: str) -> str:
    done = subprocess.run(
        command,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0 and not done.stderr, (command, done)
    return done.stdout


def need(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        raise SkipTest(f"{shell} is not installed")
    return path


class CompletionTests(SynchronousTestCase):
    def bash(self, *words: str) -> set[str]:
        function = "_" + words[0].replace("-", "_")
        script = completion("bash")
        line = (need("bash"), "-c", _BASH, "bash", *words)
        return set(run(*line, SCRIPT=script, FUNCTION=function).split())

    def test_bash(self) -> None:
        """Options, their values, files, and the options of a command."""
        self.assertEqual(self.bash("bwctl", "--par"), {"--parallel", "--parsable"})
        self.assertEqual(self.bash("bwping", "-T", ""), {"ping", "owamp"})
        self.assertEqual(self.bash("bwctl", "-D", "ef"), {"ef"})
        self.assertEqual(self.bash("bwctl", "ch"), {"check"})
        self.assertEqual(self.bash("bwctl", "check", "--pa"), set())
        self.assertEqual(self.bash("bwctl", "check", "--js"), {"--json"})
        self.assertEqual(self.bash("bwctl", "-P", ""), set())
        self.assertIn("/etc/passwd", self.bash("bwctl-keys", "-f", "/etc/pass"))
        self.assertEqual(self.bash("bwctl-simulate", "--pairs", "s"), {"star"})
        self.assertEqual(self.bash("bwctl-simulate", "-T", "iperf"), {"iperf", "iperf3"})
        for program in PROGRAMS.values():
            longs = {f"--{opt.long}" for opt in program.options()}
            self.assertEqual(self.bash(*program.name.split(), "--"), longs)

    def test_zsh(self) -> None:
        """The script can be read, and has every option of every program."""
        self.assert_script("zsh", "-n", "-c")

    def test_fish(self) -> None:
        """The same; and fish itself tells what would be offered."""
        self.assert_script("fish", "--no-execute", "-c")
        fish, script = need("fish"), completion("fish")
        home = self.mktemp()
        for line, offered in {
            "bwping --num_": "--num_packets",
            "bwctl -T ipe": "iperf3",
            "bwctl check --js": "--json",
        }.items():
            text = run(fish, "-c", f'{script}\ncomplete -C "{line}"', HOME=home)
            self.assertIn(offered, text.split())

    def assert_script(self, shell: str, *flags: str) -> None:
        script = completion(shell)
        for program in PROGRAMS.values():
            for opt in program.options():
                self.assertIn(opt.long, script)
        run(need(shell), *flags, script)

    def test_command(self) -> None:
        """`bwctl completion SHELL` prints it; anything else tells the usage."""
        for shell in SHELLS:
            self.assertEqual(
                run(sys.executable, "-c", _CLIENT, "completion", shell), completion(shell)
            )
        told = run(sys.executable, "-c", _CLIENT, "completion", "--help")
        self.assertEqual(told, "usage: bwctl completion bash|zsh|fish\n")
        self.assertRaises(ValueError, completion, "csh")
