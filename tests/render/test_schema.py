"""doc/schema/bwctl.result-1.json, and everything that --json can print."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

from bwctl.cli.exits import ExitStatus
from bwctl.errors import AcceptType
from bwctl.interfaces import ITester
from bwctl.render.jsonform import json_text
from bwctl.results import EndResult, TestResult
from bwctl.testers.registry import BUILT_IN
from bwctl.values import Kind, Report, Role, TestSpec, ToolID
from bwctl.verdict import judge
from tests.render.results import GOOD, LATENCY, RECEIVER, SENDER, SPEC, TRACE, report, with_reports
from tests.support.schema import PUBLISHED, problems, read_results
from tests.testers.support import samples
from tests.testers.test_thrulay import parse, parse_udp


def printed(result: TestResult) -> dict[str, Any]:
    """What --json prints of a result, held against the schema."""
    [found] = read_results(json_text(result))
    return found


def at_both_ends(tester_report: Report, spec: TestSpec) -> TestResult:
    """A result in which both ends have one report."""
    result = replace(with_reports(tester_report, tester_report), spec=spec)
    return replace(result, failure=judge(result))


class SchemaTests(SynchronousTestCase):
    """The file itself."""

    def test_valid(self) -> None:
        """It is a schema of draft 2020-12, and everything in it is described."""
        Draft202012Validator.check_schema(PUBLISHED)
        for name, definition in PUBLISHED["$defs"].items():
            self.assertTrue(definition.get("description"), name)

    def test_refuses(self) -> None:
        """What is missing, of a wrong type, null, or without a name in it, is found."""
        good = printed(GOOD)
        for change in (
            {"schema": "bwctl.result/2"},
            {"status": "failed"},
            {"status": "ok", "error": {"code": "busy", "exit_status": 8, "message": "m"}},
            {"test_number": None},
            {"nobody_named_this": 1},
            {"summary": {"bits_per_second": "fast"}},
            {"summary": {"bytes": 1}},
            {"summary": {"bits_per_second": -1}},
            {"intervals": [{"start": 0}]},
            {"schedule": {"start": "2026-11-21 19:06:10"}},
        ):
            self.assertTrue(problems({**good, **change}), change)
        for key in ("schema", "test_number", "parameters", "receiver"):
            self.assertTrue(problems({name: good[name] for name in good if name != key}), key)

    def test_later_releases(self) -> None:
        """As published it lets a reader pass over keys that it does not know."""
        later = {**printed(GOOD), "new_key": {"of": "a later release"}}
        self.assertTrue(Draft202012Validator(PUBLISHED).is_valid(later))


class ResultTests(SynchronousTestCase):
    """Results of all kinds."""

    def test_kinds(self) -> None:
        """Throughput, latency and trace."""
        for result, kind in ((GOOD, "throughput"), (LATENCY, "latency"), (TRACE, "trace")):
            self.assertEqual(printed(result)["parameters"]["kind"], kind)

    def test_failures(self) -> None:
        """Every exit status, from a test that did not come far and from one that ended."""
        for status in ExitStatus:
            if status is not ExitStatus.OK:
                failure = status.failure("sentence", "advice")
                self.assertEqual(printed(TestResult(failure=failure))["error"]["code"], status.code)
                printed(replace(GOOD, failure=failure))

    def test_ends(self) -> None:
        """Every way in which an end can have ended, and one that never answered."""
        for status in AcceptType:
            printed(replace(GOOD, receiver=replace(RECEIVER, status=status, ended_first=True)))
        printed(replace(GOOD, sender=EndResult(host="h")))

    def test_moments_of_the_testers(self) -> None:
        """What a daemon tells about its tester is there, for each end and for the test."""
        raw = b"bwctl: start_tool: 4004276970.250000\n\nbwctl: stop_tool: 4004276973.500000\n"
        found = printed(replace(GOOD, sender=replace(SENDER, raw=raw)))
        self.assertEqual(found["sender"]["tester_started"], "2026-11-21T19:09:30.250000Z")
        self.assertEqual(found["sender"]["tester_ended"], "2026-11-21T19:09:33.500000Z")
        self.assertEqual(found["schedule"]["actual_start_ntp"], (4004276970 << 32) + (1 << 30))
        self.assertNotIn("tester_started", found["receiver"])

    def test_version_and_length(self) -> None:
        """The tester's version as its daemon tells it; that a part of its output was not read."""
        raw = b"bwctl: run_tool: version: 20221126\x1b[31m\n"
        untold = replace(SENDER, raw=raw, report=Report(tool="x", cut=True))
        found = printed(replace(GOOD, sender=untold))
        self.assertEqual(found["sender"]["tool_version"], "20221126\\x1b[31m")
        self.assertIs(found["sender"]["report"]["cut"], True)
        self.assertNotIn("cut", found["receiver"]["report"])

    def test_all_samples(self) -> None:
        """The report on every output in tests/samples."""
        for sample in samples():
            result = at_both_ends(sample.parse(sample.octets), sample.spec)
            found = printed(result)
            self.assertEqual(len(found.get("intervals", [])), sample.expected["intervals"])

    def test_embedded_tester(self) -> None:
        """All that thrulay can tell, of TCP and of UDP."""
        for parsed, udp in ((parse(), False), (parse_udp(), True)):
            spec = replace(SPEC, tool=ToolID.THRULAY, udp=udp)
            found = printed(replace(with_reports(parsed, parsed), spec=spec))
            self.assertIn("owd_ms" if udp else "rtt_ms", found["summary"])

    def test_no_numbers(self) -> None:
        """A figure that is no number is not there; others stay."""
        figures = report(bits_per_second=3, jitter_ms=float("nan"), rtt_ms={"min": float("inf")})
        found = printed(with_reports(figures, None))
        self.assertEqual(found["summary"], {"bits_per_second": 3, "rtt_ms": {}})


