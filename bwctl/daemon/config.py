"""bwctl-server.conf and the client's bwctlrc as values. Source: daemon.md 1.2 to 1.4.

Text in, values out; `bwctl.daemon.config_files` reads the files.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from bwctl.daemon.config_options import TOOLS, Option, client_options, option_table
from bwctl.daemon.config_values import Node, PortRange
from bwctl.errors import Problem
from bwctl.limits.grammar import Findings, LogicalLine, hint, logical_lines, shown, words

COMMAND_LINE: Final = "command line"
"""Stands for the file name in messages about options that a flag gave."""

DEFAULT_TEST_PORTS: Final = PortRange(5202, 5900)

_PATHS: Final = ("var_dir", "log_file", "quota_file", "tls_cert", "tls_key", "tls_client_ca")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the configuration says; without a file, what C does. Times are seconds.

    The keys of the file are those of daemon.md 1.3, 1.4, 4.6 and 5.2; a field has the name of its
    key where no comment says otherwise.
    """

    listen: Node = Node()  # src_node; host "" = all addresses
    user: str | int | None = None  # int: an id
    group: str | int | None = None
    root_folly: bool = False
    var_dir: str | None = None  # None: the current directory
    auth_mode: int = 7  # mask: 1 open, 2 authenticated, 4 encrypted
    allow_unsync: bool = False
    sync_fuzz: float = 0.0
    control_timeout: float = 7200.0
    die_by: float = 30.0
    peer_ports: PortRange | None = None  # peer_port; None: any free port
    facility: str = "daemon"
    priority: str = "info"  # C: err, which hides its own access messages
    access_priority: str = "info"
    verbose: bool = False
    log_location: bool = False
    log_format: str = "text"  # or "json": one object per line
    log_file: str | None = None  # None: where twistd logs, or syslog
    post_hooks: tuple[str, ...] = ()  # each post_hook, in order
    # plug-ins by name; None: what the files say
    key_store: str | None = None
    policy: str | None = None
    clock_source: str = "kernel"  # or "chrony", "none", or a plug-in
    result_sinks: tuple[str, ...] = ()  # each result_sink
    # testers
    commands: Mapping[str, str] = field(
        default_factory=dict
    )  # key (iperf3_cmd) -> program, where given
    disabled: frozenset[str] = frozenset()  # testers, by disable_NAME
    test_ports: PortRange | None = None  # test_port; None: not given
    tool_ports: Mapping[str, PortRange] = field(default_factory=dict)  # tester -> its NAME_port
    test_affinity: frozenset[int] = frozenset()  # test_cpu_affinity: processors; empty: all
    tool_affinity: Mapping[str, frozenset[int]] = field(
        default_factory=dict
    )  # tester -> its NAME_cpu_affinity
    # not in C
    max_connections: int = 1000
    max_connections_per_host: int = 32
    handshake_timeout: float = 20.0
    hook_timeout: float = 60.0
    guard: str = "max"  # or "sum": how the paddings of neighbours add up
    shared_tests: int = 30
    max_reservations: int = 10_000
    trace_during_throughput: bool = False
    setup_margin: float = 0.25
    overrun: float = 1.5
    max_result_size: int = 4_194_304  # octets of tester output
    strict_limits: bool = True
    quota_file: str | None = None  # None: in var_dir, or without one in memory only
    tls_port: int = 4824  # used if there is a tls_cert
    tls_cert: str | None = None  # PEM file: certificate and its chain; None: no TLS
    tls_key: str | None = None  # PEM file; None: the key is in tls_cert
    tls_client_ca: str | None = None  # PEM file of issuers; clients are asked for a certificate
    tls_require_client: bool = False  # turn away clients without one
    # option, or "post_hook PROGRAM" of one that repeats -> file and line where it was given
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict, compare=False, repr=False)

    def replace(self, **changes: Any) -> Settings:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def problem(self, option: str, message: str) -> Problem:
        """What is wrong with an option, by its name in `places`, and where that was given."""
        return Problem(*self.places.get(option, ("bwctl-server.conf", 0)), f"{option}: {message}")

    def relative_to(self, directory: str) -> Settings:
        """A copy in which the paths of files and directories, where relative, are below one."""
        paths = {name: getattr(self, name) for name in _PATHS}
        return self.replace(
            **{name: os.path.join(directory, path) for name, path in paths.items() if path}
        )

    def ports_for(self, tool: str) -> PortRange:
        """Ports for a tester's server: its own range, else test_port, else 5202-5900."""
        return self.tool_ports.get(tool) or self.test_ports or DEFAULT_TEST_PORTS

    def affinity_for(self, tool: str) -> frozenset[int]:
        """Processors for a tester; empty: all."""
        return self.tool_affinity.get(tool, self.test_affinity)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One option as it was given."""

    key: str
    word: str | None
    line: int


def parse_settings(
    text: str,
    file: str,
    *,
    tools: Iterable[str] = TOOLS,
    overrides: Mapping[str, str | None] = _NOTHING,
) -> tuple[Settings, list[Problem]]:
    """Read bwctl-server.conf.

    Args:
        tools: names of the testers that have options.
        overrides: options by key that beat the file's, from the command line; None: no value.
    Returns:
        The settings, and warnings.
    Raises:
        ConfigurationError: with every problem of the file and of the overrides.
    """
    tools = tuple(tools)
    findings = Findings(file)
    table = option_table(tools)
    values: dict[str, Any] = {}
    _read(values, _entries(text, findings), table, findings)
    _read_overrides(values, overrides, table, findings)
    settings = _settings(values)
    if tools and settings.disabled.issuperset(tools):
        findings.error(0, "every tester is disabled")
    return settings, findings.finish()


def parse_client_settings(
    text: str, file: str, *, tools: Iterable[str] = TOOLS
) -> tuple[Settings, list[Problem]]:
    """Read the client's bwctlrc: the same grammar, and the options that concern a client.

    Raises:
        ConfigurationError: with every problem of the file.
    Source: clients.md 12.
    """
    findings = Findings(file)
    table = option_table(tools)
    values: dict[str, Any] = {}
    _read(values, _entries(text, findings), client_options(table), findings, elsewhere=table)
    return _settings(values), findings.finish()


def reload_settings(old: Settings, new: Settings) -> tuple[Settings, list[str]]:
    """What holds after a reload: the new settings but for those fixed at the start.

    Returns:
        The settings, and the keys whose change waits for a restart.
    """
    changed = {
        option.field: option.key
        for option in option_table().values()
        if option.fixed and getattr(old, option.field) != getattr(new, option.field)
    }
    kept = {name: getattr(old, name) for name in changed}
    return new.replace(**kept), sorted(changed.values())


def settings_text(settings: Settings) -> str:
    """The settings as a file: all that have a value, defaults too."""
    lines = []
    for name, option in option_table().items():
        if name == option.key:
            lines += [f"{name} {option.write(value)}\n" for value in _values_of(settings, option)]
    return "".join(lines)


def _values_of(settings: Settings, option: Option) -> list[Any]:
    value: Any = getattr(settings, option.field) if option.field else None
    if option.field == "disabled":
        return [True] if option.item in value else []
    if option.item:
        value = value.get(option.item)
    if option.repeats:
        return list(value)
    return [] if value is None or value == frozenset() else [value]


def _entries(text: str, findings: Findings) -> Iterator[_Entry]:
    for line in logical_lines(text, findings):
        key, *rest = words(line.text, 2)
        word = rest[0] if rest and not rest[0].startswith("#") else None
        if word is not None and len(rest) > 1 and not rest[1].startswith("#"):
            findings.error(
                _line_of(line, rest[1]),
                f"{shown(rest[1])} after the value of {shown(key)}; only a # comment may follow",
            )
        else:
            yield _Entry(key, word, line.number)


def _line_of(line: LogicalLine, ending: str) -> int:
    return line.number_at(len(line.text) - len(ending))


def _read_overrides(
    values: dict[str, Any],
    overrides: Mapping[str, str | None],
    table: Mapping[str, Option],
    findings: Findings,
) -> None:
    from_flags = Findings(COMMAND_LINE)
    entries = (_Entry(key, word, 0) for key, word in overrides.items())
    _read(values, entries, table, from_flags)
    findings.errors += from_flags.errors
    findings.warnings += from_flags.warnings


def _read(
    values: dict[str, Any],
    entries: Iterable[_Entry],
    table: Mapping[str, Option],
    findings: Findings,
    elsewhere: Mapping[str, Option] = _NOTHING,
) -> None:
    """Put values by field; a mapping or a list where an option has items or repeats."""
    first: dict[str, int] = {}
    for entry in entries:
        option = table.get(entry.key.lower())
        if option is None:
            findings.error(entry.line, _unknown(entry.key, table, elsewhere))
            continue
        try:
            value = _value(option, entry.word)
        except ValueError as error:
            findings.error(entry.line, f"{option.key}: {error}")
            continue
        _note(option, entry, first, findings)
        _store(values, option, value)
        name = f"{option.key} {entry.word}" if option.repeats else option.key
        values.setdefault("places", {})[name] = (findings.file, entry.line)


def _unknown(key: str, table: Mapping[str, Option], elsewhere: Mapping[str, Option]) -> str:
    if key.lower() in elsewhere:
        return f"{shown(key)} is an option of the daemon only"
    return f"unknown option {shown(key)}{hint(key.lower(), table)}"


def _value(option: Option, word: str | None) -> Any:
    if not option.field:
        return None
    if word is None:
        if not option.bare:
            raise ValueError("a value is missing")
        return True
    return option.read(word)


def _note(option: Option, entry: _Entry, first: dict[str, int], findings: Findings) -> None:
    if option.note:
        findings.warn(entry.line, f"{option.key} {option.note}")
    before = first.setdefault(option.key, entry.line)
    if before != entry.line and option.field and not option.repeats:
        findings.warn(entry.line, f"{option.key} again; line {before} has no effect")


def _store(values: dict[str, Any], option: Option, value: Any) -> None:
    if option.item:
        values.setdefault(option.field, {})[option.item] = value
    elif option.repeats:
        values.setdefault(option.field, []).append(value)
    elif option.field:
        values[option.field] = value


def _settings(values: dict[str, Any]) -> Settings:
    for name in ("commands", "tool_ports", "tool_affinity"):
        given = values.get(name, {})
        values[name] = MappingProxyType({k: v for k, v in given.items() if v is not None})
    disabled = values.get("disabled", {})
    values["disabled"] = frozenset(tool for tool, off in disabled.items() if off)
    for name in ("post_hooks", "result_sinks"):
        values[name] = tuple(values.get(name, ()))
    values["places"] = MappingProxyType(values.get("places", {}))
    return Settings(**values)
