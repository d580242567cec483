"""The argparse parser of a client, made from its table of options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from bwctl import __version__
from bwctl.cli.exits import UsageError
from bwctl.cli.optiontable import Opt
from bwctl.cli.program import Program


class Parser(argparse.ArgumentParser):
    """A parser that raises UsageError instead of ending the program."""

    def error(self, message: str) -> NoReturn:
        """Turn argparse's own complaints into ours."""
        text = message.removeprefix("argument ")
        raise UsageError(text.replace("expected one argument", "a value must follow"))


class Given(argparse.Namespace):
    """The fields that the command line sets, and which option of each kind was met."""

    def __init__(self) -> None:
        super().__init__()
        self.met: dict[str, str] = {}  # long name or `apart` word -> option as written


class _Store(argparse.Action):
    """Reads and stores one option by its table entry."""

    def __init__(self, option_strings: Sequence[str], dest: str, opt: Opt) -> None:
        super().__init__(
            option_strings,
            dest,
            nargs=None if opt.metavar else 0,
            default=argparse.SUPPRESS,
            metavar=opt.metavar or None,
            help=opt.help.replace("%", "%%"),
        )
        self.opt = opt

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        assert isinstance(namespace, Given)
        name = option_string or self.option_strings[-1]
        _check_company(self.opt, name, namespace.met)
        if self.opt.counts:
            value = getattr(namespace, self.dest, 0) + 1
        else:
            value = _read(self.opt, name, values) if self.opt.metavar else self.opt.const
        setattr(namespace, self.dest, value)
        if self.opt.implies:
            setattr(namespace, self.opt.implies, True)


def _check_company(opt: Opt, name: str, met: dict[str, str]) -> None:
    """Raise UsageError if an option was given too often or with one it excludes."""
    if opt.once and opt.long in met:
        raise UsageError(f"{name}: only one is allowed")
    if opt.apart and met.get(opt.apart, name) not in (*opt.names, name):
        raise UsageError(f"{name}: not together with {met[opt.apart]}")
    if opt.once:
        met[opt.long] = name
    if opt.apart:
        met[opt.apart] = name


def _read(opt: Opt, name: str, text: Any) -> Any:
    """The value of an option; UsageError names the option as it was written."""
    try:
        return opt.read(text)
    except ValueError as error:
        raise UsageError(f"{name} {text}: {error}") from None


class _Layout(argparse.RawDescriptionHelpFormatter):
    """Help with `-P, --parallel N` in place of `-P N, --parallel N`."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=36, width=100)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        names = ", ".join(action.option_strings)
        indent = "" if action.option_strings[0][1] != "-" else "    "
        return f"{indent}{names} {action.metavar}" if action.metavar else indent + names


def build(program: Program) -> Parser:
    """The parser of a client."""
    parser = Parser(
        prog=program.name,
        usage=f"{program.name} {program.usage}",
        description=f"{program.purpose[0].upper()}{program.purpose[1:]}.",
        epilog=_epilog(program),
        formatter_class=_Layout,
        add_help=False,
    )
    for group in program.groups:
        titled = parser.add_argument_group(group.title)
        for opt in group.options:
            _add(titled, opt)
    if program.words:
        parser.add_argument("words", nargs="+", metavar=program.words, help=argparse.SUPPRESS)
    return parser


def _add(group: argparse._ArgumentGroup, opt: Opt) -> None:
    """Put one option into the parser."""
    if opt.long == "help":
        group.add_argument(*opt.names, action="help", help=opt.help)
    elif opt.long == "version":
        version = f"%(prog)s {__version__}"
        group.add_argument(*opt.names, action="version", version=version, help=opt.help)
    else:
        group.add_argument(*opt.names, action=_Store, dest=opt.field, opt=opt)


_ENDS = "At least one of -c and -s must be given; the other end is this host."
_HOSTS = "HOST is NAME, ADDRESS, NAME:PORT, [ADDRESS] or [ADDRESS]:PORT; the port is 4823."
_WORDS = "After {}: MODE [AESKEY IDENTITY [KEYFILE]], MODE of the letters A, E, O."


def _others(program: Program) -> list[str]:
    """Commands beside this one."""
    lines = [f"  {command:<48} {effect}" for command, effect in program.also]
    return ["Other commands:", *lines, ""] if lines else []


def _epilog(program: Program) -> str:
    """Host syntax, authentication words, examples and exit statuses."""
    statuses = (f"  {one.value:>3}  {meaning}" for one, meaning in program.meanings.items())
    after = "-A" if program.words else "HOST or -A"
    examples = (f"  {command:<48} {effect}" for command, effect in program.examples)
    return "\n".join(
        [
            *([] if program.words or not program.speaks else [_ENDS]),
            *((_HOSTS, _WORDS.format(after), "") if program.speaks else ()),
            "Examples:",
            *examples,
            "",
            *_others(program),
            "Exit status:",
            *statuses,
        ]
    )
