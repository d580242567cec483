"""The table of options of bwctl-server.conf and bwctlrc. Source: daemon.md 1.3, 1.4, 4.6, 5.2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bwctl.daemon.config_values import (
    FACILITIES,
    PRIORITIES,
    choice_reader,
    count_reader,
    read_account,
    read_boolean,
    read_cpus,
    read_modes,
    read_node,
    read_ports,
    read_word,
    seconds_reader,
    write_account,
    write_boolean,
    write_cpus,
    write_modes,
    write_ports,
)

TOOLS: Final = (
    "owamp",
    "tracepath",
    "traceroute",
    "paris-traceroute",
    "ping",
    "iperf",
    "iperf3",
    "nuttcp",
    "thrulay",
)
"""Testers by name, in the order in which C looks for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One key: where its value goes, and how it is read and written."""

    key: str
    field: str = ""  # of Settings; "": accepted without effect
    item: str = ""  # key within that field, where the field is a mapping or a set
    aliases: tuple[str, ...] = ()
    read: Callable[[str], Any] = read_word
    write: Callable[[Any], str] = str
    bare: bool = False  # may stand without a value, and is True then
    repeats: bool = False  # values add up; else the last one counts
    client: bool = False  # also an option of the client's bwctlrc
    fixed: bool = False  # a change needs a restart
    note: str = ""  # what to tell those who use it

    @property
    def names(self) -> tuple[str, ...]:
        """The key and its aliases."""
        return (self.key, *self.aliases)


def _flag(key: str, *aliases: str, client: bool = False, fixed: bool = False) -> Option:
    return Option(
        key=key,
        field=key,
        aliases=aliases,
        read=read_boolean,
        write=write_boolean,
        bare=True,
        client=client,
        fixed=fixed,
    )


def _seconds(
    key: str,
    *aliases: str,
    above: float = -1.0,
    client: bool = False,
    fixed: bool = False,
) -> Option:
    read = seconds_reader(above)
    return Option(key=key, field=key, aliases=aliases, read=read, client=client, fixed=fixed)


def _count(key: str, least: int, most: int, *, client: bool = False, fixed: bool = False) -> Option:
    return Option(key=key, field=key, read=count_reader(least, most), client=client, fixed=fixed)


_priority = choice_reader(PRIORITIES)

_GENERAL: Final = (
    Option(key="src_node", field="listen", aliases=("srcnode",), read=read_node, fixed=True),
    Option(key="user", field="user", read=read_account, write=write_account, fixed=True),
    Option(key="group", field="group", read=read_account, write=write_account, fixed=True),
    _flag("root_folly", "rootfolly", fixed=True),
    Option(key="var_dir", field="var_dir", aliases=("vardir",), fixed=True),
    Option(key="data_dir", aliases=("datadir",), note="is out of use and has no effect"),
    Option(
        key="auth_mode",
        field="auth_mode",
        aliases=("authmode",),
        read=read_modes,
        write=write_modes,
    ),
    _flag("allow_unsync", client=True),
    _seconds("sync_fuzz", client=True, fixed=True),
    _seconds("control_timeout", above=0.0, client=True),
    _seconds("die_by", "dieby"),
    Option(key="peer_port", field="peer_ports", read=read_ports, write=write_ports, client=True),
    Option(
        key="bottleneck_capacity",
        note="has no effect: a test has the window that its client asks for",
        client=True,
    ),
    Option(key="facility", field="facility", read=choice_reader(FACILITIES), fixed=True),
    Option(key="priority", field="priority", read=_priority),
    Option(key="access_priority", field="access_priority", read=_priority, client=True),
    _flag("verbose"),
    _flag("log_location", "loglocation"),
    Option(
        key="log_format", field="log_format", read=choice_reader({"text": "text", "json": "json"})
    ),
    Option(key="log_file", field="log_file", fixed=True),
    Option(key="post_hook", field="post_hooks", aliases=("posthook",), repeats=True),
    Option(
        key="test_port",
        field="test_ports",
        read=read_ports,
        write=write_ports,
        client=True,
        fixed=True,
    ),
    Option(
        key="test_cpu_affinity",
        field="test_affinity",
        read=read_cpus,
        write=write_cpus,
        client=True,
    ),
    # Only in our daemon:
    _count("max_connections", 1, 1_000_000),
    _count("max_connections_per_host", 1, 1_000_000),
    _seconds("handshake_timeout", above=0.0),
    _seconds("hook_timeout", above=0.0, fixed=True),
    Option(
        key="guard", field="guard", read=choice_reader({"max": "max", "sum": "sum"}), fixed=True
    ),
    _count("shared_tests", 1, 1_000_000, fixed=True),
    _count("max_reservations", 1, 100_000_000, fixed=True),
    _flag("trace_during_throughput", fixed=True),
    _seconds("setup_margin", fixed=True),
    _seconds("overrun"),
    _count("max_result_size", 1, (1 << 32) - 1),
    _flag("strict_limits"),
    Option(key="quota_file", field="quota_file", fixed=True),
    _count("tls_port", 1, 65535, fixed=True),
    *(Option(key=key, field=key, fixed=True) for key in ("key_store", "policy", "clock_source")),
    Option(key="result_sink", field="result_sinks", repeats=True, fixed=True),
    *(Option(key=key, field=key) for key in ("tls_cert", "tls_key", "tls_client_ca")),
    _flag("tls_require_client"),
)

_OTHER_COMMANDS: Final = (
    *(
        Option(key=key, field="commands", item=key, client=True)
        for key in ("ping6_cmd", "traceroute6_cmd", "tracepath6_cmd")
    ),
    # Documented for C, where no parser accepts it:
    Option(key="taskset_cmd", client=True, note="has no effect: affinity is set without it"),
)


def _command(tool: str, suffix: str) -> Option:
    key = f"{tool.replace('-', '_')}_{suffix}"
    others = {f"{tool}_{suffix}"} - {key}
    if key == "owamp_cmd":
        others = {"owping_cmd"}  # what C looks up in truth, though its parser refuses it
    return Option(key=key, field="commands", item=key, aliases=tuple(others), client=True)


def _tool_options(tool: str) -> Iterator[Option]:
    """The options of one tester. Its name may have - or _ in the key."""

    def spelled(pattern: str) -> dict[str, Any]:
        first, second = (pattern.format(name) for name in (tool, tool.replace("-", "_")))
        return {"key": first, "aliases": () if first == second else (second,), "client": True}

    yield from (_command(tool, "cmd"), _command(tool, "server_cmd"))
    yield Option(
        field="tool_ports",
        item=tool,
        read=read_ports,
        write=write_ports,
        fixed=True,
        **spelled("{}_port"),
    )
    yield Option(
        field="tool_affinity",
        item=tool,
        read=read_cpus,
        write=write_cpus,
        **spelled("{}_cpu_affinity"),
    )
    yield Option(
        field="disabled",
        fixed=True,
        item=tool,
        read=read_boolean,
        write=write_boolean,
        bare=True,
        **spelled("disable_{}"),
    )
    yield Option(bare=True, **spelled("!disable_{}"))


def option_table(tools: Iterable[str] = TOOLS) -> dict[str, Option]:
    """All options of the daemon by each of their names, in lower case."""
    of_tools = (option for tool in tools for option in _tool_options(tool))
    options = (*_GENERAL, *_OTHER_COMMANDS, *of_tools)
    return {name: option for option in options for name in option.names}


def client_options(table: Mapping[str, Option]) -> dict[str, Option]:
    """The options of a table that the client's bwctlrc has too. Source: clients.md 12."""
    return {name: option for name, option in table.items() if option.client}
