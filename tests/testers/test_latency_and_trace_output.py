"""Readers of ping and of the traces: outputs that the samples do not have."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.testers.reading import MAX_OUTPUT
from bwctl.testers.traceroute_output import probes_of
from bwctl.values import Report, Role
from tests.testers.support import spec, spec6, tester


def read(name: str, text: str, **options: Any) -> Report:
    """What the sender's output says."""
    return tester(name).parse(text.encode(), spec(name, **options), Role.CLIENT)


class PingTests(SynchronousTestCase):
    def test_other_systems(self) -> None:
        """busybox, BSD and ping6 print other words."""
        busybox = (
            "64 bytes from 127.0.0.1: seq=0 ttl=64 time=0.041 ms\n"
            "64 bytes from 127.0.0.1: seq=1 ttl=63 time=0.061 ms\n\n"
            "2 packets transmitted, 2 packets received, 0% packet loss\n"
            "round-trip min/avg/max = 0.041/0.051/0.061 ms\n"
        )
        report = read("ping", busybox, packet_count=2)
        self.assertIsNone(report.error)
        self.assertEqual(report.summary["rtt_ms"], {"min": 0.041, "mean": 0.051, "max": 0.061})
        self.assertEqual((report.summary["ttl_min"], report.summary["ttl_max"]), (63, 64))
        bsd = (
            "16 bytes from fe80::1%lo0, icmp_seq=0 hlim=64 time=0.1 ms\n"
            "1 packets transmitted, 1 packets received, 0.0% packet loss\n"
            "round-trip min/avg/max/std-dev = 0.1/0.1/0.1/0.0 ms\n"
        )
        report = read("ping", bsd, packet_count=1)
        self.assertEqual((report.error, report.summary["rtt_ms"]["mdev"]), (None, 0.0))
        self.assertEqual(report.intervals, [{"seq": 0, "rtt_ms": 0.1, "ttl": 64}])

    def test_duplicates_and_order(self) -> None:
        """A duplicate is no second reply, and not out of order."""
        text = "".join(
            f"64 bytes from a.example (192.0.2.2): icmp_seq={seq} ttl=64 time=1 ms{more}\n"
            for seq, more in ((1, ""), (3, ""), (2, ""), (3, " (DUP!)"))
        )
        text += "4 packets transmitted, 3 received, +1 duplicates, 25% packet loss, time 9ms\n"
        report = read("ping", text, packet_count=4)
        wanted = {"sent": 4, "received": 3, "lost": 1, "duplicates": 1, "reordering": 1}
        self.assertEqual({key: report.summary[key] for key in wanted}, wanted)
        self.assertEqual(
            report.intervals[-1], {"seq": 3, "rtt_ms": 1.0, "ttl": 64, "duplicate": True}
        )

    def test_short_packets(self) -> None:
        """Below 16 octets there is no room for a time."""
        text = "12 bytes from 192.0.2.2: icmp_seq=1 ttl=64\n"
        text += "1 packets transmitted, 1 received, 0% packet loss, time 0ms\n"
        report = read("ping", text, packet_count=1)
        self.assertEqual((report.error, report.intervals), (None, [{"seq": 1, "ttl": 64}]))
        self.assertNotIn("rtt_ms", report.summary)

    def test_reasons(self) -> None:
        """What ping says is the reason if no packet came back."""
        none = "{}2 packets transmitted, 0 received, 100% packet loss, time 9ms\n"
        for said, error in (
            ("ping: sendmsg: Network is unreachable\n", "sendmsg: Network is unreachable"),
            ("ping: Warning: source address might be selected\n", ""),
            ("bwctl: local tool exited before expected with status=1\n", ""),
            ("From h (192.0.2.9): icmp_seq=1 Packet filtered\n", "Packet filtered"),
            ("From 2001:db8::9 icmp_seq=1 No \x1b[1mroute\n", "No [1mroute"),
        ):
            wanted = f"no packet came back{': ' if error else ''}{error}"
            self.assertEqual(read("ping", none.format(said)).error, wanted)
        self.assertEqual(
            read("ping", "connect: Network is unreachable\n").error,
            "connect: Network is unreachable",
        )
        killed = "bwctl: local tool exited before expected with status=137"
        self.assertEqual(read("ping", f"{killed}\n").error, killed)
        text = "0 packets transmitted, 0 received, time 0ms\n"
        self.assertEqual(read("ping", text).error, "no packet was sent")

    def test_every_packet(self) -> None:
        """As many packets as the protocol can ask for, with long addresses: none is left out."""
        count = 65535
        text = "".join(
            f"64 bytes from fd::1: icmp_seq={n} ttl=64 time=0.1 ms\n" for n in range(1, count + 1)
        )
        text += f"{count} packets transmitted, {count} received, 0% packet loss, time 9ms\n"
        self.assertLess(len(text), MAX_OUTPUT)
        report = read("ping", text, packet_count=count)
        self.assertEqual((report.error, report.cut, len(report.intervals)), (None, False, count))

    def test_cut(self) -> None:
        """What is longer than is read keeps its statistics, and says so."""
        text = "64 bytes from 192.0.2.2: icmp_seq=1 ttl=64 time=0.1 ms\n" * 100_000
        text += "10 packets transmitted, 10 received, 0% packet loss, time 9ms\n"
        report = read("ping", text)
        self.assertEqual((report.error, report.cut, report.summary["sent"]), (None, True, 10))
        text = "1 packets transmitted, 1 received, 0% packet loss\n"
        self.assertFalse(read("ping", text).cut)
        self.assertTrue(read("ping", f"{text}\nbwctl: output cut here: more than 9 octets\n").cut)


