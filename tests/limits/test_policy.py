"""Tests of policy: each limit below, at and above its bound, at a class and at an ancestor."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.limits.classes import LIMITS, LimitClass, Limits, Sense
from bwctl.limits.counts import connection_denials, pending_denials
from bwctl.limits.denials import Denial
from bwctl.limits.keys import parse_keys
from bwctl.limits.parser import parse_limits
from bwctl.limits.policy import (
    Facts,
    Moment,
    check_moment,
    check_padding,
    check_test,
    minimum_ttl,
    offered_modes,
    open_mode_denials,
)
from bwctl.limits.starts import check_notice, horizon
from bwctl.values import NTPTime, Role, TestSpec, ToolID, ticks
from tests.limits import QUIET
from tests.limits.examples import PUBLIC_KEYS, PUBLIC_LIMITS

NOW = NTPTime(1 << 62)
LOCALHOST = ip_address("127.0.0.1")


def spec(tool: ToolID = ToolID.IPERF3, **fields: Any) -> TestSpec:
    return TestSpec(tool=tool, client=LOCALHOST, server=LOCALHOST, **{"duration": 5, **fields})


class Asked(NamedTuple):
    """A request: its test, and when it comes."""

    facts: Facts
    moment: Moment


def facts(tool: ToolID = ToolID.IPERF3, **fields: Any) -> Asked:
    """A request from fields of Facts, Moment or TestSpec."""
    test = {"role": Role.CLIENT, **taken(fields, "role", "local_client", "third_party")}
    clocks = taken(fields, *Moment._fields)
    moment = Moment(**{"now": NOW, "fuzz": ticks(1.7), **clocks})
    return Asked(Facts(spec=spec(tool, **fields), **test), moment)


def taken(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """Those of some fields that are given; they are no longer among the others."""
    return {name: fields.pop(name) for name in names if name in fields}


def check(limit_class: LimitClass, asked: Asked) -> list[Denial]:
    """All that a class has against a request by itself."""
    return [*check_test(limit_class, asked.facts), *check_moment(limit_class, asked.moment)]


def limits_of(*classes: str, strict: bool = True) -> Limits:
    """A chain of classes c0, c1, ... each the parent of the next."""
    lines = [
        f"limit c{number} with " + (f"parent=c{number - 1}, " if number else "") + values
        for number, values in enumerate(classes)
    ]
    return parse_limits("\n".join(lines), "f", strict=strict)[0]


def last_of(*classes: str, strict: bool = True) -> LimitClass:
    *_, last = limits_of(*classes, strict=strict).classes.values()
    return last


def denials(asked: Asked, *classes: str, strict: bool = True) -> list[tuple[str, str]]:
    found = check(last_of(*classes, strict=strict), asked)
    return [(denial.limit_class, denial.limit) for denial in found]


UDP = {"udp": True}
AT_CLIENT = {"role": Role.CLIENT, "no_server_endpoint": True}
NUTTCP, IPERF, PING = ToolID.NUTTCP, ToolID.IPERF, ToolID.PING
OWAMP, TRACE, TRACEPATH = ToolID.OWAMP, ToolID.TRACEROUTE, ToolID.TRACEPATH

# limit as written, other limits needed, facts that pass, facts that fail
BOUNDS: list[tuple[str, str, list[Asked], list[Asked]]] = [
    (
        "duration=20",
        "",
        [facts(duration=19), facts(duration=20), facts(duration=15, omit=5), facts(duration=0)],
        [facts(duration=21), facts(duration=15, omit=6), facts(duration=2**32 - 1)]
        + [facts(PING, duration=21)],
    ),
    (
        "bandwidth=10m",
        "allow_udp=on",
        [
            facts(**UDP, bandwidth=10_000_000),
            facts(**UDP, bandwidth=9_999_999),
            facts(**UDP),
            facts(**UDP, bandwidth=2_500_000, parallel=4),
            facts(ToolID.PING, packet_size=1250, packet_spacing_ms=1, packet_count=5),
            facts(ToolID.TRACEROUTE, packet_size=60_000),
            facts(**UDP, parallel=10),
            facts(bandwidth=10**9),
            facts(PING),
        ],
        [
            facts(**UDP, bandwidth=10_000_001),
            facts(**UDP, bandwidth=2_500_001, parallel=4),
            facts(ToolID.PING, packet_size=1251, packet_spacing_ms=1, packet_count=5),
            facts(ToolID.OWAMP, packet_size=60_000, packet_spacing_ms=47, packet_count=5),
            facts(**UDP, parallel=11),
            facts(NUTTCP, **UDP, bandwidth=999),
            facts(**UDP, bandwidth=2**64 - 1, parallel=255),
        ],
    ),
    ("bandwidth=500k", "allow_udp=on", [facts(**UDP, bandwidth=1)], [facts(**UDP)]),
    (
        "rate_tcp=10m",
        "allow_udp=on",
        [
            facts(bandwidth=10_000_000),
            facts(bandwidth=2_500_000, parallel=4),
            facts(NUTTCP, bandwidth=1000),
            facts(**UDP, bandwidth=10**9),
            facts(PING),
        ],
        [
            facts(bandwidth=10_000_001),
            facts(bandwidth=2_500_001, parallel=4),
            facts(),
            facts(IPERF, bandwidth=1000),
            facts(NUTTCP, bandwidth=999),
        ],
    ),
    (
        "max_streams=4",
        "",
        [facts(), facts(parallel=3), facts(parallel=4), facts(PING, parallel=9)],
        [facts(parallel=5)],
    ),
    (
        "event_horizon=60",
        "",
        [
            facts(),
            facts(start=NTPTime(NOW + ticks(60))),
            facts(start=NTPTime(NOW - ticks(60))),
            facts(start=NTPTime(0)),
        ],
        [facts(start=NTPTime(NOW + ticks(60) + 1)), facts(PING, start=NTPTime(NOW + ticks(100)))],
    ),
    (
        "max_time_error=5",
        "",
        [facts(fuzz=ticks(4.5)), facts(fuzz=ticks(5)), facts(fuzz=0)],
        [facts(fuzz=ticks(5) + 1), facts(TRACE, fuzz=ticks(99))],
    ),
    (
        "minimum_ttl=3",
        "",
        [
            facts(TRACE, first_ttl=0),
            facts(TRACE, first_ttl=3),
            facts(TRACE, first_ttl=4),
            facts(TRACE, first_ttl=2, role=Role.SERVER),
            facts(TRACE, first_ttl=2, role=Role.CLIENT, server_sends=True),
            facts(first_ttl=2),
        ],
        [
            facts(TRACE, first_ttl=2),
            facts(TRACEPATH, first_ttl=1),
            facts(TRACE, first_ttl=2, role=Role.SERVER, server_sends=True),
        ],
    ),
    (
        "testers=iperf3+ping",
        "",
        [facts(), facts(PING)],
        [facts(IPERF), facts(OWAMP), facts(TRACE)],
    ),
    (
        "allow_tcp=off",
        "allow_udp=on",
        [facts(**UDP)],
        [facts(), facts(PING), facts(OWAMP), facts(TRACE), facts(TRACEPATH)],
    ),
    ("allow_udp=off", "", [facts(), facts(PING), facts(TRACE, udp=True)], [facts(**UDP)]),
    (
        "allow_throughput=off",
        "allow_udp=on",
        [facts(PING), facts(TRACE)],
        [facts(), facts(**UDP), facts(NUTTCP)],
    ),
    ("allow_latency=off", "", [facts(), facts(TRACE)], [facts(PING), facts(OWAMP)]),
    ("allow_trace=off", "", [facts(), facts(PING)], [facts(TRACE), facts(TRACEPATH)]),
    (
        "allow_third_party=off",
        "",
        [facts(), facts(PING)],
        [facts(third_party=True), facts(TRACE, third_party=True)],
    ),
    (
        "allow_no_endpoint=off",
        "",
        [
            facts(),
            facts(**AT_CLIENT, local_client=True),
            facts(role=Role.SERVER, no_server_endpoint=True),
        ],
        [facts(**AT_CLIENT)],
    ),
]


class BoundTests(SynchronousTestCase):
    """Each limit alone (daemon.md 2.4)."""

    def test_at_the_class(self) -> None:
        """What is within the bound passes; what is above fails by this limit and no other."""
        for limit, other, passing, failing in BOUNDS:
            name = limit.partition("=")[0]
            for asked in passing:
                self.assertEqual(denials(asked, f"{limit}, {other}"), [], f"{limit} {asked}")
            for asked in failing:
                found = denials(asked, f"{limit}, {other}")
                self.assertEqual(found, [("c0", name)], f"{limit} {asked}")

    def test_at_an_ancestor(self) -> None:
        """A child that inherits, and one that lifts its own bound, are bound by the root."""
        for limit, other, passing, failing in BOUNDS:
            name = limit.partition("=")[0]
            classes = [f"{limit}, {other}", "", ""]
            for asked in passing:
                self.assertEqual(denials(asked, *classes), [], f"{limit} {asked}")
            for asked in failing:
                found = denials(asked, *classes)
                self.assertEqual(found, [("c2", name), ("c1", name), ("c0", name)], limit)

    def test_zero_in_a_child(self) -> None:
        """0 in a child lifts nothing: the root still refuses."""
        for limit, other, _, failing in BOUNDS[:5]:
            name = limit.partition("=")[0]
            for asked in failing:
                found = denials(asked, f"{limit}, {other}", f"{name}=0")
                self.assertEqual(found, [("c0", name)], limit)

    def test_no_bound(self) -> None:
        """0 is no bound."""
        huge = facts(**UDP, duration=2**31, bandwidth=2**63, parallel=255, fuzz=ticks(1e6))
        self.assertEqual(denials(huge, "allow_udp=on, duration=0, bandwidth=0"), [])


class CheckTests(SynchronousTestCase):
    """Several limits together."""

    def test_all_that_fail(self) -> None:
        """All limits that fail are reported, with what they allow and what was asked."""
        limit_class = last_of("duration=20, bandwidth=1g, max_time_error=2", "duration=10")
        asked = facts(**UDP, bandwidth=2 * 10**9, duration=30, fuzz=ticks(2.5))
        self.assertEqual(
            check(limit_class, asked),
            [
                Denial("c1", "duration", "10", "30"),
                Denial("c0", "duration", "20", "30"),
                Denial("c1", "bandwidth", "1000000000", "2000000000"),
                Denial("c0", "bandwidth", "1000000000", "2000000000"),
                Denial("c1", "allow_udp", "off", "on"),
                Denial("c0", "allow_udp", "off", "on"),
                Denial("c1", "max_time_error", "2", "3"),
                Denial("c0", "max_time_error", "2", "3"),
            ],
        )

    def test_clock(self) -> None:
        """Without a good clock nothing is done unless the daemon is told to."""
        for synchronised, allowed, expected in [
            (False, False, [("", "allow_unsync")]),
            (False, True, []),
            (True, False, []),
        ]:
            asked = facts(clock_synchronised=synchronised, allow_unsync=allowed)
            self.assertEqual(denials(asked, ""), expected)
        asked = facts(clock_synchronised=False, fuzz=ticks(9))
        first, _ = denials(asked, "max_time_error=2")
        self.assertEqual(first, ("", "allow_unsync"), "the clock is the cause of what follows")

    def test_denials_read_well(self) -> None:
        """A denial says what is allowed, by whom, and what was asked."""
        table = [
            (facts(duration=30), "duration=20", "duration=20 of class c0 (asked: 30)"),
            (facts(), "rate_tcp=1m", "rate_tcp=1000000 of class c0 (asked: unlimited)"),
            (facts(**UDP), "", "allow_udp=off of class c0 (asked: on)"),
            (
                facts(ToolID.PARIS_TRACEROUTE),
                "testers=ping+iperf3",
                "testers=iperf3+ping of class c0 (asked: paris-traceroute)",
            ),
            (
                facts(clock_synchronised=False),
                "",
                "this host's clock is not synchronised, and allow_unsync is not set",
            ),
        ]
        for asked, limits, text in table:
            self.assertEqual([str(one) for one in check(last_of(limits), asked)], [text])

    def test_kinds_replace_allow_tcp(self) -> None:
        """Where a permission for latency or traces is given, allow_tcp is for throughput only."""
        limits = "allow_tcp=off, allow_latency=on, allow_trace=on"
        self.assertEqual(denials(facts(PING), limits, ""), [])
        self.assertEqual(denials(facts(TRACE), limits, ""), [])
        self.assertEqual(denials(facts(), limits), [("c0", "allow_tcp")])
        self.assertEqual(denials(facts(PING), "", "allow_tcp=off"), [("c1", "allow_tcp")])
        self.assertEqual(denials(facts(PING), "", "allow_tcp=off, allow_latency=on"), [])

    def test_wider_children_as_in_c(self) -> None:
        """With strict_limits off a child that widens is not bound by its ancestors in that."""
        table = [
            (facts(**UDP), "allow_udp=off", "allow_udp=on"),
            (facts(), "allow_tcp=off", "allow_tcp=on"),
            (facts(PING), "allow_tcp=off", "allow_tcp=on"),
            (facts(PING), "allow_tcp=off", "allow_latency=on"),
            (facts(start=NTPTime(NOW + ticks(99))), "event_horizon=60", "event_horizon=0"),
            (facts(TRACE, first_ttl=1), "minimum_ttl=3", "minimum_ttl=1"),
            (facts(**AT_CLIENT), "", "allow_no_endpoint=on"),
            (facts(IPERF), "testers=ping", "testers=ping+iperf"),
        ]
        for asked, parent, child in table:
            self.assertNotEqual(denials(asked, parent, strict=False), [], child)
            self.assertEqual(denials(asked, parent, child, strict=False), [], child)
            self.assertEqual(denials(asked, parent, child, "", strict=False), [], child)
        self.assertEqual(
            denials(facts(duration=21), "duration=20", "duration=0", strict=False),
            [("c0", "duration")],
        )

    def test_values_are_frozen(self) -> None:
        """Nobody changes facts or classes in passing."""
        for value, name in [
            (facts().facts, "role"),
            (facts().moment, "fuzz"),
            (last_of(""), "duration"),
            (limits_of(""), "default"),
        ]:
            self.assertRaises(AttributeError, setattr, value, name, 0)
        self.assertEqual(replace(facts().facts, role=Role.SERVER).role, Role.SERVER)


VALUES = {
    "duration": ("0", "5", "20"),
    "bandwidth": ("0", "1m", "10m"),
    "event_horizon": ("0", "60"),
    "max_time_error": ("0", "2", "9"),
    "minimum_ttl": ("0", "2", "5"),
    "rate_tcp": ("0", "1m"),
    "max_streams": ("0", "1", "4"),
    "testers": ("iperf3", "ping+iperf3", "traceroute"),
    "hours": ("8-12", "10-22", "0-24"),
    "days": ("mon", "mon-fri", "mon-sun"),
    "first_day": ("2026-11-23", "2026-11-25"),
    "last_day": ("2026-11-23", "2026-12-25"),
    **{name: ("on", "off") for name, sense in LIMITS.items() if sense is Sense.PERMISSION},
}
A_CLASS = st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in VALUES.items()})
SOME_FACTS = st.builds(
    facts,
    st.sampled_from([ToolID.IPERF3, ToolID.IPERF, PING, TRACE]),
    duration=st.sampled_from([5, 6, 21]),
    udp=st.booleans(),
    bandwidth=st.sampled_from([0, 10**6, 10**7]),
    parallel=st.sampled_from([0, 1, 5]),
    first_ttl=st.integers(0, 6),
    no_server_endpoint=st.booleans(),
    third_party=st.booleans(),
    fuzz=st.sampled_from([ticks(1.7), ticks(2.5)]),
    start=st.sampled_from([None, NTPTime(NOW + ticks(30)), NTPTime(NOW + ticks(61))]),
    local_start=st.sampled_from([None, datetime(2026, 11, 23, 9), datetime(2026, 11, 28, 23)]),
)


class TreeTests(SynchronousTestCase):
    @QUIET
    @given(st.lists(A_CLASS, min_size=2, max_size=4), SOME_FACTS)
    def test_nobody_exceeds_his_parent(self, written: list[dict[str, str]], asked: Asked) -> None:
        """Whatever the classes of a file say: what a class permits, all above it permit."""
        lines = [", ".join(f"{name}={word}" for name, word in one.items()) for one in written]
        classes = list(limits_of(*lines).classes.values())
        for parent, child in zip(classes, classes[1:], strict=False):
            if not check(child, asked):
                self.assertEqual(check(parent, asked), [])
            if not open_mode_denials(child):
                self.assertEqual(open_mode_denials(parent), [])


class CallerTests(SynchronousTestCase):
    """Numbers that the caller compares with its own counts and times."""

    def test_horizon(self) -> None:
        """The least horizon of class and ancestors; none if there is none."""
        self.assertIsNone(horizon(last_of("", "")))
        self.assertEqual(horizon(last_of("event_horizon=60", "")), 60)
        self.assertEqual(horizon(last_of("event_horizon=60", "event_horizon=50", "")), 50)
        self.assertEqual(horizon(last_of("", "event_horizon=50")), 50)
        widened = last_of("event_horizon=60", "event_horizon=0", strict=False)
        self.assertIsNone(horizon(widened))

    def test_minimum_ttl(self) -> None:
        """The greatest of class and ancestors."""
        self.assertEqual(minimum_ttl(last_of("")), 0)
        self.assertEqual(minimum_ttl(last_of("minimum_ttl=3", "minimum_ttl=5")), 5)
        self.assertEqual(minimum_ttl(last_of("minimum_ttl=3", "")), 3)

    def test_counts(self) -> None:
        """Every class with a bound is counted, up to the root, and all that are full are told."""
        limit_class = last_of("pending=9, max_connections=7", "pending=0", "pending=4")
        for held, full in [
            ({"c2": 3, "c0": 8}, []),
            ({"c2": 4, "c1": 99, "c0": 8}, ["pending=4 of class c2 (asked: 1, held: 4)"]),
            (
                {"c2": 4, "c0": 9},
                [
                    "pending=4 of class c2 (asked: 1, held: 4)",
                    "pending=9 of class c0 (asked: 1, held: 9)",
                ],
            ),
        ]:
            found = pending_denials(limit_class, Counter(held).__getitem__)
            self.assertEqual([str(one) for one in found], full)
        seven = connection_denials(limit_class, lambda name: 7)
        self.assertEqual([one.limit_class for one in seven], ["c2", "c1", "c0"])
        self.assertEqual(pending_denials(last_of(""), lambda name: 10**9), [])

    def test_found_starts_and_paddings(self) -> None:
        """What the timetable finds, or a move brings, is held against the same bounds."""
        limit_class = last_of("event_horizon=60, max_time_error=5", "", "event_horizon=0")
        later = NTPTime(NOW + ticks(60))
        self.assertEqual(check_notice(limit_class, NOW, later), [])
        self.assertEqual(
            [str(one) for one in check_notice(limit_class, NOW, NTPTime(later + 1))],
            [f"event_horizon=60 of class c{number} (asked: 61)" for number in (2, 1, 0)],
        )
        self.assertEqual(check_padding(limit_class, ticks(5)), [])
        self.assertEqual(len(check_padding(limit_class, ticks(5) + 1)), 3)

    def test_offered_modes(self) -> None:
        """The open mode is not offered where the class of the address forbids it."""
        text = (
            "limit a with\nlimit b with parent=a, allow_open_mode=off\nlimit c with parent=b\n"
            "assign net 10.0.0.0/8 b\nassign net 10.1.0.0/16 c\nassign net 10.2.0.0/16 a"
        )
        limits, _ = parse_limits(text, "f")
        table = [
            ("127.0.0.1", 7, 7),
            ("127.0.0.1", 6, 6),
            ("10.0.0.1", 7, 6),
            ("10.0.0.1", 1, 0),
            ("10.0.0.1", 2, 2),
            ("10.1.0.1", 7, 6),
            ("10.2.0.1", 7, 7),
            ("::ffff:10.0.0.1", 7, 6),
        ]
        for address, configured, expected in table:
            self.assertEqual(offered_modes(limits, ip_address(address), configured), expected)

    def test_worked_example(self) -> None:
        """A guest of the public point: 20 s of TCP within 900 s (checked against C)."""
        keys = parse_keys(PUBLIC_KEYS, "keys")
        guest = parse_limits(PUBLIC_LIMITS, "limits", users=keys)[0].classes["guest"]
        soon, late = (NTPTime(NOW + ticks(wait)) for wait in (800, 1000))
        table = [
            (facts(duration=20, start=soon), []),
            (facts(duration=21, start=soon), ["duration"]),
            (facts(duration=20, udp=True), ["allow_udp"]),
            (facts(duration=20, start=late), ["event_horizon"]),
        ]
        for asked, expected in table:
            self.assertEqual([one.limit for one in check(guest, asked)], expected)
