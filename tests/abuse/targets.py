"""What is fuzzed: everything that reads octets of others, each with inputs that make sense.

A target takes octets and raises nothing but what is a defect: the errors that its reader announces
are taken here.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from bwctl.cli.auth import read_modes, take_words
from bwctl.cli.exits import UsageError
from bwctl.cli.hosts import parse_host, parse_port
from bwctl.cli.options import parse
from bwctl.cli.throughput import BWCTL
from bwctl.control.client import NoCommonMode
from bwctl.control.legality import CONTROL, PEER
from bwctl.daemon.config import parse_client_settings, parse_settings
from bwctl.daemon.log_format import clean
from bwctl.embedded import datagrams, protocol
from bwctl.embedded.arrivals import Arrivals
from bwctl.embedded.echo import EchoChecker, header_pieces
from bwctl.errors import AcceptType, ConfigurationError, RemoteProtocolError
from bwctl.interfaces import ITester
from bwctl.limits.addresses import parse_network
from bwctl.limits.classes import LimitClass
from bwctl.limits.keys import edit_keys, parse_keys
from bwctl.limits.parser import parse_limits
from bwctl.limits.periods import read_days, read_hours
from bwctl.limits.places import Asker, place_denials
from bwctl.limits.policy import Facts, Moment, check_moment, check_test
from bwctl.limits.quota import octets_of
from bwctl.net.chrony import parse_tracking
from bwctl.net.hook_input import defused, hook_input
from bwctl.net.hook_process import OutputLines
from bwctl.render.classic import classic, files, machine_part, remarks_of
from bwctl.render.jsonform import json_text
from bwctl.render.summary import summary_text
from bwctl.results import EndResult, TestEnded, TestResult
from bwctl.testers.registry import BUILT_IN
from bwctl.text import sanitise
from bwctl.values import SID, NTPTime, ProbeAnswer, Role, TestSpec
from bwctl.verdict import judge
from bwctl.wire.handshake import ClientGreeting, ServerGreeting, ServerOK, ServerUptime
from bwctl.wire.messages import (
    Ready,
    StartAck,
    StartSession,
    StopSession,
    TestAccept,
    TimeRequest,
    TimeResponse,
)
from bwctl.wire.request import TestRequest, UnsupportedRequest
from tests.support.sessions import PATHS, REQUEST, SESSION, SLOT, Pair, drain, pump
from tests.testers.support import SAMPLES

ROOT: Final = LimitClass(name="root", duration=60, allow_udp=True, bandwidth=10**9, hours=1)
ASKER: Final = Asker(ip_address("192.0.2.77"), False)
TIMES: Final = {"start": NTPTime(1 << 60), "end": NTPTime(1 << 60)}


class Fuzzed(NamedTuple):
    """A target and its seeds."""

    target: Callable[[bytes], object]
    seeds: list[bytes]


# -- the wire ----------------------------------------------------------------------------------


def _message(kind: Any, octets: bytes) -> None:
    with suppress(RemoteProtocolError):
        made = kind.decode(octets[: kind.SIZE].ljust(kind.SIZE, b"\0"))
        made.encode()


def _request(octets: bytes) -> None:
    """A TestRequest of any version, and all that is asked about one."""
    version = octets[0] % 8 if octets else 6
    size = TestRequest.size(version)
    with suppress(RemoteProtocolError, UnsupportedRequest):
        request = TestRequest.decode(octets[1 : size + 1].ljust(size, b"\0"), version)
        request.encode(version)
        _asked(request)


def _asked(request: TestRequest) -> None:
    spec = request.spec
    [str(denial) for denial in check_test(ROOT, Facts(spec=spec, role=request.role))]
    [str(denial) for denial in check_moment(ROOT, Moment(SLOT, request.error.ticks))]
    [str(denial) for denial in place_denials(spec, request.role, ASKER)]
    for tester in BUILT_IN:
        if tester.tool_id == spec.tool and not tester.problems(spec):
            for role in Role:
                line = tester.command_line(spec, role, 5001, {}) or []
                assert all(isinstance(word, str) and "\0" not in word for word in line), line


def _stream(octets: bytes) -> None:
    """A stream for either end in some state, in pieces."""
    head, rest = (octets[:2] + b"\0\0")[:2], octets[2:]
    table = (CONTROL, PEER)[head[0] % 2]
    states = list(PATHS[table is PEER])
    state = states[head[0] // 2 % len(states)]
    for end in ("server", "client"):
        session = getattr(Pair(table=table, extensions=(1, 1)).bring_to(state), end)
        with suppress(RemoteProtocolError, NoCommonMode):
            pump(session, rest, head[1] % 40)
            drain(session)


def _wire() -> Iterator[tuple[str, Fuzzed]]:
    kinds = (ServerGreeting, ClientGreeting, ServerOK, ServerUptime, TimeRequest, TimeResponse)
    for kind in (*kinds, TestAccept, StartSession, StartAck, StopSession, Ready):
        yield kind.__name__, Fuzzed(partial(_message, kind), [bytes(kind.SIZE), bytes([1, 5] * 34)])
    requests = [bytes([version]) + _sized(REQUEST, version) for version in range(7)]
    for tester in BUILT_IN:
        spec = replace(REQUEST.spec, tool=tester.tool_id)
        requests.append(b"\6" + replace(REQUEST, spec=spec).encode())
    yield "TestRequest", Fuzzed(_request, requests)
    messages = (
        TimeRequest(),
        REQUEST,
        StartSession(7),
        StopSession(AcceptType.ACCEPT, 40),
        Ready(),
    )
    accept = TestAccept(AcceptType.ACCEPT, SLOT, SESSION)
    streams = [bytes([state, 0]) + one.encode() for state in range(24) for one in messages]
    yield "sessions", Fuzzed(_stream, [*streams, bytes([7, 9]) + accept.encode() * 3])


def _sized(request: TestRequest, version: int) -> bytes:
    return request.encode(version)


# -- what testers write ------------------------------------------------------------------------


def _output(tester: ITester, octets: bytes) -> None:
    """One end's output, through everything that becomes of it."""
    for role, udp in ((Role.CLIENT, False), (Role.SERVER, True)):
        spec = replace(REQUEST.spec, tool=tester.tool_id, udp=udp, duration=2)
        report = tester.parse(octets, spec, role)
        octets_of(report)
        end = EndResult(status=AcceptType.ACCEPT, raw=octets, report=report, role=role)
        for status in (AcceptType.ACCEPT, AcceptType.FAILURE):
            ended = replace(end, status=status, host="a", ended_first=True)
            result = TestResult(receiver=ended, sender=end, spec=spec, results_role=role)
            _shown(replace(result, failure=judge(result)))