WORDS = st.sampled_from(
    [
        "1",
        "7",
        "0.5",
        "1.2.3",
        "ms",
        "0.3ms",
        "*",
        "!",
        "!H",
        "(192.0.2.2)",
        "192.0.2.2",
        "::1",
        "r",
    ]
    + ["\x1b[2J", "\u202e", "no", "reply", "reached", "pmtu", "1500", "[LOCALHOST]", "asymm", "("]
    + ["64", "bytes", "from", "a:", "icmp_seq=1", "ttl=9", "time=1", "time=.", "(DUP!)", "From"]
    + ["packets", "transmitted,", "received,", "+3", "errors,", "rtt", "min/avg/max", "=", "1/./3"]
)
LINES = st.tuples(
    st.sampled_from(
        ["", " 1  ", " 2:  ", " 1?: ", "3 packets transmitted, ", "rtt min/avg/max = "]
    ),
    st.lists(WORDS, max_size=12),
).map(lambda parts: parts[0] + " ".join(parts[1]))


class GrammarTests(SynchronousTestCase):
    """Words of real outputs in any order: the shapes of testers.md 13 hold."""

    @settings(max_examples=400, deadline=None, derandomize=True)
    @given(st.lists(LINES, max_size=8).map("\n".join))
    def test_shapes(self, text: str) -> None:
        """Every figure has its type and range, every text can be shown."""
        for name in ("traceroute", "tracepath", "paris-traceroute"):
            report = read(name, text)
            self.assertLessEqual(report.summary.keys(), {"reached", "hops", "pmtu"})
            for hop in report.summary.get("hops", ()):
                self.assertTrue(0 < hop["n"] < 256 and hop["probes"])
                for probe in hop["probes"]:
                    self.assertLessEqual(probe.keys(), {"addr", "name", "rtt_ms", "flag"})
                    self.assertTrue(all(str(value).isprintable() for value in probe.values()))
                    self.assertGreaterEqual(probe.get("rtt_ms", 0.0), 0.0)
        report = read("ping", text)
        for key in ("sent", "received", "lost", "duplicates", "errors", "reordering"):
            self.assertIsInstance(report.summary.get(key, 0), int)
            self.assertGreaterEqual(report.summary.get(key, 0), 0)
        self.assertEqual(
            report.error is None,
            report.summary.get("sent", 0) >= 9 and bool(report.summary.get("received")),
        )


