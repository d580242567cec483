"""Tests of the limits file."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.errors import ConfigurationError
from bwctl.limits.classes import LIMITS, Limits
from bwctl.limits.keys import parse_keys
from bwctl.limits.parser import parse_limits
from bwctl.limits.policy import classify
from bwctl.limits.written import format_value
from bwctl.values import ToolID
from tests.limits import QUIET
from tests.limits.examples import LAB_LIMITS, OUR_GUEST, PUBLIC_KEYS, PUBLIC_LIMITS

USERS = ("joe", "alice")


def load(text: str, strict: bool = True) -> Limits:
    return parse_limits(text, "f", users=USERS, strict=strict)[0]


def warnings(text: str, strict: bool = True) -> list[str]:
    """Warnings but for the one about a missing default."""
    found = parse_limits(f"{text}\nassign default a", "f", users=USERS, strict=strict)[1]
    return [problem.message for problem in found]


def problems(text: str, strict: bool = True) -> list[tuple[int, str]]:
    try:
        load(text, strict)
    except ConfigurationError as error:
        return [(problem.line, problem.message) for problem in error.problems]
    return []


class FileTests(SynchronousTestCase):
    """What C accepts and refuses (M9), with our decisions (daemon.md 2.7 and 6)."""

    def test_accepted(self) -> None:
        """Files of C installations load."""
        lines = [
            "",
            "# only a comment",
            "limit root with",
            "limit root with duration=5,",
            "limit root with duration = 5 , allow_udp = on",
            "limit root with duration=900M",
            "limit root with bandwidth=1k, allow_udp=ON",
            "limit root with duration=0",
            "limit a with\nassign net ::ffff:10.0.0.0/8 a",
            "limit a with\nassign net 10.1 a",
            "LIMIT a WITH DURATION=5\nASSIGN DEFAULT a",
            "limit a with\nlimit b with PARENT=a\nAssign User joe b",
            "limit a with duration=20\nlimit b with parent=a, duration=0",
            "limit a with duration=20\nlimit b with duration=30, parent=a",
            "limit a with\nassign net 0.0.0.0/0 a\nassign net ::/0 a",
            "limit a with\nassign default a # comment",
            f"limit {'x' * 80} with",
        ]
        for text in lines:
            self.assertEqual(problems(text), [], text)

    def test_refused(self) -> None:
        """Every refusal has its line and names what is wrong."""
        root = "limit a with duration=20\n"
        table = [
            ("limit a with duration", 1, "no value"),
            ("limit a with duration, pending=5", 1, "no value"),
            ("limit a with allow_udp=", 1, "no value"),
            ("limit a with tests_per_day=", 1, "no value"),
            ("limit a with =5", 1, "unknown limit ''"),
            ("limit a with duration=5 # c", 1, "white space"),
            ("limit a with \\\n duration=5, \\\n duraton=5", 3, "did you mean 'duration'"),
            ("limit a with duration=5, duration=5", 1, "twice"),
            ("limit a with parent=b", 1, "no parent"),
            ("limit a with duration=-5", 1, "'-5'"),
            ("limit a with duration=1.5", 1, "'1.5'"),
            ("limit a with bandwidth=900mb", 1, "'900mb'"),
            ("limit a with bandwidth=1z", 1, "more than"),
            ("limit a with allow_udp=yes", 1, "neither on nor off"),
            ("limit a with allow_udp=1", 1, "neither on nor off"),
            ("limit a with first_day=2027-02-29", 1, "not in the calendar"),
            ("limit a with last_day=20270131", 1, "not a date such as"),
            ("limit a with first_day=0", 1, "not a date such as"),
            ("limit a with testers=iperf3+pong", 1, "did you mean 'ping'"),
            ("limit a with testers=iperf3+", 1, "unknown tester ''"),
            ("limit", 1, "needs a class"),
            ("limit a", 1, "'with'"),
            ("limit a duration=5", 1, "'with'"),
            ("limit a width duration=5", 1, "'with'"),
            (f"limit {'x' * 81} with", 1, "80 octets"),
            ("limits a with", 1, "did you mean 'limit'"),
            ("lmit a with", 1, "did you mean 'limit'"),
            (f"{root}limit a with parent=a", 2, "again"),
            (f"{root}limit b with", 2, "needs a parent"),
            (f"{root}limit b with parent=c", 2, "not defined above"),
            (f"{root}limit b with parent=A", 2, "not defined above"),
            (f"{root}limit b with parent=b", 2, "not defined above"),
            (f"{root}assign", 2, "needs default, net, user or cert"),
            (f"{root}assign nt 10.0.0.0/8 a", 2, "did you mean 'net'"),
            (f"{root}assigns default a", 2, "did you mean 'assign'"),
            (f"{root}assign default", 2, "needs a class"),
            (f"{root}assign net 10.0.0.0/8", 2, "needs a name and a class"),
            (f"{root}assign default a\nassign default a", 3, "again (first in line 2)"),
            (f"{root}assign default b", 2, "not defined above"),
            (f"assign default a\n{root}", 1, "not defined above"),
            (f"{root}assign net localhost a", 2, "not a numeric address"),
            (f"{root}assign net 10.1.2.3/24 a", 2, "10.1.2.0/24"),
            (f"{root}assign net 10.0.0.0/33 a", 2, "prefix length"),
            (f"{root}assign cert DNS:x a\nassign cert x a", 3, "again"),
            (f"{root}assign user jo a", 2, "did you mean 'joe'"),
            (f"{root}assign user JOE a", 2, "no key"),
            ("assign default default", 1, "not defined above"),
            ("limit a with duration=5 \\ \n", 1, "backslash"),
        ]
        for text, line, message in table:
            found = problems(text)
            self.assertEqual(len(found), 1, f"{text!r}: {found}")
            self.assertEqual(found[0][0], line, text)
            self.assertIn(message, found[0][1], text)

    def test_odd_lines_of_c_files(self) -> None:
        """What C loads is loaded and means the same, and a warning tells what it is taken for."""
        root = "limit root with duration=20, allow_udp=on\n"
        table = [
            ("limit root with duration=", 1, "taken as duration=0"),
            ("limit root with pending=1,\\\nduration=, allow_udp=on", 2, "taken as duration=0"),
            ("limit root with duration=5,,pending=1", 1, "between two commas"),
            ("limit root with ,duration=5", 1, "between two commas"),
            ("limit root with duration 5", 1, "'duration 5' is taken as duration=5"),
            ("limit root with duration==5", 1, "taken as duration=5"),
            ("limit root with duration = = 5", 1, "taken as duration=5"),
            ("limitroot with duration=5", 1, "blank is missing"),
            ("LIMITroot\\\n with duration=5", 1, "blank is missing"),
            (f"{root}assigndefault root", 2, "blank is missing"),
            (f"{root}assign default root and more", 2, "'and' after the class has no effect"),
            (f"{root}assign net 10.0.0.0/8 root\nassign net ::ffff:10.0.0.0/8 root", 3, "again"),
            (f"{root}assign user joe root\nassign user joe root", 3, "line 2 has no effect"),
        ]
        for text, line, message in table:
            if "default" not in text:
                text += "\nassign default root"
            limits, found = parse_limits(text, "f", users=USERS)
            self.assertEqual([problem.line for problem in found], [line], text)
            self.assertIn(message, found[0].message)
            self.assertEqual(limits.default.name, "root")

    def test_values_of_odd_lines(self) -> None:
        """An empty number is no limit of the class, and the last rule for somebody holds."""
        text = (
            "limit a with duration=20, event_horizon=60, minimum_ttl=3\n"
            "limit b with parent=a, duration=, event_horizon=, minimum_ttl=\n"
            "limit c with parent = a, duration 5, pending == 7\n"
            "assign net 10.0.0.0/8 b\nassign net 10.0.0.0/8 c\n"
            "assign user joe a\nassign user joe b\n"
        )
        limits = load(text)
        b, c = limits.classes["b"], limits.classes["c"]
        self.assertEqual((b.duration, b.event_horizon, b.minimum_ttl), (0, 60, 3))
        self.assertEqual((c.duration, c.pending), (5, 7))
        self.assertIs(classify(limits, ip_address("10.0.0.1")), c)
        self.assertIs(classify(limits, ip_address("10.0.0.1"), "joe"), b)

    def test_all_at_once(self) -> None:
        """All problems come together; what depends on a broken class is not reported again."""
        text = (
            "limit a with duration=x, foo=1\nlimit b with parent=a, pending=y\nassign net 10 b\nfoo"
        )
        self.assertEqual([line for line, _ in problems(text)], [1, 1, 2, 4])

    @QUIET
    @given(
        st.lists(
            st.sampled_from(
                ["limit ", "assign ", "a", "b", " with ", "parent=", "=", ",", "\n", " "]
            )
            | st.sampled_from(
                ["default ", "net ", "user ", "10.0.0.0/8", "joe", "on", "0", "9z", "#"]
            )
            | st.sampled_from([f"{name}=" for name in LIMITS])
            | st.text(max_size=3)
        ).map("".join)
    )
    def test_any_text(self, text: str) -> None:
        """Any text gives limits or a ConfigurationError, strict or not."""
        for strict in (True, False):
            problems(text, strict)


class InheritanceTests(SynchronousTestCase):
    """A class against its parent (daemon.md 2.3)."""

    def test_copies(self) -> None:
        """Values not given are the parent's; values given nowhere have the defaults."""
        limits = load("limit a with duration=5, allow_udp=on\nlimit b with parent=a, pending=3")
        child = limits.classes["b"]
        self.assertEqual((child.duration, child.pending, child.allow_udp), (5, 3, True))
        self.assertEqual((child.allow_tcp, child.allow_open_mode), (True, True))
        self.assertEqual((child.allow_no_endpoint, child.bandwidth, child.testers), (False, 0, 0))
        self.assertEqual([one.name for one in child.lineage()], ["b", "a"])
        self.assertIs(limits.root, child.parent)

    def test_too_large(self) -> None:
        """A larger integer than the parent's is cut, with a warning, also when not strict."""
        for name in ("duration", "bandwidth", "pending", "max_time_error", "event_horizon"):
            text = f"limit a with {name}=20\nlimit b with parent=a, {name}=30"
            for strict in (True, False):
                self.assertEqual(getattr(load(text, strict).classes["b"], name), 20)
                self.assertIn(f"{name}=30 is more than the 20", warnings(text, strict)[0])

    def test_later_last_day(self) -> None:
        """A last day after the parent's is cut to it, and told as a date."""
        text = "limit a with last_day=2027-01-31\nlimit b with parent=a, last_day=2027-02-01"
        self.assertIn("last_day=2027-02-01 is more than the 2027-01-31", warnings(text)[0])
        limits = load(text)
        self.assertEqual(limits.classes["b"].last_day, limits.root.last_day)

    def test_not_too_large(self) -> None:
        """Equal, smaller and 0 pass in silence, and so does anything under a parent without."""
        for parent, child in [(20, 20), (20, 19), (20, 0), (0, 30)]:
            text = f"limit a with duration={parent}\nlimit b with parent=a, duration={child}"
            self.assertEqual(load(text).classes["b"].duration, child)
            self.assertEqual(warnings(text), [])

    WIDER = (
        ("allow_udp=off", "allow_udp=on"),
        ("pending=1", "allow_udp=on"),  # the default is off
        ("allow_tcp=off", "allow_tcp=on"),
        ("allow_open_mode=off", "allow_open_mode=on"),
        ("pending=1", "allow_no_endpoint=on"),
        ("allow_throughput=off", "allow_throughput=on"),
        ("allow_latency=off", "allow_latency=on"),
        ("allow_tcp=off", "allow_latency=on"),
        ("allow_tcp=off", "allow_trace=on"),
        ("event_horizon=60", "event_horizon=0"),
        ("minimum_ttl=3", "minimum_ttl=2"),
        ("minimum_ttl=3", "minimum_ttl=0"),
        ("first_day=2027-02-01", "first_day=2027-01-31"),
        ("allow_third_party=off", "allow_third_party=on"),
        ("testers=ping", "testers=ping+iperf3"),
    )

    def test_wider_is_held_to_the_parent(self) -> None:
        """What permits more than the parent is cut to it; file, line and what holds are told."""
        for parent, child in self.WIDER:
            text = (
                f"limit a with {parent}\nlimit b with \\\n parent=a,\\\n {child}\nassign default a"
            )
            limits, found = parse_limits(text, "f")
            name = child.partition("=")[0]
            both = [limits.classes[one] for one in "ab"]
            held = [format_value(name, getattr(one, one.governing(name))) for one in both]
            self.assertEqual(held[0], held[1], child)
            self.assertEqual(len(found), 1, child)
            message = f"f:4: class 'b': {child} allows more than "
            self.assertTrue(str(found[0]).startswith(message), found[0])
            self.assertIn(f"; {name}={held[0]} holds ('strict_limits off'", found[0].message)
            self.assertFalse(limits.classes["b"].widened)

    def test_wider_down_the_tree(self) -> None:
        """A class below one that was cut inherits what holds, and is cut itself."""
        text = (
            "limit a with allow_udp=off\nlimit b with parent=a, allow_udp=on\n"
            "limit c with parent=b\nlimit d with parent=c, allow_udp=on\nassign default d"
        )
        limits, found = parse_limits(text, "f")
        self.assertEqual([one.allow_udp for one in limits.classes.values()], [False] * 4)
        self.assertEqual([problem.line for problem in found], [2, 4])

    def test_nothing_in_common(self) -> None:
        """Testers of which the parent has none: nothing is allowed, and the warning says so."""
        text = "limit a with testers=ping\nlimit b with parent=a, testers=iperf3"
        self.assertIn("so nothing is allowed", warnings(text)[0])
        b = load(text).classes["b"]
        self.assertEqual([one.testers for one in b.bounds("testers")], [ToolID.IPERF3, ToolID.PING])

    def test_wider_as_in_c(self) -> None:
        """With strict_limits off it holds, with a warning."""
        for parent, child in self.WIDER:
            text = f"limit a with {parent}\nlimit b with parent=a, {child}"
            self.assertEqual(len(warnings(text, strict=False)), 1, child)
            self.assertIn(f"{child} allows more", warnings(text, strict=False)[0])
            self.assertTrue(load(text, strict=False).classes["b"].widened)

    def test_narrower(self) -> None:
        """A class may permit less."""
        table = [
            ("allow_tcp=on", "allow_tcp=off"),
            ("allow_tcp=on", "allow_latency=off"),
            ("allow_tcp=off, allow_latency=on", "allow_latency=on"),
            ("event_horizon=60", "event_horizon=59"),
            ("event_horizon=0", "event_horizon=59"),
            ("minimum_ttl=3", "minimum_ttl=5"),
            ("testers=ping+iperf3", "testers=ping"),
            ("testers=ping", "testers=ping"),
        ]
        for parent, child in table:
            text = f"limit a with {parent}\nlimit b with parent=a, {child}"
            self.assertEqual(warnings(text), [], child)

    def test_testers(self) -> None:
        """Testers are named as in -T, in any case."""
        limits = load("limit a with testers=iperf3+Paris-Traceroute")
        self.assertEqual(limits.root.testers, ToolID.IPERF3 | ToolID.PARIS_TRACEROUTE)