def _shown(result: TestResult) -> None:
    json.loads(json_text(result))
    for text in (summary_text(result), result.failure.message if result.failure else ""):
        assert sanitise(text) == text, text
    for parsable in (False, True):
        shown = b"".join(classic(result, both=True, parsable=parsable, safe=True)).decode()
        assert sanitise(shown) == shown
        list(files(result, both=True, parsable=parsable))


def _text(octets: bytes) -> None:
    """Text of others on its way to a terminal, a log or a hook."""
    shown = sanitise(octets)
    assert sanitise(shown) == shown
    assert "\n" not in clean(shown)
    machine_part(octets)
    assert all(sanitise(one) == one for one in remarks_of(octets))
    lines: list[str] = []
    output = OutputLines(lines.append)
    output.take(1, octets)
    output.close()
    assert all(line.isprintable() for line in lines)


def _hook(octets: bytes) -> None:
    """Outputs of both ends in a hook's input: only ours are tags at the beginning of a line."""
    spec: TestSpec = REQUEST.spec
    middle = len(octets) // 2
    event = TestEnded(
        spec=spec,
        role=Role.SERVER,
        sid=SID(bytes(16)),
        user=octets[:16].decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode(),
        limit_class="root",
        client=ip_address("192.0.2.9"),
        output=octets[:middle],
        other_output=octets[middle:],
        status=AcceptType.ACCEPT,
        other_status=AcceptType.ACCEPT,
        **TIMES,
    )
    name = octets[:300].decode("latin-1")
    text = b"".join(hook_input(event, lambda _: name))
    for tag in (b"TEST_CONFIG", b"RECV_OUTPUT", b"SEND_OUTPUT"):
        assert text.upper().count(b"<" + tag + b">") == 1, text
        assert text.upper().count(b"</" + tag + b">") == 1, text
    assert defused(defused(octets)) == defused(octets)


