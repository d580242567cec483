"""Completion for shells, made from the tables that the parsers are made from.

`bwctl completion SHELL` prints it: `bwctl completion bash > ~/.local/share/bash-completion/…`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from bwctl.cli.checkprogram import CHECK
from bwctl.cli.common import FACILITIES, TOOL_NAMES, TOOLS_OF
from bwctl.cli.keys_options import OPTIONS as KEYS_OPTIONS
from bwctl.cli.keys_options import PROGRAM as KEYS
from bwctl.cli.latency import BWPING
from bwctl.cli.optiontable import Opt
from bwctl.cli.program import Program
from bwctl.cli.simulateoptions import GUARDS, SHAPES
from bwctl.cli.simulateprogram import SIMULATE
from bwctl.cli.stray import COMMANDS
from bwctl.cli.throughput import BWCTL
from bwctl.cli.trace import BWTRACEROUTE

HOSTS, FILES, DIRECTORIES, FREE = "<hosts>", "<files>", "<directories>", ""
_BY_METAVAR: Final = {"HOST": HOSTS, "FILE": FILES, "DIR": DIRECTORIES}
_DSCP: Final = ("ef", *(f"cs{n}" for n in range(8)), *(f"af{x}{y}" for x in "1234" for y in "123"))
_WORDS: Final = {"facility": FACILITIES, "dscp": _DSCP, "pairs": SHAPES, "guard": GUARDS}

Table = Mapping[str, tuple[Opt, ...]]


def completion(shell: str) -> str:
    """The script for a shell.

    Raises:
        ValueError: no such shell.
    """
    if shell not in SHELLS:
        raise ValueError(f"the shell must be one of {', '.join(SHELLS)}")
    return "\n".join(SHELLS[shell]()) + "\n"


def _programs() -> dict[str, tuple[Opt, ...]]:
    """Options by program; `bwctl check` is one of its own."""
    clients = {program.name: tuple(program.options()) for program in _CLIENTS}
    return clients | {KEYS: KEYS_OPTIONS}


def _names() -> str:
    return " ".join(name for name in _programs() if name != CHECK.name)


_CLIENTS: Final[tuple[Program, ...]] = (BWCTL, CHECK, BWPING, BWTRACEROUTE, SIMULATE)


def follows(program: str, opt: Opt) -> str:
    """What may follow an option: hosts, files, directories, words with blanks, or FREE."""
    if opt.field in ("tool", "tools"):
        kinds = {client.name: client.kind for client in _CLIENTS}
        mask = TOOLS_OF[kinds[program]][1]
        return " ".join(name for name, tool in TOOL_NAMES.items() if tool & mask)
    if opt.long in _WORDS:
        return " ".join(_WORDS[opt.long])
    return _BY_METAVAR.get(opt.metavar, FREE)


# -- bash ----------------------------------------------------------------------------------------


def _bash() -> Iterator[str]:
    yield f"# bash completion for {_names()}"
    for program, options in _programs().items():
        yield f"{_function(program)}() {{"
        yield "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}"
        if program == BWCTL.name:
            yield f"    [[ ${{COMP_WORDS[1]}} == check ]] && {{ {_function(CHECK.name)}; return; }}"
        yield "    COMPREPLY=()"
        yield "    case $previous in"
        for opt in options:
            if opt.metavar:
                yield f"    {'|'.join(opt.names)})"
                yield f"        {_bash_values(follows(program, opt))}return ;;"
        yield "    esac"
        words = " ".join(name for opt in options for name in opt.names)
        if program == BWCTL.name:
            words += f" $([[ $COMP_CWORD == 1 ]] && echo {' '.join(COMMANDS)})"
        yield f'    COMPREPLY=($(compgen -W "{words}" -- "$current"))'
        if program == CHECK.name:
            yield '    [[ $current == -* ]] || COMPREPLY=($(compgen -A hostname -- "$current"))'
        yield "}"
        if program != CHECK.name:
            yield f"complete -F {_function(program)} {program}"


def _bash_values(values: str) -> str:
    """The command that offers what may follow."""
    if values == FREE:
        return ""
    how = {
        HOSTS: "-A hostname",
        FILES: "-f",
        DIRECTORIES: "-d",
    }.get(values, f'-W "{values}"')
    names = "compopt -o filenames 2>/dev/null; " if values in (FILES, DIRECTORIES) else ""
    return f'{names}COMPREPLY=($(compgen {how} -- "$current")); '


def _function(program: str) -> str:
    return "_" + program.replace(" ", "_").replace("-", "_")


# -- zsh -----------------------------------------------------------------------------------------


def _zsh() -> Iterator[str]:
    yield f"#compdef {_names()}"
    yield "local program=$service"
    yield "if [[ $service == bwctl && $words[2] == check ]]; then"
    yield "    program='bwctl check'; shift words; (( CURRENT-- ))"
    yield "fi"
    yield "case $program in"
    for program, options in _programs().items():
        yield f"('{program}')"
        yield "    _arguments -s \\"
        for opt in options:
            yield f"        {_zsh_option(program, opt)} \\"
        yield f"        {_ZSH_WORDS.get(program, '')}"
        yield "    ;;"
    yield "esac"


_ZSH_WORDS: Final = {
    BWCTL.name: f"'1::command:({' '.join(COMMANDS)})'",
    CHECK.name: "'*:host:_hosts'",
}


def _zsh_option(program: str, opt: Opt) -> str:
    text = opt.help.replace("'", "'\\''").replace("[", "\\[").replace("]", "\\]")
    value = ""
    if opt.metavar:
        values = follows(program, opt)
        actions = {HOSTS: "_hosts", FILES: "_files", DIRECTORIES: "_files -/", FREE: " "}
        value = f":{opt.metavar}:{actions.get(values, f'({values})')}"
    body = f"'[{text}]{value}'"
    if not opt.short:
        return f"{opt.names[0]}{body}"
    return f"'({' '.join(opt.names)})'{{{','.join(opt.names)}}}{body}"


# -- fish ----------------------------------------------------------------------------------------


def _fish() -> Iterator[str]:
    yield f"# fish completion for {_names()}"
    checking = "__fish_seen_subcommand_from check"
    for program, options in _programs().items():
        command = program.split()[0]
        condition = ""
        if command == BWCTL.name:
            condition = f" -n '{checking}'" if program == CHECK.name else f" -n 'not {checking}'"
        if program == BWCTL.name:
            yield f"complete -c {command} -f -n __fish_use_subcommand -a '{' '.join(COMMANDS)}'"
        if program == CHECK.name:
            yield f"complete -c {command} -f{condition} -a '(__fish_print_hostnames)'"
        for opt in options:
            yield f"complete -c {command}{condition} {_fish_option(program, opt)}"


def _fish_option(program: str, opt: Opt) -> str:
    text = opt.help.replace("\\", "\\\\").replace("'", "\\'")
    names = f"-s {opt.short} -l {opt.long}" if opt.short else f"-l {opt.long}"
    if not opt.metavar:
        return f"-f {names} -d '{text}'"
    values = follows(program, opt)
    how = {
        HOSTS: "-x -a '(__fish_print_hostnames)'",
        FILES: "-r -F",
        DIRECTORIES: "-x -a '(__fish_complete_directories)'",
        FREE: "-x",
    }.get(values, f"-x -a '{values}'")
    return f"{how} {names} -d '{text}'"


SHELLS: Final[Mapping[str, Callable[[], Iterable[str]]]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