def testers() -> list[tuple[ITester, TestSpec]]:
    """All testers, each with a test of both protocols."""
    return [
        (one, replace(SPEC, tool=one.tool_id, udp=udp, report_interval_ms=1000))
        for one in BUILT_IN
        for udp in (False, True)
    ]


class HostileTests(SynchronousTestCase):
    """Whatever an end sends, the object keeps to the schema."""

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(
        st.sampled_from([sample.octets for sample in samples()]),
        st.integers(0, 9000),
        st.integers(0, 40),
        st.binary(max_size=9),
    )
    def test_damaged_outputs(self, seed: bytes, at: int, gone: int, new: bytes) -> None:
        """Real outputs with a few octets replaced, read by every tester in both roles."""
        at %= len(seed)
        raw = seed[:at] + new + seed[at + gone :]
        for tester, spec in testers():
            for role in Role:
                end = replace(SENDER, raw=raw, report=tester.parse(raw, spec, role))
                result = replace(GOOD, spec=spec, sender=end)
                printed(replace(result, failure=judge(result)))

    def test_size(self) -> None:
        """Of a very long output the beginning is there, and how long it was."""
        raw = b"\x1b\xff" * (6 << 20)
        text = json_text(replace(GOOD, sender=replace(SENDER, raw=raw)))
        self.assertLess(len(text), 30 << 20)
        found = json.loads(text)["sender"]
        self.assertEqual((len(found["raw"]), found["raw_bytes"]), (4 << 20, 12 << 20))


class CompletenessTests(SynchronousTestCase):
    """What the code knows and the schema does not."""

    def test_tools(self) -> None:
        """Every tester's name and kind is printed."""
        for tool in ToolID:
            if tool:
                found = printed(replace(GOOD, spec=replace(SPEC, tool=tool)))
                self.assertIn(found["parameters"]["kind"], [kind.value for kind in Kind])
