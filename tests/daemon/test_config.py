"""Tests of bwctl-server.conf and bwctlrc."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from bwctl.daemon.config import (
    Settings,
    parse_client_settings,
    parse_settings,
    reload_settings,
    settings_text,
)
from bwctl.daemon.config_options import TOOLS, option_table
from bwctl.daemon.config_values import Node, PortRange
from bwctl.errors import ConfigurationError
from tests.daemon.config_examples import LAB_CONF, OUR_CONF, PUBLIC_CONF
from tests.limits import QUIET


def load(text: str) -> Settings:
    return parse_settings(text, "f")[0]


def warnings(text: str) -> list[str]:
    return [problem.message for problem in parse_settings(text, "f")[1]]


def problems(text: str, client: bool = False) -> list[tuple[int, str]]:
    try:
        (parse_client_settings if client else parse_settings)(text, "f")
    except ConfigurationError as error:
        return [(problem.line, problem.message) for problem in error.problems]
    return []


class ValueTests(SynchronousTestCase):
    """Each option: what it says, and the field that says so."""

    ACCEPTED: list[tuple[str, str, Any]] = [
        ("", "listen", Node("", 4823)),
        ("src_node host.example", "listen", Node("host.example", 4823)),
        ("srcnode 127.0.0.1:99", "listen", Node("127.0.0.1", 99)),
        ("src_node :99", "listen", Node("", 99)),
        ("src_node [::1]:99", "listen", Node("::1", 99)),
        ("src_node [::1]", "listen", Node("::1", 4823)),
        ("src_node 2001:db8::1", "listen", Node("2001:db8::1", 4823)),
        ("src_node :1\nsrc_node :2", "listen", Node("", 2)),
        ("user bwctl", "user", "bwctl"),
        ("user -65534", "user", 65534),
        ("group -0", "group", 0),
        ("root_folly", "root_folly", True),
        ("rootfolly", "root_folly", True),
        ("ROOT_FOLLY", "root_folly", True),
        ("vardir /run/bwctl", "var_dir", "/run/bwctl"),
        ("auth_mode AE", "auth_mode", 6),
        ("authmode oae", "auth_mode", 7),
        ("auth_mode O", "auth_mode", 1),
        ("allow_unsync", "allow_unsync", True),
        ("allow_unsync #off", "allow_unsync", True),
        ("allow_unsync off", "allow_unsync", False),
        ("allow_unsync YES", "allow_unsync", True),
        ("allow_unsync no", "allow_unsync", False),
        ("allow_unsync true", "allow_unsync", True),
        ("allow_unsync false", "allow_unsync", False),
        ("sync_fuzz 1 # two", "sync_fuzz", 1.0),
        ("sync_fuzz .5", "sync_fuzz", 0.5),
        ("sync_fuzz 1e-3", "sync_fuzz", 0.001),
        ("sync_\\\nfuzz 1\\\n.5", "sync_fuzz", 1.5),
        ("control_timeout 10", "control_timeout", 10.0),
        ("die_by 0", "die_by", 0.0),
        ("dieby 5", "die_by", 5.0),
        ("peer_port 52400", "peer_ports", PortRange(52400, 52400)),
        ("peer_port 6001-6200", "peer_ports", PortRange(6001, 6200)),
        ("peer_port 7-7", "peer_ports", PortRange(7, 7)),
        ("peer_port 0", "peer_ports", None),
        ("peer_port 0-0", "peer_ports", None),
        ("facility LOCAL5", "facility", "local5"),
        ("facility security", "facility", "auth"),
        ("priority warn", "priority", "warning"),
        ("access_priority none", "access_priority", "none"),
        ("verbose #x", "verbose", True),
        ("log_location", "log_location", True),
        ("loglocation off", "log_location", False),
        ("post_hook /a\nposthook /b", "post_hooks", ("/a", "/b")),
        ("iperf3_cmd /usr/bin/iperf3", "commands", {"iperf3_cmd": "/usr/bin/iperf3"}),
        ("IPERF_CMD /usr/bin/Iperf", "commands", {"iperf_cmd": "/usr/bin/Iperf"}),
        ("ping6_cmd p6", "commands", {"ping6_cmd": "p6"}),
        ("paris_traceroute_cmd p", "commands", {"paris_traceroute_cmd": "p"}),
        ("paris-traceroute_cmd p", "commands", {"paris_traceroute_cmd": "p"}),
        ("owamp_server_cmd o", "commands", {"owamp_server_cmd": "o"}),
        ("owping_cmd o", "commands", {"owamp_cmd": "o"}),
        ("thrulay_cmd o", "commands", {"thrulay_cmd": "o"}),
        ("thrulay_port 1-2", "tool_ports", {"thrulay": (1, 2)}),
        ("iperf3_port 1-2\nping_port 0", "tool_ports", {"iperf3": (1, 2)}),
        ("paris-traceroute_port 5", "tool_ports", {"paris-traceroute": (5, 5)}),
        ("paris_traceroute_port 5", "tool_ports", {"paris-traceroute": (5, 5)}),
        ("test_port 5202-5300", "test_ports", (5202, 5300)),
        ("disable_iperf", "disabled", {"iperf"}),
        ("disable_iperf off", "disabled", set()),
        ("!disable_iperf", "disabled", set()),
        ("disable_iperf\n!disable_iperf x", "disabled", {"iperf"}),
        ("disable_paris-traceroute", "disabled", {"paris-traceroute"}),
        ("iperf3_cpu_affinity 0,2-3", "tool_affinity", {"iperf3": {0, 2, 3}}),
        ("test_cpu_affinity 8191", "test_affinity", {8191}),
        ("max_connections 5k", "max_connections", 5000),
        ("max_connections_per_host 1", "max_connections_per_host", 1),
        ("handshake_timeout 0.5", "handshake_timeout", 0.5),
        ("hook_timeout 5", "hook_timeout", 5.0),
        ("guard SUM", "guard", "sum"),
        ("shared_tests 1", "shared_tests", 1),
        ("max_reservations 1", "max_reservations", 1),
        ("trace_during_throughput on", "trace_during_throughput", True),
        ("setup_margin 0", "setup_margin", 0.0),
        ("overrun 0.5", "overrun", 0.5),
        ("max_result_size 64m", "max_result_size", 64_000_000),
        ("strict_limits off", "strict_limits", False),
        ("quota_file /var/lib/q", "quota_file", "/var/lib/q"),
        ("log_format JSON", "log_format", "json"),
        ("log_file /l", "log_file", "/l"),
        ("tls_port 443", "tls_port", 443),
        ("tls_cert /c", "tls_cert", "/c"),
        ("tls_key /k", "tls_key", "/k"),
        ("tls_client_ca /a", "tls_client_ca", "/a"),
        ("tls_require_client", "tls_require_client", True),
        ("key_store ldap", "key_store", "ldap"),
        ("policy weekdays", "policy", "weekdays"),
        ("clock_source chrony", "clock_source", "chrony"),
        ("result_sink a\nresult_sink b", "result_sinks", ("a", "b")),
    ]

    def test_accepted(self) -> None:
        """Every option sets its field, and no other."""
        for text, name, value in self.ACCEPTED:
            settings = load(text)
            self.assertEqual(getattr(settings, name), value, text)
            self.assertEqual(
                settings.replace(**{name: getattr(Settings(), name)}), Settings(), text
            )

    def test_every_field_is_covered(self) -> None:
        """The table above has every field of the settings."""
        covered = {name for _, name, _ in self.ACCEPTED}
        given = {field.name for field in fields(Settings) if field.compare}
        self.assertEqual(covered, given)

    def test_defaults(self) -> None:
        """An empty file has the defaults of C, and ours for what C does not have."""
        self.assertEqual(load(""), Settings())
        self.assertEqual((Settings().control_timeout, Settings().die_by), (7200, 30))
        self.assertEqual((Settings().overrun, Settings().setup_margin), (1.5, 0.25))
        self.assertEqual((Settings().max_result_size, Settings().strict_limits), (4194304, True))

    REFUSED = (
        ("foo_bar 1", "unknown option 'foo_bar'"),
        ("sync_fuz 1", "did you mean 'sync_fuzz'"),
        ("disable_iperf_foo", "did you mean 'disable_iperf'"),
        ("t X", "unknown option"),
        ("p X", "unknown option"),
        ("src-node :1", "did you mean 'src"),
        ("sync_fuzz 1 2", "'2' after the value"),
        ("verbose on off", "'off' after the value"),
        ("sync_fuzz -1", "not a number of seconds"),
        ("sync_fuzz 1.5s", "not a number of seconds"),
        ("sync_fuzz nan", "not a number of seconds"),
        ("sync_fuzz 1e999", "not a number of seconds"),
        ("sync_fuzz", "a value is missing"),
        ("sync_fuzz # 1", "a value is missing"),
        ("control_timeout 10x", "not a number of seconds"),
        ("control_timeout abc", "not a number of seconds"),
        ("control_timeout 0", "greater than 0"),
        ("die_by x", "not a number of seconds"),
        ("peer_port 200-100", "starts above its end"),
        ("peer_port 100 - 200", "'- 200' after the value"),
        ("peer_port 1-65536", "not a port"),
        ("peer_port -5", "not a port"),
        ("peer_port 5-", "not a port"),
        ("peer_port 0-5", "no port"),
        ("peer_port 1-2-3", "not a port"),
        ("test_port x", "not a port"),
        ("sync_fuzz 1\\2", "backslash"),
        ("auth_mode X", "'x' is none of the modes"),
        ("facility nosuch", "none of"),
        ("facility local", "none of"),
        ("access_priority 99", "none of"),
        ("priority warnin", "did you mean 'warning'"),
        ("test_cpu_affinity a", "not a processor"),
        ("test_cpu_affinity 3-1", "not a processor"),
        ("test_cpu_affinity 0,,1", "not a processor"),
        ("test_cpu_affinity 0-999999", "not a processor"),
        ("src_node 127.0.0.1:http", "'http' is not a port"),
        ("src_node 127.0.0.1:4823x", "not a port"),
        ("src_node 127.0.0.1:", "not a port"),
        ("src_node [::1]x", "IPV6-ADDRESS"),
        ("src_node [::1", "IPV6-ADDRESS"),
        ("src_node [host]:1", "IPV6-ADDRESS"),
        ("src_node ::g", "not an IPv6 address"),
        ("src_node a/b", "not a host"),
        ("user -bob", "neither a name"),
        ("allow_unsync maybe", "none of on"),
        ("disable_iperf 1", "none of on"),
        ("max_connections 0", "not within 1"),
        ("max_result_size 5000000000", "not within 1"),
        ("guard min", "none of max, sum"),
    )

    def test_refused(self) -> None:
        """Every refusal names the line and what is wrong (M8)."""
        for text, message in self.REFUSED:
            found = problems(f"# one\n{text}")
            self.assertEqual([line for line, _ in found], [2], text)
            self.assertIn(message, found[0][1], text)

    def test_every_tester_disabled(self) -> None:
        """A daemon without any tester is refused."""
        text = "".join(f"disable_{tool}\n" for tool in TOOLS)
        self.assertIn("every tester is disabled", problems(text)[0][1])
        self.assertEqual(problems(text + "disable_ping off"), [])

    def test_all_at_once(self) -> None:
        """All problems come together, in the order of the lines, the right one each."""
        text = "foo 1\n\ndie_by \\\n x y\nsync_fuzz -1\nverbose\\x\n"
        self.assertEqual([line for line, _ in problems(text)], [1, 4, 5, 6])

    def test_warnings(self) -> None:
        """What has no effect is said."""
        table = [
            ("data_dir /x", "data_dir is out of use"),
            ("datadir /x", "data_dir is out of use"),
            ("taskset_cmd /x", "taskset_cmd has no effect"),
            ("bottleneck_capacity 1g", "bottleneck_capacity has no effect"),
            ("src_node :1\nsrcnode :2", "line 1 has no effect"),
            ("disable_iperf\ndisable_iperf off", "line 1 has no effect"),
        ]
        for text, message in table:
            self.assertEqual(len(warnings(text)), 1, text)
            self.assertIn(message, warnings(text)[0])
        self.assertEqual(warnings("post_hook /a\npost_hook /b\n!disable_iperf\n!disable_iperf"), [])


class SettingsTests(SynchronousTestCase):
    """The settings as a value."""

    def test_ports(self) -> None:
        """A tester has its own range, else the common one, else that of C."""
        settings = load("test_port 1-9\niperf3_port 20-29")
        self.assertEqual(settings.ports_for("iperf3"), (20, 29))
        self.assertEqual(settings.ports_for("iperf"), (1, 9))
        self.assertEqual(Settings().ports_for("iperf"), (5202, 5900))
        self.assertEqual(load("test_port 0").ports_for("iperf"), (5202, 5900))

    def test_affinity(self) -> None:
        """A tester has its own processors, else the common ones."""
        settings = load("test_cpu_affinity 0\niperf3_cpu_affinity 1")
        self.assertEqual(
            (settings.affinity_for("iperf3"), settings.affinity_for("ping")), ({1}, {0})
        )
        self.assertEqual(Settings().affinity_for("ping"), frozenset())

    def test_frozen(self) -> None:
        """Settings do not change; a changed copy is another value."""
        settings = load("iperf_cmd x")
        self.assertRaises(FrozenInstanceError, setattr, settings, "verbose", True)
        self.assertTrue(settings.replace(verbose=True).verbose)
        self.assertFalse(settings.verbose)

    def test_overrides(self) -> None:
        """Flags beat the file, add to its tester options, and are named in problems."""
        text = "src_node :1\nverbose off\niperf_cmd a"
        flags = {"src_node": ":2", "verbose": None, "ping_cmd": "b"}
        settings, found = parse_settings(text, "f", overrides=flags)
        self.assertEqual((settings.listen.port, settings.verbose, found), (2, True, []))
        self.assertEqual(settings.commands, {"iperf_cmd": "a", "ping_cmd": "b"})
        error = self.assertRaises(
            ConfigurationError, parse_settings, "foo", "f", overrides={"src_node": ":x"}
        )
        self.assertEqual([str(one) for one in error.problems][1], "f:1: unknown option 'foo'")
        self.assertIn("command line: src_node: 'x'", str(error))

    def test_tools_of_others(self) -> None:
        """A tester of another package has options like ours."""
        settings, _ = parse_settings("ethr_cmd /e\nethr_port 5", "f", tools=(*TOOLS, "ethr"))
        self.assertEqual(
            (settings.commands, settings.tool_ports), ({"ethr_cmd": "/e"}, {"ethr": (5, 5)})
        )
        self.assertEqual(len(problems("ethr_cmd /e")), 1)

    def test_reload(self) -> None:
        """A reload keeps what only a restart can change, and says which keys those are."""
        old = load("src_node :1\nuser bob\ndie_by 1")
        new = load("src_node :2\nuser bob\ndie_by 2")
        settings, waiting = reload_settings(old, new)
        self.assertEqual((settings.listen.port, settings.die_by), (1, 2.0))
        self.assertEqual(waiting, ["src_node"])
        self.assertEqual(reload_settings(old, old), (old, []))

    def test_text(self) -> None:
        """Settings written as a file read back the same."""
        for text, name, _ in ValueTests.ACCEPTED:
            settings = load(text)
            self.assertEqual(load(settings_text(settings)), settings, f"{text} {name}")

    @QUIET
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(sorted(option_table())),
                st.sampled_from(
                    ["", "on", "off", "1", "2-3", "1.5", "a", "0", ":5", "-7", "AE", "err"]
                ),
            )
        )
    )
    def test_any_text_of_options(self, lines: list[tuple[str, str]]) -> None:
        """Whatever loads, reads back from its own text."""
        text = "".join(f"{key} {word}\n" for key, word in lines)
        if not problems(text):
            self.assertEqual(load(settings_text(load(text))), load(text))


class AnyTextTests(SynchronousTestCase):
    """Hostile files."""

    pieces = st.sampled_from(
        [*option_table(), " ", "\t", "\n", "\\", "\\\n", "#", "[::1]", ":1", "-", "9"]
    ) | st.text(max_size=4)

    @QUIET
    @given(st.lists(pieces).map("".join))
    def test_any_text(self, text: str) -> None:
        """Any text gives settings or a ConfigurationError, for the daemon and the client."""
        problems(text)
        problems(text, client=True)

    @QUIET
    @given(st.sampled_from(sorted(option_table())), st.text(max_size=20))
    def test_any_value(self, key: str, word: str) -> None:
        """Any value gives settings or a ConfigurationError."""
        problems(f"{key} {word}")


class ClientTests(SynchronousTestCase):
    """The client's bwctlrc (clients.md 12)."""

    def test_accepted(self) -> None:
        """Options that concern a client and its own test end."""
        text = """
            access_priority debug
            peer_port 6001-6100
            TEST_PORT 5300-5400
            control_timeout 60
            bottleneck_capacity 1g
            sync_fuzz 0.5
            allow_unsync
            iperf3_cmd /opt/iperf3
            owamp_server_cmd owampd
            owping_cmd owping
            taskset_cmd taskset
            iperf3_port 5
            disable_nuttcp
            !disable_iperf
            iperf_cpu_affinity 0
            test_cpu_affinity 1
            ping6_cmd p
            paris_traceroute_cmd q
        """
        settings, found = parse_client_settings(text, "rc")
        self.assertEqual([problem.line for problem in found], [6, 12])
        self.assertEqual((settings.sync_fuzz, settings.allow_unsync), (0.5, True))
        self.assertEqual(settings.ports_for("iperf"), (5300, 5400))
        self.assertEqual(settings.disabled, {"nuttcp"})

    def test_daemon_options(self) -> None:
        """An option of the daemon is an error that says so."""
        client = {"access_priority", "peer_port", "test_port", "control_timeout", "allow_unsync"}
        client |= {"bottleneck_capacity", "sync_fuzz", "test_cpu_affinity"}
        for name, option in option_table().items():
            found = problems(f"{name} 1", client=True)
            if not (option.key in client or option.client):
                self.assertIn("option of the daemon only", found[0][1], name)
        for name in ("src_node", "die_by", "max_connections", "post_hook", "verbose"):
            self.assertEqual(len(problems(f"{name} 1", client=True)), 1, name)

    def test_empty(self) -> None:
        """An empty file is fine, and so are only disabled testers: the daemons may have some."""
        self.assertEqual(parse_client_settings("", "rc"), (Settings(), []))
        text = "".join(f"disable_{tool}\n" for tool in TOOLS)
        self.assertEqual(problems(text, client=True), [])


class ExampleTests(SynchronousTestCase):
    """The worked examples (daemon.md 7)."""

    def test_public(self) -> None:
        """The public measurement point."""
        settings, found = parse_settings(PUBLIC_CONF, "bwctl-server.conf")
        self.assertEqual(found, [])
        self.assertEqual((settings.user, settings.group, settings.die_by), ("bwctl", "bwctl", 10))
        self.assertEqual(settings.ports_for("owamp"), (5601, 5700))
        self.assertEqual((settings.allow_unsync, settings.disabled), (False, {"nuttcp"}))

    def test_public_with_ours(self) -> None:
        """With the options that only we have."""
        settings, _ = parse_settings(PUBLIC_CONF + OUR_CONF, "bwctl-server.conf")
        self.assertEqual((settings.max_connections, settings.max_connections_per_host), (500, 16))
        self.assertEqual((settings.handshake_timeout, settings.control_timeout), (15, 600))

    def test_lab(self) -> None:
        """The private lab without NTP."""
        settings, found = parse_settings(LAB_CONF, "bwctl-server.conf")
        self.assertEqual(found, [])
        self.assertEqual(settings.listen, ("192.168.40.11", 4823))
        self.assertTrue(settings.root_folly and settings.allow_unsync and settings.verbose)