class TracerouteTests(SynchronousTestCase):
    def test_several_routers(self) -> None:
        """A probe that another router answered has that one's address."""
        words = (
            "r1.example (192.0.2.9)  1.5 ms *  r2.example (192.0.2.8)  2 ms !H  3.25 ms !<13> !X"
        )
        first = {"addr": "192.0.2.9", "name": "r1.example", "rtt_ms": 1.5}
        second = {"addr": "192.0.2.8", "name": "r2.example"}
        self.assertEqual(
            probes_of(words.split()),
            [
                first,
                {},
                {**second, "rtt_ms": 2.0, "flag": "!H"},
                {**second, "rtt_ms": 3.25, "flag": "!<13> !X"},
            ],
        )

    def test_odd_words(self) -> None:
        """AS numbers, an error of paris-traceroute, and what nobody knows, harm no probe."""
        words = "192.0.2.9 [AS64496] 1.000ms ! 0.500ms <MPLS:L=1> 7"
        known = {"addr": "192.0.2.9"}
        self.assertEqual(
            probes_of(words.split()),
            [{**known, "rtt_ms": 1.0}, {"flag": "!"}, {**known, "rtt_ms": 0.5}],
        )

    def test_reached(self) -> None:
        """The address counts, however it is written, that of the header or of the test."""
        line = " 4  {}  1.0 ms\n"
        for addr, reached in (("192.0.2.2", True), ("192.0.2.22", False), ("192.0.2.1", False)):
            report = read("traceroute", line.format(addr))
            self.assertEqual(report.summary["reached"], reached)
        header = "traceroute to other.example (198.51.100.7), 30 hops max, 60 byte packets\n"
        report = read("traceroute", header + line.format("198.51.100.7"))
        self.assertTrue(report.summary["reached"])
        six = tester("traceroute").parse(
            b" 1  2001:DB8:0::2%eth0  1.0 ms\n", spec6("traceroute"), Role.CLIENT
        )
        self.assertEqual((six.error, six.summary["reached"]), (None, True))

    def test_no_answer(self) -> None:
        """The reason, if there is one, is what the program says."""
        error = read("traceroute", "bind: Cannot assign requested address\n").error
        self.assertEqual(error, "bind: Cannot assign requested address")
        self.assertEqual(read("traceroute", "").error, "no hop found in the output")
        killed = "bwctl: local tool did not complete in allocated time frame and was killed\n"
        self.assertEqual(read("traceroute", f" 1  * * *\n{killed}").error, killed.strip())
        self.assertIsNone(read("traceroute", f" 1  192.0.2.9  1 ms\n 2  * * *\n{killed}").error)

    def test_hostile_names(self) -> None:
        """A router's name comes from whoever owns its address."""
        (probe,) = probes_of(["\x1b[31m\u202ename\x00" + "x" * 400, "(192.0.2.9)", "1", "ms"])
        self.assertEqual(probe["addr"], "192.0.2.9")
        self.assertTrue(probe["name"].isprintable())
        self.assertLessEqual(len(probe["name"]), 300)
        hops = read("traceroute", " 0  a  1 ms\n 256  a  1 ms\n 1000  a  1 ms\n")
        self.assertNotIn("hops", hops.summary)


class TracepathTests(SynchronousTestCase):
    def test_names_and_flags(self) -> None:
        """Name and address, an asymmetric way back, a flag."""
        text = (
            " 1?: [LOCALHOST]                        0.016ms pmtu 65536\n"
            " 1:  r.example (192.0.2.9)                 1.016ms asymm  3 \n"
            " 2:  r.example (192.0.2.9)                 2.016ms asymm  3 !H\n"
            "     Resume: pmtu 1500 \n"
        )
        probe = {"addr": "192.0.2.9", "name": "r.example"}
        self.assertEqual(
            read("tracepath", text).summary,
            {
                "reached": False,
                "hops": [
                    {"n": 1, "probes": [{**probe, "rtt_ms": 1.016}]},
                    {"n": 2, "probes": [{**probe, "rtt_ms": 2.016, "flag": "!H"}]},
                ],
                "pmtu": 1500,
            },
        )

    def test_failed(self) -> None:
        """A packet that cannot be sent."""
        report = read("tracepath", " 1:  send failed\n     Resume: pmtu 100000 \n")
        self.assertEqual(report.error, "send failed")
