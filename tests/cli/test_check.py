"""`bwctl check`, as a user runs it: daemons, clocks, and what a firewall keeps out."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.checkprogram import CHECK, parse
from bwctl.cli.checkreport import report_text
from bwctl.cli.exits import UsageError
from bwctl.cli.manpage import manual
from bwctl.cli.parser import build
from bwctl.net.checkup import HostCheck
from bwctl.net.pair import EndWish
from tests.support.certificates import Authority
from tests.support.daemons import Client, Ran, client_ours, running, start_ours
from tests.support.namespaces import two_hosts
from tests.support.ports import take_block

ONE, TWO = "127.0.0.47", "127.0.0.48"
_CLIENT = "import sys; from bwctl.cli.main import bwctl; sys.exit(bwctl())"


class CommandLineTests(SynchronousTestCase):
    def test_options(self) -> None:
        """Hosts between options; the testers that are tried."""
        options = parse(["-4", "a", "--json", "bwctls://b:99", "-T", "thrulay", "-A", "O"])
        self.assertEqual([str(host) for host in options.hosts], ["a:4823", "b:99"])
        self.assertEqual((options.ip_version, options.json), (4, True))
        self.assertEqual(len(options.tools), 1)

    def test_errors(self) -> None:
        """No host, a wrong one, one twice, one too many, another kind's tester."""
        for line, words in {
            "": "HOST",
            "a:b:c": "not an IPv6 address",
            "a a": "named twice",
            " ".join(f"h{number}" for number in range(33)): "more than 32 hosts",
            "a -T ping": "a tester of bwping",
            "a --what": "--what",
        }.items():
            usage = self.assertRaises(UsageError, parse, line.split())
            self.assertIn(words, usage.message)


class TextTests(SynchronousTestCase):
    def test_help(self) -> None:
        """What differs from bwctl's own options is told as it is here."""
        text = build(CHECK).format_help()
        self.assertIn("each one that both ends have", text)
        self.assertIn("After -A: MODE", text)
        self.assertNotIn("After HOST", text)
        page = manual(CHECK).replace("\\-", "-")
        self.assertIn("follow -A, and count for every host", page)
        self.assertIn("with the value bwctl.check/1.", page)

    def test_tls_column(self) -> None:
        """A daemon's TLS is there, is not, failed, or was not tried."""
        for told, shown in (
            ("ok", "ok"),
            ("not offered", "no"),
            ("expired", "failed"),
            (None, "-"),
        ):
            row = report_text([HostCheck(wish=EndWish(host="h"), tls=told)], []).splitlines()[1]
            self.assertEqual(row.split()[4], shown, row)


class CheckTests(SynchronousTestCase):
    def check(self, *words: str, status: int = 0) -> Ran:
        ran = client_ours("check", "-a", "0.1", "-T", "thrulay", *words).wait(60)
        self.assertEqual(ran.status, status, ran.report)
        self.assertNotIn("Traceback", ran.stderr)
        return ran

    def test_two_daemons(self) -> None:
        """Both are asked, and tested in both directions; a third is not there."""
        with running(start_ours(ONE), start_ours(TWO)) as (one, two):
            ran = self.check("--json", one.node, two.node)
            missing = f"{ONE}:{two.ports.first + 49}"
            text = self.check(one.node, two.node, missing, status=1).stdout
        found: dict[str, Any] = json.loads(ran.stdout)
        self.assertEqual(found["schema"], "bwctl.check/1")
        self.assertEqual([host["status"] for host in found["daemons"]], ["ok", "ok"])
        self.assertIn("thrulay", found["daemons"][0]["testers"])
        self.assertLess(abs(found["daemons"][0]["clock_offset_seconds"]), 0.2)
        ways = [(way["sender"], way["receiver"], way["status"]) for way in found["ways"]]
        self.assertEqual(ways, [(one.node, two.node, "ok"), (two.node, one.node, "ok")])
        self.assertTrue(all(way["tester_port_open"] for way in found["ways"]))
        self.assertIn(f"no daemon listens at {missing}", text)
        self.assertRegex(text, rf"{one.node} +{two.node} +thrulay +\d+ +\d+ +\S+ [kMGT]?bit/s")

    def test_denied(self) -> None:
        """A daemon that denies because of its clock is asked once, and the advice says why."""
        with running(start_ours(ONE, "clock_source none\nallow_unsync off\n")) as (one,):
            ran = client_ours("check", one.node).wait(60)
        self.assertEqual(ran.status, 1, ran.report)
        self.assertEqual(len(re.findall(rf"^{one.node} +here .* denied$", ran.stdout, re.M)), 1)
        self.assertNotRegex(ran.stdout, rf"here +{one.node}")
        advice = f"* {one.node} denied the test: its clock is not synchronised (allow_unsync"
        self.assertEqual(ran.stdout.count(advice), 1, ran.report)

    def test_one_daemon(self) -> None:
        """The other end is here."""
        with running(start_ours(ONE)) as (one,):
            text = self.check(one.node).stdout
        self.assertRegex(text, rf"{one.node} +here +thrulay")
        self.assertRegex(text, rf"here +{one.node} +thrulay")
        self.assertIn("nothing synchronises its clock", text)

    def test_tls(self) -> None:
        """The certificate is checked, and its fault told."""
        directory = Path(self.mktemp()).resolve()
        directory.mkdir()
        authority, stranger = Authority(directory), Authority(directory, "other")
        block = take_block()
        self.addCleanup(block.release)
        options = f"tls_port {block.control}\ntls_cert {authority.issue(ONE, file='d.pem')}\n"
        with running(start_ours(ONE, options)):
            host = f"bwctls://{ONE}:{block.control}"
            ran = self.check(host, "--ca", authority.file, "--json")
            self.assertEqual(json.loads(ran.stdout)["daemons"][0]["tls"], "ok")
            ran = self.check(host, "--ca", stranger.file, status=1)
        self.assertIn("from an issuer that is not trusted here", ran.stdout)

    def test_firewalls(self) -> None:
        """A closed peer port and a closed tester port are told apart, with the ports to open."""
        with two_hosts() as (left, right):
            one, two = (start_ours(host.address, inside=host.inside) for host in (left, right))
            with running(one, two):
                left.block(right.address, two.ports.peer)
                right.block(left.address, one.ports.test, "unreachable")
                command = [*left.inside, sys.executable, "-c", _CLIENT, "check", "-a", "0.1"]
                ran = Client(command, ["-T", "thrulay", one.node, two.node]).wait(60)
        self.assertEqual(ran.status, 1, ran.report)
        self.assertRegex(ran.stdout, rf"{one.node} +{two.node} +thrulay +closed +\d+ +failed")
        self.assertRegex(ran.stdout, rf"{two.node} +{one.node} +thrulay +\d+ +closed +failed")
        self.assertIn(f"firewall of {two.node}: let {one.node} in at TCP port", ran.stdout)
        self.assertIn("all of thrulay_port or test_port", ran.stdout)
