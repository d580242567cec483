"""Post-hooks: the text they read, and real programs that behave in all the ways programs do."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase, TestCase

from bwctl.errors import AcceptType
from bwctl.net.clock import SystemClock
from bwctl.net.hook_input import PIECE, HookEvent, defused, hook_input
from bwctl.net.hook_process import MAX_LINES, MAX_LOGGED, OutputLines, printable
from bwctl.net.hooks import HookRunner
from bwctl.net.timers import Timers
from bwctl.values import SID, Role, TestSpec, ToolID, ntp_from_unix
from tests.support.processes import descendants

SPEC = TestSpec(
    tool=ToolID.IPERF3,
    client=ip_address("192.0.2.1"),
    server=ip_address("192.0.2.2"),
    duration=10,
)
EVENT = HookEvent(
    spec=SPEC,
    role=Role.SERVER,
    sid=SID(bytes(range(16))),
    user=None,
    limit_class="root",
    client=ip_address("203.0.113.9"),
    start=ntp_from_unix(1_800_000_000.75),
    end=ntp_from_unix(1_800_000_010.75),
    output=b"own\n",
    other_output=b"other\n",
    status=AcceptType.ACCEPT,
    other_status=AcceptType.ACCEPT,
)

NAMES = ["TEST_CONFIG", "RECV_OUTPUT", "SEND_OUTPUT"]

FLIP = b"""<TEST_CONFIG>
tool: iperf3
user: jane
limit_class: research
start_time: 1800000000
is_host_sender: YES
tos: 32
client: 203.0.113.9
sender: 192.0.2.2
receiver: 192.0.2.1
duration: 10
use_udp: NO
bandwidth: 0
window: 262144
len_buffer: 131072
mss: 1400
report_interval: 2000
parallel_streams: 4
units: m
output_format: J
use_dynamic_window_sizing: NO
sid: 000102030405060708090a0b0c0d0e0f
end_time: 1800000012
status: accept
peer_status: accept
omit: 2
packet_count: 0
packet_spacing: 0
packet_size: 0
ttl: 0
first_ttl: 0
last_ttl: 0
</TEST_CONFIG>
<RECV_OUTPUT>
other
</RECV_OUTPUT>
<SEND_OUTPUT>
own
</SEND_OUTPUT>
"""

UDP = b"""<TEST_CONFIG>
tool: iperf
user:\x20
limit_class: root
start_time: 1800000000
is_host_sender: NO
tos: 0
client: 203.0.113.9
sender: 2001:db8::1
receiver: 2001:db8::2
duration: 10
use_udp: YES
bandwidth: 5000000000
window: 0
len_buffer: 0
mss: 0
report_interval: 500
parallel_streams: 0
units:\x20
output_format:\x20
use_dynamic_window_sizing: YES
sid: 000102030405060708090a0b0c0d0e0f
end_time: 1800000010
status: failure
peer_status:\x20
omit: 0
packet_count: 0
packet_spacing: 0
packet_size: 0
ttl: 0
first_ttl: 0
last_ttl: 0
</TEST_CONFIG>
<RECV_OUTPUT>
own
</RECV_OUTPUT>
<SEND_OUTPUT>
</SEND_OUTPUT>
"""

PING = b"""<TEST_CONFIG>
tool: ping
user:\x20
limit_class: root
start_time: 1800000000
is_host_sender: YES
tos: 0
client: 203.0.113.9
sender: 192.0.2.1
receiver: 192.0.2.2
duration: 10
use_udp: NO
bandwidth: 0
window: 0
len_buffer: 0
mss: 0
report_interval: 0
parallel_streams: 0
units:\x20
output_format:\x20
use_dynamic_window_sizing: NO
sid: 000102030405060708090a0b0c0d0e0f
end_time: 1800000010
status: accept
peer_status: accept
omit: 0
packet_count: 5
packet_spacing: 200
packet_size: 1000
ttl: 30
first_ttl: 0
last_ttl: 0
</TEST_CONFIG>
<RECV_OUTPUT>
</RECV_OUTPUT>
<SEND_OUTPUT>
own
</SEND_OUTPUT>
"""


def text(event: HookEvent, **options: Any) -> bytes:
    return b"".join(hook_input(event, **options))


def sections(octets: bytes) -> list[tuple[str, list[str]]]:
    """What C's sample hook makes of its input, for a hook that reads with a shell's `read`."""
    found: list[tuple[str, list[str]]] = []
    inside = False
    lean = octets.replace(b"\0", b"").replace(b"\\\n", b"").replace(b"\\", b"")
    for line in lean.decode("ascii", "ignore").split("\n"):
        for tag in NAMES:
            if f"<{tag}>" in line:
                inside = True
                found.append((tag, []))
                break
            if f"</{tag}>" in line:
                inside = False
                break
        else:
            if inside:
                found[-1][1].append(line)
    return found


class InputTests(SynchronousTestCase):
    maxDiff = None

    def test_reverse_flow(self) -> None:
        """Under reverse flow the server end sends; sender, receiver and both outputs say so."""
        spec = replace(
            SPEC,
            server_sends=True,
            tos=32,
            window=262144,
            buffer_length=131072,
            mss=1400,
            report_interval_ms=2000,
            parallel=4,
            units="m",
            output_format="J",
            omit=2,
        )
        end = ntp_from_unix(1_800_000_012.75)
        event = replace(EVENT, spec=spec, user="jane", limit_class="research", end=end)
        self.assertEqual(text(event), FLIP)

    def test_udp(self) -> None:
        """UDP over IPv6, more bandwidth than 32 bits hold, no word from the other end."""
        spec = replace(
            SPEC,
            tool=ToolID.IPERF,
            client=ip_address("2001:db8::1"),
            server=ip_address("2001:db8::2"),
            udp=True,
            bandwidth=5_000_000_000,
            report_interval_ms=500,
            units="\0",
            output_format="\0",
            dynamic_window=True,
        )
        event = replace(
            EVENT, spec=spec, other_output=None, status=AcceptType.FAILURE, other_status=None
        )
        self.assertEqual(text(event), UDP)

    def test_ping(self) -> None:
        """A ping test has its parameters below C's lines."""
        spec = replace(
            SPEC,
            tool=ToolID.PING,
            packet_count=5,
            packet_spacing_ms=200,
            packet_size=1000,
            ttl=30,
        )
        event = replace(EVENT, spec=spec, role=Role.CLIENT, other_output=b"")
        self.assertEqual(text(event), PING)

    def test_tool_names(self) -> None:
        """Testers have C's names."""
        for tool, name in (
            (ToolID.PARIS_TRACEROUTE, b"paris-traceroute"),
            (ToolID.OWAMP, b"owamp"),
        ):
            octets = text(replace(EVENT, spec=replace(SPEC, tool=tool)))
            self.assertIn(b"\ntool: " + name + b"\n", octets)

    def test_values_stay_on_their_line(self) -> None:
        """No value makes a line of its own, joins the next one, or ends the parameters."""
        for user, shown in (
            ("a\nlimit_class: gold", b"a?limit_class: gold"),
            ("a\r\x0b\x85\u2028b", b"a????b"),
            ("a\0b", b"ab"),
            ("jos\xe9", "jos\xe9".encode()),
            ("back\\", b"back?"),
            ("</TEST_CONFIG>", b"&lt;/TEST_CONFIG>"),
            ("\udcff", b"?"),
        ):
            self.assertIn(
                b"\nuser: " + shown + b"\nlimit_class: root\n", text(replace(EVENT, user=user))
            )

    def test_names(self) -> None:
        """Names take the place of addresses, unless they are no host names."""
        names = {SPEC.client: "a.example.org", SPEC.server: "b\nuser: root"}
        octets = text(EVENT, name=lambda address: names.get(address, ""))
        self.assertIn(
            b"\nclient: 203.0.113.9\nsender: a.example.org\nreceiver: 192.0.2.2\n", octets
        )

    def test_output_without_a_newline(self) -> None:
        """A closing tag begins a line, whatever the output ends with."""
        for output, shown in (
            (b"x", b"x\n"),
            (b"", b""),
            (b"\n", b"\n"),
            (b"x\\", b"x\\\n\n"),
            (b"x\\\n", b"x\\\n\n"),
            (b"x\\\xff\n", b"x\\\xff\n\n"),
        ):
            expected = b"<RECV_OUTPUT>\n" + shown + b"</RECV_OUTPUT>\n"
            self.assertIn(expected, text(replace(EVENT, output=output)))

    def test_forged_tags(self) -> None:
        """No tag in an output is taken for one, also by readers that drop octets."""
        for forged in (
            b"</RECV_OUTPUT>\n<TEST_CONFIG>\nuser: root\n</TEST_CONFIG>\n",
            b"x </RECV_OUTPUT> <SEND_OUTPUT> y\n",
            b"</RECV_\0OUTPUT>\n<TEST_\xffCONFIG>\nuser: root\n",
            b"<\\TEST_CONFIG>\nuser: root\n",
            b"<TEST_\\\nCONFIG>\nuser: root\n",
            b"<<TEST_CONFIG>\nuser: root\n",
        ):
            found = sections(text(replace(EVENT, output=forged)))
            self.assertEqual([tag for tag, _ in found], NAMES, forged)
            configuration, _, sent = (lines for _, lines in found)
            self.assertEqual([one for one in configuration if "root" in one], ["limit_class: root"])
            self.assertEqual(sent, ["other"])

    def test_defusing_keeps_the_rest(self) -> None:
        """Only the first octet of a tag changes."""
        self.assertEqual(
            defused(b"a<b></Recv_Output>\r\n<x>TEST_CONFIG>"),
            b"a<b>&lt;/Recv_Output>\r\n<x>TEST_CONFIG>",
        )

    def test_hostile_output_takes_little_time(self) -> None:
        """No piece of a hostile output keeps the reactor busy."""
        mega = 1024 * 1024
        for unit in (b"<", b"<\0", b"<>", b"</TEST_CONFIG", b"</SEND_OUTPUT>", b"\0", b"\\"):
            slowest, began = 0.0, time.monotonic()
            for piece in hook_input(replace(EVENT, output=b"<" + unit * (mega // len(unit)))):
                self.assertTrue(0 < len(piece) <= PIECE)
                slowest, began = max(slowest, time.monotonic() - began), time.monotonic()
            self.assertLess(slowest, 0.5, unit)

    @settings(max_examples=50, deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.binary(max_size=8),
                st.sampled_from([b"<", b">", b"</", b"TEST_CONFIG", b"SEND_OUTPUT>", b"\\\n"]),
            )
        ),
        st.integers(0, 3),
    )
    def test_any_output(self, parts: list[bytes], filling: int) -> None:
        """Whatever an output holds, a hook finds the three sections and no other."""
        output = b"x" * (filling * PIECE // 2) + b"".join(parts)
        found = sections(text(replace(EVENT, output=output)))
        self.assertEqual([tag for tag, _ in found], NAMES)
        self.assertEqual(found[2][1], ["other"])

    @settings(max_examples=50, deadline=None)
    @given(st.binary(max_size=200).filter(lambda octets: b">" not in octets))
    def test_octet_for_octet(self, output: bytes) -> None:
        """An output without tags is not touched."""
        own = output + b".\n"
        self.assertIn(b"\n<RECV_OUTPUT>\n" + own + b"</RECV", text(replace(EVENT, output=own)))


class OutputLinesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.told: list[str] = []
        self.lines = OutputLines(self.told.append)

    def test_streams_are_kept_apart(self) -> None:
        """Half a line of one stream does not mix with the other's."""
        for stream, data in ((1, b"a"), (2, b"X\nY"), (1, b"b\n\nc")):
            self.lines.take(stream, data)
        self.assertEqual(self.told, ["X", "ab"])
        self.lines.close()
        self.assertEqual(self.told, ["X", "ab", "c", "Y"])
        self.assertFalse(self.lines.cut)

    def test_bounds(self) -> None:
        """Octets, lines and the length of a line have bounds."""
        for _ in range(20):
            self.lines.take(1, b"x\n" * 5000)
        self.lines.close()
        self.assertEqual((len(self.told), self.lines.cut), (MAX_LINES, True))
        long = OutputLines(self.told.append)
        long.take(1, b"y" * (MAX_LOGGED + 1))
        long.close()
        self.assertTrue(long.cut)
        self.assertLess(len(self.told[-1]), 1100)

    def test_printable(self) -> None:
        """Control characters and wrong UTF-8 are shown and do nothing."""
        self.assertEqual(printable(b"\x1b[2J a\rb \xff \xc3\xa9 \r"), "\\x1b[2J a\\rb \\xff \xe9")


class HookRunnerTests(TestCase):
    timeout = 20

    def setUp(self) -> None:
        self.timers = Timers(reactor, SystemClock())
        self.before = descendants()
        self.room = Path(self.mktemp()).absolute()
        self.room.mkdir()

    def hook(self, name: str, program: str) -> str:
        """A program on disk; `room` is where it may write."""
        path = self.room / name
        path.write_text(
            f"#!{sys.executable} -IS\nimport os,sys,time,signal\nroom = {str(self.room)!r}\n"
            f"{program}\n"
        )
        path.chmod(0o700)
        return str(path)

    def runner(self, *hooks: str, **options: Any) -> HookRunner:
        return HookRunner(reactor, self.timers, hooks, **options)

    def file(self, name: str) -> bytes:
        return (self.room / name).read_bytes()

    async def serve(self, runner: HookRunner, *events: HookEvent) -> list[dict[str, Any]]:
        """Submit events and wait; what was logged."""
        with capturedLogs() as logged:
            for event in events:
                runner.submit(event)
            await runner.idle()
        self.nothing_left()
        return logged  # type: ignore[return-value]

    def nothing_left(self) -> None:
        self.assertEqual(descendants() - self.before, set())
        self.assertEqual(len(self.timers), 0)

    def one(self, logged: Sequence[dict[str, Any]], event: str) -> dict[str, Any]:
        (found,) = [entry for entry in logged if entry.get("event") == event]
        return found

    # -- validation ------------------------------------------------------------------------------

    async def test_valid(self) -> None:
        """A hook that says so is valid, whatever it says on standard error."""
        hook = self.hook(
            "ok",
            "assert sys.argv[1:] == ['--validate'] and sys.stdin.read() == ''\n"
            "os.write(2, b'warming up'); print('Status: OK, thanks')",
        )
        self.assertEqual(await self.runner(hook).validate(), [])
        self.nothing_left()

    async def test_not_valid(self) -> None:
        """Every hook that is not valid is named, with the reason, in the order of the file."""
        hooks = [
            self.hook("says", "print('Status: BAD\\x1b')"),
            self.hook("late", "print(' Status: OK')"),
            self.hook("fails", "print('Status: OK'); sys.exit('no database')"),
            self.hook("dies", "os.kill(os.getpid(), signal.SIGUSR2)"),
            str(self.room / "missing"),
            self.hook("hangs", "os.write(1, b'Status: OK'); time.sleep(60)"),
        ]
        problems = await self.runner(*hooks, validation_timeout=2.5).validate()
        for hook, problem, reason in zip(
            hooks,
            problems,
            (
                "said 'Status: BAD\\\\x1b', not 'Status: OK'",
                "not 'Status: OK'",
                "status 1: no database",
                "signal 12",
                "status 127",
                "no end after 2.5 s",
            ),
            strict=True,
        ):
            self.assertTrue(problem.startswith(f"post_hook {hook}: "), problem)
            self.assertIn(reason, problem)
        self.nothing_left()

    async def test_validation_is_stopped(self) -> None:
        """A daemon that stops does not wait for a validation."""
        runner = self.runner(self.hook("hangs", "time.sleep(60)"), "other")
        answer = runner.validate()
        await runner.stop()
        problems = await answer
        self.assertIn("the daemon stops", problems[0])
        self.assertIn("not asked", problems[1])
        self.nothing_left()

    # -- runs ------------------------------------------------------------------------------------

    async def test_input_and_surroundings(self) -> None:
        """No arguments, three descriptors, a bare environment, the whole input; status logged."""
        hook = self.hook(
            "all",
            "open(room + '/input', 'wb').write(sys.stdin.buffer.read())\n"
            "print(len(sys.argv), sorted(map(int, os.listdir('/proc/self/fd')))[:-1],"
            " sorted(set(os.environ) - {'LC_CTYPE'}))\n"
            "sys.exit(3)",
        )
        logged = await self.serve(self.runner(hook), EVENT)
        self.assertEqual(self.file("input"), text(EVENT))
        said = self.one(logged, "hook.output")
        self.assertEqual(said["line"], "1 [0, 1, 2] ['BWCTL_GUARDED', 'LC_ALL', 'PATH']")
        ended = self.one(logged, "hook.ended")
        self.assertEqual((ended["hook"], ended["exit_status"]), (hook, 3))
        self.assertEqual((ended["sid"], ended["input_complete"]), (EVENT.sid.hex(), True))

    async def test_large_input_and_slow_reader(self) -> None:
        """Five megabytes arrive complete, also where the hook takes its time."""
        output = b"0123456789abcde\n" * (5 * 1024 * 1024 // 16)
        hook = self.hook(
            "slow",
            "time.sleep(0.5); out = open(room + '/input', 'wb')\n"
            "while data := os.read(0, 500_000): out.write(data); time.sleep(0.005)",
        )
        event = replace(EVENT, output=output)
        logged = await self.serve(self.runner(hook), event)
        self.assertTrue(self.one(logged, "hook.ended")["input_complete"])
        self.assertEqual(self.file("input"), text(event))

    async def test_hook_that_does_not_read(self) -> None:
        """A hook that ends without reading, or closes its input, does no harm."""
        hooks = [
            self.hook("exits", "pass"),
            self.hook("closes", "os.close(0); time.sleep(0.2); print('done')"),
        ]
        event = replace(EVENT, output=b"x" * 1_000_000)
        logged = await self.serve(self.runner(*hooks), event)
        ended = [entry for entry in logged if entry.get("event") == "hook.ended"]
        self.assertEqual([one["exit_status"] for one in ended], [0, 0])
        self.assertEqual([one["input_complete"] for one in ended], [False, False])
        self.assertEqual(self.one(logged, "hook.output")["line"], "done")

    async def test_hook_that_hangs(self) -> None:
        """At the time limit a hook ends with all it started; the next hook has its turn."""
        hangs = self.hook(
            "hangs",
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "os.fork() or os.setsid(); print('here', flush=True); time.sleep(60)",
        )
        after = self.hook("after", "print('after')")
        began = time.monotonic()
        logged = await self.serve(self.runner(hangs, after, timeout=2), EVENT)
        self.assertLess(time.monotonic() - began, 15)
        first, second = (entry for entry in logged if entry.get("event") == "hook.ended")
        self.assertEqual((first["reason"], first["exit_status"]), ("no end after 2 s", None))
        self.assertEqual((second["hook"], second["exit_status"]), (after, 0))

    async def test_background_processes(self) -> None:
        """What a hook leaves running ends with it."""
        hook = self.hook("forks", "os.fork() or (os.setsid(), time.sleep(60))")
        logged = await self.serve(self.runner(hook), EVENT)
        self.assertEqual(self.one(logged, "hook.ended")["exit_status"], 0)

    async def test_flood(self) -> None:
        """A hook may write much and still read its input; the log has the beginning."""
        hook = self.hook(
            "floods",
            "line = b'z' * 1023 + b'\\n'\n"
            "for _ in range(3000): os.write(1, line)\n"
            "open(room + '/input', 'wb').write(sys.stdin.buffer.read())",
        )
        event = replace(EVENT, output=b"x" * 300_000)
        logged = await self.serve(self.runner(hook), event)
        lines = [entry["line"] for entry in logged if entry.get("event") == "hook.output"]
        self.assertEqual(len(lines), 64)
        ended = self.one(logged, "hook.ended")
        self.assertEqual((ended["exit_status"], ended["output_cut"]), (0, True))
        self.assertEqual(self.file("input"), text(event))

    async def test_endless_flood(self) -> None:
        """A hook that writes without end is ended."""
        self.patch(sys.modules["bwctl.net.hook_process"], "FLOOD", 1_000_000)
        hook = self.hook("endless", "while True: os.write(2, b'z\\n' * 4000)")
        logged = await self.serve(self.runner(hook), EVENT)
        ended = self.one(logged, "hook.ended")
        self.assertEqual(ended["reason"], "it writes without end")
        lines = [entry for entry in logged if entry.get("event") == "hook.output"]
        self.assertEqual(len(lines), MAX_LINES)

    async def test_missing_hook(self) -> None:
        """A hook that is gone meanwhile is told of in the log."""
        logged = await self.serve(self.runner(str(self.room / "gone")), EVENT)
        self.assertEqual(self.one(logged, "hook.ended")["exit_status"], 127)
        self.assertIn("cannot run", self.one(logged, "hook.output")["line"])

    async def test_no_process_to_be_had(self) -> None:
        """A hook that cannot be started does not stop the others."""

        class Poor:
            def spawnProcess(self, *args: Any, **options: Any) -> None:
                raise OSError(24, "Too many open files")

        runner = HookRunner(Poor(), self.timers, ["one", "two"])
        logged = await self.serve(runner, EVENT)
        failed = [entry["hook"] for entry in logged if entry.get("event") == "hook.not_run"]
        self.assertEqual(failed, ["one", "two"])
        self.assertIn("Too many open files", (await runner.validate())[0])

    async def test_order(self) -> None:
        """Hooks run in order and one at a time, and so do events."""
        program = (
            "me = os.path.basename(sys.argv[0]); text = sys.stdin.read()\n"
            "user = text.split('user: ')[1].split()[0]\n"
            "log = open(room + '/order', 'a'); print(me, user, 'in', file=log, flush=True)\n"
            "time.sleep(0.05); print(me, user, 'out', file=log)"
        )
        runner = self.runner(self.hook("b", program), self.hook("a", program))
        await self.serve(runner, replace(EVENT, user="u1"), replace(EVENT, user="u2"))
        expected = [
            f"{hook} {user} {way}"
            for user in ("u1", "u2")
            for hook in "ba"
            for way in ("in", "out")
        ]
        self.assertEqual(self.file("order").decode().splitlines(), expected)

    async def test_names_are_asked_for(self) -> None:
        """A resolver may answer later, fail, or talk nonsense."""
        later: Deferred[str] = Deferred()

        def resolve(address: Any) -> Any:
            if address == EVENT.client:
                reactor.callLater(0.05, later.callback, "client.example.org")
                return later
            if address == SPEC.client:
                raise LookupError
            return "server.example.org"

        hook = self.hook("names", "open(room + '/input', 'w').write(sys.stdin.read())")
        await self.serve(self.runner(hook, resolve=resolve), EVENT)
        self.assertIn(
            b"\nclient: client.example.org\nsender: 192.0.2.1\nreceiver: server.example.org\n",
            self.file("input"),
        )

    # -- the queue -------------------------------------------------------------------------------

    async def test_oldest_are_dropped(self) -> None:
        """While a hook hangs, only so many tests wait; the oldest give way, and are counted."""
        hook = self.hook(
            "slow",
            "text = sys.stdin.read(); user = text.split('user: ')[1].split()[0]\n"
            "open(room + '/users', 'a').write(user); time.sleep(0.2)",
        )
        runner = self.runner(hook, max_waiting=2)
        events = [replace(EVENT, user=user) for user in "abcde"]
        logged = await self.serve(runner, *events)
        self.assertEqual(self.file("users"), b"ade")
        drops = [entry["dropped"] for entry in logged if entry.get("event") == "hook.dropped"]
        self.assertEqual((drops, runner.dropped), ([1, 2], 2))

    async def test_octets_are_bounded(self) -> None:
        """Large outputs count by their size; the newest is never dropped."""
        hook = self.hook(
            "slow",
            "text = sys.stdin.read(); user = text.split('user: ')[1].split()[0]\n"
            "open(room + '/users', 'a').write(user)",
        )
        runner = self.runner(hook, max_waiting_octets=1000)
        await self.serve(
            runner, *(replace(EVENT, user=user, output=b"x" * 2000) for user in "abcd")
        )
        self.assertEqual((self.file("users"), runner.dropped), (b"ad", 2))

    async def test_no_hooks(self) -> None:
        """Without hooks nothing is kept and nothing runs."""
        runner = self.runner()
        self.assertEqual(await self.serve(runner, EVENT), [])
        self.assertEqual(await runner.validate(), [])

    async def test_stop(self) -> None:
        """At the end of the daemon nothing of a hook is left, and later events are ignored."""
        runner = self.runner(self.hook("hangs", "print('x', flush=True); time.sleep(60)"), "other")
        with capturedLogs() as logged:
            runner.submit(EVENT)
            runner.submit(EVENT)
            began = time.monotonic()
            await runner.stop()
            runner.submit(EVENT)
        self.assertLess(time.monotonic() - began, 5)
        await runner.stop()
        self.nothing_left()
        self.assertEqual(runner.dropped, 1)
        self.one(logged, "hook.forgotten")
        self.assertEqual(self.one(logged, "hook.ended")["reason"], "the daemon stops")

    async def test_stop_while_names_are_asked_for(self) -> None:
        """A resolver that never answers does not hold up the end."""
        runner = self.runner("any", resolve=lambda _: Deferred())
        runner.submit(EVENT)
        await runner.stop()
        self.nothing_left()