def _version(octets: bytes) -> None:
    for tester in BUILT_IN:
        for status in (0, 1):
            version = tester.version([ProbeAnswer(status, octets)])
            assert version is None or (version.isprintable() and len(version) <= 100), version
    with suppress(ValueError):
        parse_tracking(octets)


def _testers() -> Iterator[tuple[str, Fuzzed]]:
    samples = {path.name: path.read_bytes()[:6000] for path in sorted(SAMPLES.glob("*.txt"))}
    for tester in BUILT_IN:
        mine = [text for name, text in samples.items() if f"{tester.name}-" in name]
        some = mine[:: max(1, len(mine) // 12)] or [b'#json {"bytes": 1, "seconds": 2.0}\n']
        yield f"output of {tester.name}", Fuzzed(partial(_output, tester), some)
    remarks = [b"bwctl: exec_line: a\r\n\x1b[31m", b'{"a": 1}bwctl: x\n}', "\u202e".encode()]
    yield "text", Fuzzed(_text, remarks)
    tags = [b"<TEST_CONFIG>", b"a\n</recv_\\OUTPUT>\n<SEND_OUTPUT", b"\\\n< test_config >"]
    yield "hook input", Fuzzed(_hook, tags)
    said = [b"iperf version 2.1.9 (14 March 2023)", b"iperf 3.12 (cJSON)", b"nuttcp-8.1.4\n"]
    chrony = b"A9FEA97B,169.254.169.123,4,1.5,-0.000001,0.1,0.1,1,0,0.01,0.0004,0.0002,16.2,Normal"
    yield "versions", Fuzzed(_version, [*said, chrony])


# -- the embedded tester -----------------------------------------------------------------------


def _thrulay(octets: bytes) -> None:
    for read in (protocol.parse_proposal, protocol.parse_response, protocol.check_greeting):
        with suppress(protocol.ProtocolError):
            read(octets)
    collector = protocol.Collector(protocol.MAX_PROPOSAL)
    with suppress(protocol.ProtocolError):
        for start in range(0, len(octets), 7):
            collector.feed(octets[start : start + 7])
    assert protocol.printable(octets).isprintable()


def _datagrams(octets: bytes) -> None:
    """Both ends of a UDP test, and what arrives of it."""
    asked = protocol.UDPProposal(5000, 1500, 100, 1000)
    with suppress(protocol.ProtocolError, protocol.Refused):
        response = datagrams.parse_response(octets)
        if response is not None:
            datagrams.check_response(response, asked, ipv6=False)
    with suppress(protocol.ProtocolError, datagrams.Aborted):
        assert (datagrams.parse_end(octets, 1000) or 0) <= 1000
    with suppress(protocol.ProtocolError):
        proposal = protocol.parse_proposal(octets)
        if isinstance(proposal, protocol.UDPProposal):
            datagrams.objection(proposal, False, 1e9, 60)
    arrivals = Arrivals(1000)
    whole = octets[: len(octets) // 16 * 16]
    arrivals.add(list(datagrams.STAMP.iter_unpack(whole)))
    assert arrivals.unique <= 1000


def _echoes(octets: bytes) -> None:
    checker = EchoChecker()
    with suppress(protocol.ProtocolError):
        checker.sent(1, 3)
        for start in range(0, len(octets), 33):
            checker.receive(octets[start : start + 33], 9)
    block = max(protocol.HEADER, octets[0] if octets else 0)
    pieces = header_pieces(memoryview(octets), len(octets) % block, block)
    assert sum(map(len, pieces)) <= len(octets)


def _embedded() -> Iterator[tuple[str, Fuzzed]]:
    texts = [b"thrulay/2:t:4194304:131072+", b"thrulay/2:u:5:1:2:3+", b"65536:8192+", b"thrulay/2+"]
    yield "thrulay", Fuzzed(_thrulay, texts)
    numbers = b"".join(datagrams.STAMP.pack(number, 1 << 60) for number in (0, 1, 3, 2, 2))
    ends = [b"5000:1500:100:1000:12345678+", b"+999:", b"-", b"u:-", numbers]
    yield "datagrams", Fuzzed(_datagrams, [*texts, *ends])
    headers = b"".join(
        one.to_bytes(8, "little") + number.to_bytes(8, "little")
        for number, one in enumerate([1, 1, 1])
    )
    yield "echoes", Fuzzed(_echoes, [headers, headers * 2])


# -- files and words ---------------------------------------------------------------------------


def _file(read: Callable[[str, str], object], octets: bytes) -> None:
    with suppress(ConfigurationError):
        read(octets.decode("utf-8", "surrogateescape"), "file")


def _keys(octets: bytes) -> None:
    text = octets.decode("utf-8", "surrogateescape")
    with suppress(ConfigurationError):
        ring = parse_keys(text, "file")
        assert not any(key.hex() in repr(ring) for key in ring.values())
        for identity in ring:
            edit_keys(text, "file", identity, None)


def _words(octets: bytes) -> None:
    """The command line: hosts, authentication words, options."""
    words = octets.decode("utf-8", "surrogateescape").replace("\0", "").split("\n")
    for word in words:
        for read in (parse_host, parse_port, read_modes, parse_network, read_hours, read_days):
            with suppress(ValueError):
                read(word)
    with suppress(UsageError):
        take_words("-c host", deque(words))
    if not {"-h", "-V", "--help", "--version"} & set(words):
        with suppress(UsageError, SystemExit):
            parse(BWCTL, words)


def _files() -> Iterator[tuple[str, Fuzzed]]:
    limits = (
        b"limit root with duration=60, bandwidth=1g, \\\n hours=22-06, days=mon-fri+sun\n"
        b"limit guest with parent=root, pending=3, testers=iperf3+ping\n"
        b"assign default guest\nassign net 10.0.0.0/8 root\nassign net 2001:db8::/32 guest\n"
        b"assign cert DNS:a.example root # who\n"
    )
    yield "limits", Fuzzed(partial(_file, parse_limits), [limits])
    settings = (
        b"src_node [::1]:4823\nallow_unsync\npeer_port 6001-6200\ntest_port=5202-5900\n"
        b"iperf3_cmd /usr/bin/iperf3\ndisable_iperf on\nauth_mode OAE\nsync_fuzz 0.5\n"
        b"test_cpu_affinity 0,2\npost_hook /bin/true\nlog_format json\n"
    )
    yield "settings", Fuzzed(partial(_file, parse_settings), [settings])
    yield "bwctlrc", Fuzzed(partial(_file, parse_client_settings), [settings])
    keys = b"alice 91b4306547f50105c7c9a23e505cd458 # x\r\nbob\t" + b"0f" * 16 + b"\n"
    yield "keys", Fuzzed(_keys, [keys])
    lines = [
        b"-c\nhost.example:4823\nAE\nAESKEY\nalice\nkeys\n-t\n10",
        b"-s\n[2001:db8::1]:99\n-u\n-b\n10m\n-P\n4\n-i\n0.5\n-D\n0x2e",
        b"--schedule\n*:15,12:30:05\n--tls\n-x\n-y\nJ\n-T\niperf3,iperf\n-L\n100\n-I\n600\n-R\n5",
    ]
    yield "words", Fuzzed(_words, lines)


def targets() -> Mapping[str, Fuzzed]:
    """All of them by name."""
    return dict([*_wire(), *_testers(), *_embedded(), *_files()])