class DefaultTests(SynchronousTestCase):
    """What holds without a line."""

    def test_no_limits(self) -> None:
        """Without any limit line everybody is in a small built-in class, and a warning says so."""
        limits, found = parse_limits("# nothing", "f")
        self.assertEqual((limits.root.name, limits.default), ("default", limits.root))
        self.assertEqual((limits.root.duration, limits.root.max_time_error), (30, 10))
        self.assertEqual((limits.root.allow_tcp, limits.root.allow_udp), (True, False))
        self.assertIn("built-in class 'default'", str(found[0]))

    def test_no_default(self) -> None:
        """Without a default rule the root class holds, and a warning names it."""
        limits, found = parse_limits("limit top with\nlimit b with parent=top", "f")
        self.assertIs(limits.default, limits.root)
        self.assertIn("'top'", found[0].message)

    def test_short_form_is_reported(self) -> None:
        """10.1 means 10.0.0.1, and a warning says so."""
        self.assertIn("10.0.0.1/32", warnings("limit a with\nassign net 10.1 a")[0])


class ExampleTests(SynchronousTestCase):
    """The worked examples (daemon.md 7)."""

    def test_public(self) -> None:
        """The public measurement point loads without a warning, and puts everybody in place."""
        keys = parse_keys(PUBLIC_KEYS, "keys")
        limits, found = parse_limits(PUBLIC_LIMITS, "limits", users=keys)
        self.assertEqual(found, [])
        table = [
            ("192.0.2.1", None, "guest"),
            ("198.51.100.7", None, "partner"),
            ("::ffff:198.51.100.7", None, "partner"),
            ("203.0.113.127", None, "guest"),
            ("203.0.113.128", None, "closed"),
            ("2001:db8:40::1", None, "partner"),
            ("2001:db8:50::1", None, "guest"),
            ("203.0.113.128", "alice", "staff"),
            ("192.0.2.1", "noc-mesh", "partner"),
            ("198.51.100.7", "nobody", "partner"),
        ]
        for address, user, name in table:
            self.assertEqual(classify(limits, ip_address(address), user).name, name, address)

    def test_public_with_ours(self) -> None:
        """The limits that only we have fit in."""
        text = PUBLIC_LIMITS.replace("minimum_ttl=2", f"minimum_ttl=2, {OUR_GUEST}")
        limits, _ = parse_limits(text, "limits", users=parse_keys(PUBLIC_KEYS, "keys"))
        guest = limits.default
        self.assertEqual(guest.max_streams, 4)
        self.assertEqual(guest.testers, ToolID.IPERF3 | ToolID.PING | ToolID.TRACEROUTE)

    def test_lab(self) -> None:
        """The private lab loads; strangers are nobody."""
        limits, found = parse_limits(LAB_LIMITS, "limits")
        self.assertEqual(found, [])
        table = {
            "127.0.0.1": "lab",
            "::1": "lab",
            "192.168.43.255": "lab",
            "192.168.44.0": "nobody",
        }
        for address, name in table.items():
            self.assertEqual(classify(limits, ip_address(address)).name, name, address)
