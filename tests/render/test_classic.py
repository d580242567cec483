"""Classic output, files and --parsable."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from bwctl.render import classic as module
from bwctl.render.classic import (
    file_name,
    files,
    frame,
    machine_part,
    remarks_of,
)
from bwctl.render.csvform import row
from bwctl.render.jsonform import json_text
from bwctl.results import EndResult, Side, TestResult
from bwctl.text import sanitise
from bwctl.values import NTPTime, Role
from tests.render.results import GOOD, RECEIVER, SENDER, SPEC, START, sample

BOTH = (
    b"\nRECEIVER START\nreceiver's output\n\nRECEIVER END\n"
    b"\nSENDER START\nsender's output\n\nSENDER END\n"
)
SENDER_ONLY = b"\nSENDER START\nsender's output\n\nSENDER END\n"
RECEIVER_ONLY = b"\nRECEIVER START\nreceiver's output\n\nRECEIVER END\n"


def classic(result: TestResult, **options: bool) -> bytes:
    """All that stdout gets."""
    return b"".join(module.classic(result, **options))


def blocks(text: bytes) -> dict[Side, bytes]:
    """What stands between the START and END lines of a captured output."""
    found = re.findall(rb"\n(SENDER|RECEIVER) START\n(.*?)\n\1 END\n", text, re.DOTALL)
    return {Side[name.decode()]: body for name, body in found}


def rebuilt(name: str, results: Role, both: bool) -> bytes:
    """The output that we make of the blocks in a capture."""
    raw = blocks(sample(name))
    result = TestResult(
        receiver=replace(RECEIVER, raw=raw.get(Side.RECEIVER, b"not shown")),
        sender=replace(SENDER, raw=raw.get(Side.SENDER, b"not shown")),
        results_role=results,
    )
    return classic(result, both=both)


class ClassicTests(SynchronousTestCase):
    """stdout without --json."""

    def test_frame(self) -> None:
        """One block, octet for octet, whatever is in it."""
        expected = b"\nSENDER START\n\xff\x1b[1m\r\nno end\nSENDER END\n"
        self.assertEqual(b"".join(frame(Side.SENDER, [b"\xff\x1b[1m\r\nno end"])), expected)

    def test_captured_outputs(self) -> None:
        """The output of the C client comes out again."""
        cases = (
            ("bwctl-iperf3-default", Role.CLIENT, False),
            ("bwctl-iperf-csv-both", Role.SERVER, True),
            ("bwctl-iperf3-parsable-verbose-both", Role.CLIENT, True),
        )
        for name, results, both in cases:
            self.assertEqual(rebuilt(name, results, both), sample(name), name)

    def test_one_end(self) -> None:
        """Without -x the end that the results come from is shown."""
        self.assertEqual(classic(GOOD, both=False), SENDER_ONLY)
        server = replace(GOOD, results_role=Role.SERVER)
        self.assertEqual(classic(server, both=False), RECEIVER_ONLY)

    def test_both_ends(self) -> None:
        """With -x the server role comes first."""
        self.assertEqual(classic(GOOD, both=True), BOTH)

    def test_flipped(self) -> None:
        """The words follow the data, the order the roles."""
        flipped = replace(
            GOOD,
            receiver=replace(RECEIVER, role=Role.CLIENT),
            sender=replace(SENDER, role=Role.SERVER),
        )
        self.assertEqual(classic(flipped, both=True), SENDER_ONLY + RECEIVER_ONLY)
        self.assertEqual(classic(flipped, both=False), RECEIVER_ONLY)

    def test_no_endpoint(self) -> None:
        """With -E the client role is shown in any case."""
        spec = replace(SPEC, no_server_endpoint=True)
        result = replace(GOOD, spec=spec, results_role=Role.SERVER)
        self.assertEqual(classic(result, both=False), SENDER_ONLY)

    def test_one_end_lost(self) -> None:
        """What is there is shown, also where the other end was wanted."""
        lost = replace(GOOD, sender=EndResult(host="s", role=Role.CLIENT))
        self.assertEqual(classic(lost, both=True), RECEIVER_ONLY)
        self.assertEqual(classic(lost, both=False), RECEIVER_ONLY)

    def test_nothing(self) -> None:
        """A test that failed early prints nothing."""
        self.assertEqual(classic(TestResult(), both=True), b"")

    def test_terminal(self) -> None:
        """For a terminal the text is made harmless; otherwise it is not touched."""
        hostile = replace(GOOD, sender=replace(SENDER, raw=b"\x1b]0;title\x07\tx\n"))
        safe = classic(hostile, both=False, safe=True)
        self.assertEqual(safe, b"\nSENDER START\n\\x1b]0;title\\x07\tx\n\nSENDER END\n")
        self.assertIn(b"\x1b]0;title\x07", classic(hostile, both=False))

    def test_nothing_left_out(self) -> None:
        """--classic has the line for programs too, octet for octet, --parsable or not."""
        raw = b"text\r\n#json {}\nbwctl: remark\n\xff\x1b"
        result = replace(GOOD, sender=replace(SENDER, raw=raw))
        expected = b"\nSENDER START\n" + raw + b"\nSENDER END\n"
        for parsable in (False, True):
            got = classic(result, both=False, parsable=parsable, exact=True)
            self.assertEqual(got, expected)
        self.assertNotIn(b"#json", classic(result, both=False))

    def test_end_of_a_long_output(self) -> None:
        """A terminal gets its first part, and how much more there is."""
        raw = b"\x1b" * (module.SHOWN + 5)
        result = replace(GOOD, sender=replace(SENDER, raw=raw))
        shown = classic(result, both=False, safe=True)
        self.assertEqual(shown.count(b"\\x1b"), module.SHOWN)
        self.assertIn(b"\n[5 more octets; redirect stdout, or use -p]\n", shown)
        self.assertNotIn(b"\x1b", shown)


class SizeTests(SynchronousTestCase):
    """No output that an end can send exhausts the memory."""

    def peak(self, show: Callable[[], object]) -> int:
        """The most memory that something takes, octets."""
        tracemalloc.start()
        try:
            show()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def test_peak(self) -> None:
        """stdout needs no more than a copy of it; a terminal, JSON and CSV a bounded amount."""
        size = 8 << 20
        for octet in (b"\x1b", b"#json \n"):
            raw = octet * (size // len(octet))
            end = replace(SENDER, raw=raw)
            result = replace(GOOD, sender=end)
            for options, most in (
                ({}, 3 * size),
                ({"exact": True}, 1 << 16),
                ({"safe": True, "exact": True}, 8 << 20),
            ):
                parts = module.classic(result, both=False, **options)
                peak = self.peak(lambda parts=parts: deque(parts, maxlen=0))
                self.assertLess(peak, most, (octet, options))
            self.assertLess(self.peak(lambda one=result: json_text(one)), 80 << 20, octet)
            self.assertLess(self.peak(lambda one=result: row(one)), 1 << 20, octet)

    def test_peak_of_remarks(self) -> None:
        """An output of nothing but remarks is not held as a list of them."""
        size = 8 << 20
        for line in (b"bwctl: a\n", b"a\n", b"{}bwctl: a\n", b"\x1b"):
            raw = b"{\n}\n" + line * (size // len(line))
            for show in (machine_part, remarks_of):
                peak = self.peak(lambda show=show, raw=raw: show(raw))
                self.assertLess(peak, 3 * size + (4 << 20), (line, show))
            self.assertTrue(all(len(one) <= 4000 for one in remarks_of(raw)), line)


class SanitiseTests(SynchronousTestCase):
    """Remote text on a terminal."""

    def test_harmless(self) -> None:
        """Text, tabs and line feeds stay."""
        text = "a\tb\n\u00e9\u4e2d\U0001f600 ~\u00a0"
        self.assertEqual(sanitise(text), text)
        self.assertEqual(sanitise("line\r\n"), "line\n")

    def test_harmful(self) -> None:
        """Control characters, C1 and direction marks are shown."""
        for character in ("\x00", "\x07", "\x08", "\r", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066"):
            shown = sanitise(f"a{character}b")
            self.assertTrue(shown.isprintable(), repr(shown))
            self.assertIn("\\", shown)

    def test_any_octets(self) -> None:
        """All octets give printable text or line breaks and tabs."""
        shown = sanitise(bytes(range(256)))
        self.assertTrue(all(c.isprintable() or c in "\n\t" for c in shown))

    def test_surrogates(self) -> None:
        """A text with a lone surrogate can be written."""
        sanitise("\udcff").encode()


class ParsableTests(SynchronousTestCase):
    """--parsable."""

    def test_json_of_a_verbose_test(self) -> None:
        """Only JSON is left of a captured output that has lines of the daemon."""
        for body in blocks(sample("bwctl-iperf3-parsable-verbose-both")).values():
            self.assertIn("start", json.loads(machine_part(body)))
            remarks = remarks_of(body)
            self.assertEqual(remarks.pop(-1)[:15], "stop_endpoint: ")
            self.assertTrue([line for line in remarks if line.startswith("start_endpoint: ")])

    def test_csv_stays(self) -> None:
        """Rows are not touched."""
        for body in blocks(sample("bwctl-iperf-csv-both")).values():
            self.assertEqual(machine_part(body), body)

    def test_shared_line(self) -> None:
        """A daemon's line is taken off the end of a tester's line."""
        raw = b"WARNING: mss\n1,2,3bwctl: stop_tool: 1\nbwctl: \x1b\n4,5bwctl: x"
        self.assertEqual(machine_part(raw), b"1,2,3\n4,5")
        self.assertEqual(remarks_of(raw), ["mss", "stop_tool: 1", "\\x1b", "x"])
        self.assertEqual(machine_part(b"{\n}bwctl: x\n"), b"{\n}\n")

    def test_text_around_objects(self) -> None:
        """What a tester writes before and after its JSON is a remark."""
        for objects in (b"{\n 1\n}\n", b'{"a": 1}\n', b'{"a": 1}\n{"b": 2}\n'):
            raw = b"MSS 1448\n" + objects + b"done\n"
            self.assertEqual(machine_part(raw), objects)
            self.assertEqual(remarks_of(raw), ["MSS 1448", "done"])

    def test_many_remarks(self) -> None:
        """An end cannot flood stderr with them."""
        self.assertEqual(len(remarks_of(b"bwctl: x\n" * 5000)), module.MOST_REMARKS)

    def test_remarks_of_a_long_output(self) -> None:
        """Those at its beginning and at its end are found; in the middle only a tester writes."""
        rows = b"[" + b"1,\n" * (2 << 20) + b"1]\n"
        raw = b"bwctl: begun\n" + rows[:-1] + b"bwctl: ended\nbwctl: over"
        self.assertEqual(remarks_of(raw), ["begun", "ended", "over"])
        self.assertEqual(machine_part(raw), rows)

    def test_framing_stays(self) -> None:
        """The START and END lines are printed as ever."""
        raw = b"bwctl: start\n{}\nbwctl: stop\n"
        result = replace(GOOD, sender=replace(SENDER, raw=raw))
        expected = b"\nSENDER START\n{}\n\nSENDER END\n"
        self.assertEqual(classic(result, both=False, parsable=True), expected)


class FileTests(SynchronousTestCase):
    """-p."""

    def test_names(self) -> None:
        """The names of the C client."""
        moment = NTPTime(17198238333135850522)
        self.assertEqual(file_name(moment, Side.SENDER), "17198238333135850522.send.bw")
        self.assertEqual(file_name(NTPTime(7), Side.RECEIVER), "00000000000000000007.recv.bw")

    def test_contents(self) -> None:
        """Raw output without frames, the server role first."""
        self.assertEqual(
            list(files(GOOD, both=True)),
            [
                (f"{START:020d}.recv.bw", b"receiver's output\n"),
                (f"{START:020d}.send.bw", b"sender's output\n"),
            ],
        )
        self.assertEqual(len(list(files(GOOD, both=False))), 1)

    def test_no_reservation(self) -> None:
        """No file without a time to name it after."""
        self.assertEqual(list(files(replace(GOOD, reserved_start=None), both=True)), [])
