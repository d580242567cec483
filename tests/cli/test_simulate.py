"""bwctl-simulate as admins and scripts meet it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from textwrap import dedent
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import bwctl
from bwctl.cli import simulate
from bwctl.cli.simulate import main, run
from bwctl.simulate.simulation import Simulation

ROOT = Path(bwctl.__file__).parent.parent
MESH = {
    "hosts": ["ams", {"name": "chi", "address": "192.0.2.7"}, "tyo"],
    "groups": {"west": ["ams", "chi"]},
    "tests": [
        {
            "name": "west",
            "tool": "iperf3",
            "duration": "20s",
            "interval": "30m",
            "pairs": {"mesh": "west"},
        },
        {
            "name": "reach",
            "tool": "ping",
            "duration": "10s",
            "interval": "10m",
            "pairs": {"star": {"centre": "tyo", "leaves": "west"}},
        },
    ],
    "simulate": {"duration": "2h", "rtt": "100ms"},
}
SHORT = ("--hosts", "3", "-t", "10", "-I", "5m", "--duration", "30m")


class SimulateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = Path(self.mktemp())
        self.place.mkdir()

    def write(self, name: str, content: Any) -> str:
        file = self.place / name
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(file)

    def simulate(self, *words: str, status: int = 0) -> tuple[str, str]:
        """What stdout and stderr get."""
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            found = run(words)
        self.assertEqual(found, status, err.getvalue())
        self.assertNotIn("Traceback", err.getvalue())
        return out.getvalue(), err.getvalue()

    def json(self, *words: str, status: int = 0) -> dict[str, Any]:
        out, _ = self.simulate(*words, "--json", status=status)
        found: dict[str, Any] = json.loads(out)
        self.assertEqual(found["schema"], "bwctl.simulation/1")
        return found

    def refused(self, *words: str) -> str:
        out, err = self.simulate(*words, status=2)
        self.assertEqual(out, "")
        return err

    # -- what is simulated -----------------------------------------------------------------------

    def test_table(self) -> None:
        """A table of tests, one of hosts, the verdict and advice."""
        out, err = self.simulate(*SHORT)
        lines = out.splitlines()
        self.assertEqual(lines[0], "3 hosts, 6 pairs, 36 tests planned in 30m")
        self.assertEqual(lines[2].split()[:4], ["test", "pairs", "every", "planned"])
        self.assertEqual(lines[3].split()[:5], ["mesh", "6", "5m", "36", "36"])
        self.assertEqual([line.split()[0] for line in lines[6:9]], ["h1", "h2", "h3"])
        self.assertEqual(lines[10], "fits")
        self.assertEqual(lines[11][:40], "* busiest: h1 and 2 more, each asked for")
        self.assertEqual(lines[12][:46], "* shortest interval that should fit, estimated")
        self.assertEqual(err, "")

    def test_busiest_hosts(self) -> None:
        """Ten hosts are shown, all if that is wanted."""
        words = ("--hosts", "12", "--pairs", "star", "--duration", "6h")
        out, _ = self.simulate(*words)
        self.assertIn("and 2 hosts that are less busy\n", out)
        self.assertEqual(out.splitlines()[6].split()[0], "h01")
        out, _ = self.simulate(*words, "--all-hosts")
        self.assertEqual(sum(line.startswith("h") for line in out.splitlines()), 13)

    def test_does_not_fit(self) -> None:
        """Exit status 1, and why."""
        out, _ = self.simulate("--hosts", "6", "-t", "60", "-I", "5m", "--duration", "1h", status=1)
        self.assertIn("\ndoes not fit: ", out)
        self.assertIn("found no time before their latest start", out)
        found = self.json("--hosts", "6", "-t", "60", "-I", "5m", "--duration", "1h", status=1)
        self.assertEqual((found["status"], found["fits"]), ("ok", False))
        self.assertGreater(found["total"]["busy"], 0)
        self.assertTrue(found["reasons"] and found["advice"])
        self.assertEqual(found["bottleneck"]["hosts"], ["h1", "h2", "h3", "h4", "h5", "h6"])
        self.assertGreater(found["bottleneck"]["asked_share"], 1.0)

    def test_mesh_file(self) -> None:
        """A mesh with its own parameters, which options beat."""
        file = self.write("mesh.json", MESH)
        found = self.json("--mesh", file)
        self.assertEqual([test["name"] for test in found["tests"]], ["west", "reach"])
        self.assertEqual([test["planned"] for test in found["tests"]], [8, 48])
        self.assertEqual([test["tool"] for test in found["tests"]], ["iperf3", "ping"])
        self.assertEqual([host["name"] for host in found["hosts"]], ["ams", "chi", "tyo"])
        parameters = found["parameters"]
        told = (parameters["duration_seconds"], parameters["rtt_seconds"], parameters["seed"])
        self.assertEqual(told, (7200.0, 0.1, 1))
        found = self.json("--mesh", file, "--duration", "1h", "--seed", "9")
        self.assertEqual([test["planned"] for test in found["tests"]], [4, 24])
        parameters = found["parameters"]
        told = (parameters["duration_seconds"], parameters["rtt_seconds"], parameters["seed"])
        self.assertEqual(told, (3600.0, 0.1, 9))

    def test_manual(self) -> None:
        """What the manual shows is what the program prints."""
        manual = ROOT / "doc" / "user" / "mesh.md"
        if not manual.exists():
            raise self.skipTest("the manual is not part of an installed package")
        shown = re.findall(
            r"^    \$ bwctl-simulate (.*)\n((?:(?:    .*)?\n)+)", manual.read_text(), re.M
        )
        self.assertEqual(len(shown), 3)
        for line, text in shown:
            words = [str(ROOT / word) if "/" in word else word for word in line.split()]
            out, _ = self.simulate(*words, status=int("does not fit" in text))
            self.assertEqual(out, dedent(text).rstrip("\n") + "\n", line)

    def test_limits(self) -> None:
        """The limits of all daemons; their path in a mesh file is relative to it."""
        limits = "limit root with duration=15\nlimit noc with parent=root\nassign user noc noc\n"
        self.write("limits", limits)
        mesh = MESH | {"simulate": {"limits": "limits", "duration": "1h"}}
        found = self.json("--mesh", self.write("mesh.json", mesh), status=1)
        denied = {test["name"]: test["denied"] for test in found["tests"]}
        self.assertEqual(denied, {"west": 4, "reach": 0})
        self.assertEqual(found["tests"][0]["reasons"], {"duration=15 of class root": 4})
        out, _ = self.simulate(*SHORT, "--limits", str(self.place / "limits"), "--user", "noc")
        self.assertIn("\nfits\n", out)

    def test_faults(self) -> None:
        """They are told apart, and a mesh fits in spite of them."""
        out, _ = self.simulate(*SHORT, "--failure-rate", "0.5")
        self.assertIn("by faults of the simulation: ", out)
        found = self.json(*SHORT, "--failure-rate", "0.5")
        total = found["total"]
        self.assertEqual(total["failed"], total["injected"])
        self.assertEqual(sum(total["faults"].values()), total["injected"])

    def test_standard_input(self) -> None:
        """A mesh may come from a pipe."""
        ran = self.process("--mesh", "-", stdin=json.dumps(MESH))
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertIn("\nfits\n", ran.stdout)

    # -- the same again --------------------------------------------------------------------------

    def process(
        self, *words: str, stdin: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bwctl.cli.simulate", *words],
            input=stdin,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | more,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_same_seed_same_report(self) -> None:
        """Octet for octet, in another process with another seed of Python's own."""
        words = (*SHORT, "--failure-rate", "0.3", "-R", "30", "--clock-offset", "5ms", "--json")
        first, second = (self.process(*words, PYTHONHASHSEED=seed) for seed in ("1", "2"))
        self.assertEqual((first.returncode, first.stderr), (0, ""))
        self.assertEqual(first.stdout, second.stdout)
        self.assertNotEqual(first.stdout, self.process(*words, "--seed", "2").stdout)

    # -- what cannot be done ---------------------------------------------------------------------

    def test_usage(self) -> None:
        """A wrong command line is refused, with what to do."""
        for line, told in {
            "": "no mesh\nbwctl-simulate: hint: --mesh FILE names one, --hosts N makes one",
            "--hosts 1": "--hosts 1: hosts must be 2 to 1000",
            "--hosts 3 --mesh x": "--mesh: not together with --hosts",
            "--mesh x -I 1h": "--test_interval: only with --hosts",
            "--hosts 3 -T ping": "-T ping: ping is a tester of bwping",
            "--hosts 3 -T iperf,iperf3": "-T iperf,iperf3: must be one tester",
            "--hosts 3 -I 20s": "-I 20: test interval must be at least the duration + 2 seconds",
            "--hosts 3 -t 1.5": "-t 1.5: must be whole seconds",
            "--hosts 3 --pairs ring": "--pairs ring: must be one of mesh, star",
            "--hosts 3 --guard min": "--guard min: must be max or sum",
            "--hosts 3 --failure_rate 2": "--failure_rate 2: share must be 0 to 1",
            "--hosts 3 --duration 1s": "--duration 1s: must be a time from 60 to",
            "--hosts 3 --client here": "--client here: must be an IP address",
            "--hosts 3 --what": "not an option and not a value: --what",
            "--hosts 3 more": "not an option and not a value: more",
            "--hosts": "--hosts: a value must follow",
        }.items():
            self.assertIn(told, self.refused(*line.split()), line)

    def test_files_that_are_none(self) -> None:
        """A file that cannot be read or used is told with its name and all its problems."""
        self.assertIn("nowhere cannot be read: No such file", self.refused("--mesh", "nowhere"))
        told = self.refused("--mesh", str(self.place))
        self.assertIn("cannot be read: Is a directory", told)
        file = self.write("mesh.json", MESH | {"simulate": {"seed": "x"}, "host": []})
        self.assertIn(
            f"{file}: unknown key 'host'; did you mean 'hosts'?", self.refused("--mesh", file)
        )
        file = self.write("mesh.json", MESH | {"simulate": {"seed": "x", "rtt": -1}})
        told = self.refused("--mesh", file)
        self.assertIn(f"{file}: simulate.seed: must be a whole number", told)
        self.assertIn(f"\nbwctl-simulate: {file}: simulate.rtt: must be a time", told)
        limits = self.write("limits", "limit root with duration=x\n")
        self.assertIn(f"{limits}:1: ", self.refused(*SHORT, "--limits", limits))
        (self.place / "octets").write_bytes(b"\xff{}")
        self.assertIn("is not UTF-8", self.refused("--mesh", str(self.place / "octets")))

    def test_json_of_a_refusal(self) -> None:
        """A program gets an object then too."""
        out, _ = self.simulate("--hosts", "1", "--json", status=2)
        found = json.loads(out)
        self.assertEqual((found["status"], found["error"]["exit_status"]), ("failed", 2))
        self.assertEqual(found["schema"], "bwctl.simulation/1")

    def test_help_and_version(self) -> None:
        """Both end with 0."""
        ran = self.process("--help")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertIn("--failure_rate", ran.stdout)
        self.assertNotIn("AESKEY", ran.stdout)
        self.assertEqual(self.process("-V").stdout, f"bwctl-simulate {bwctl.__version__}\n")

    def test_a_defect_is_told_in_a_sentence(self) -> None:
        """No traceback, and an exit status of its own."""

        def broken(simulation: Simulation, progress: object = None) -> None:
            raise KeyError("what?")

        self.patch(Simulation, "run", broken)
        self.patch(sys, "argv", ["bwctl-simulate", *SHORT])
        err = StringIO()
        with redirect_stderr(err):
            self.assertEqual(main(), 70)
        self.assertEqual(
            err.getvalue(), "bwctl-simulate: a defect of this program: KeyError: 'what?'\n"
        )

    def test_interrupted(self) -> None:
        """Ctrl-C ends it with 130."""

        def interrupted(simulation: Simulation, progress: object = None) -> None:
            raise KeyboardInterrupt

        self.patch(Simulation, "run", interrupted)
        self.patch(sys, "argv", ["bwctl-simulate", *SHORT])
        with redirect_stderr(StringIO()) as err:
            self.assertEqual(main(), 130)
        self.assertEqual(err.getvalue(), "bwctl-simulate: interrupted\n")

    def test_progress(self) -> None:
        """On a terminal a line tells how far it is, and is gone at the end."""
        with redirect_stderr(StringIO()) as err:
            for share in (0.01, 0.5, 1.0):
                simulate._progress(share)
        self.assertEqual(err.getvalue(), "\rbwctl-simulate: 1 %\rbwctl-simulate: 50 %\r\x1b[K")

    def test_nobody_reads(self) -> None:
        """A reader of stdout that goes away costs no complaint."""
        line = f"{sys.executable} -m bwctl.cli.simulate {' '.join(SHORT)} | true"
        ran = subprocess.run(
            ["sh", "-c", line],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(ran.stderr, "")
