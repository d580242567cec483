"""The embedded tester as a program for people: `python -m bwctl.testers.thrulay server|client`.

Speaks thrulay/2, so the other end may be a C `thrulayd` or `thrulay`. The server serves one test
after the other until it is told to stop.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import sys
from collections.abc import Callable
from typing import Any

from bwctl import __version__
from bwctl.embedded import thrulay
from bwctl.embedded.datagrams import DEFAULT_PACKET, DEFAULT_RATE
from bwctl.embedded.options import DEFAULT_BLOCK, TCP, UDP, Options, UsageError, parse
from bwctl.embedded.report import SCHEMA
from bwctl.embedded.server import Sockets
from bwctl.embedded.sockets import StopSignals

_PREFIXES = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def main(arguments: list[str] | None = None) -> int:
    """Run the program; its exit status: 0 all went well, 1 not, 2 a bad command line."""
    parser = _parser()
    words = parser.parse_args(arguments)
    try:
        options = parse(words.translate(words))
    except (UsageError, OSError) as error:
        parser.error(_sentence(words, error))
    try:
        return int(words.play(options, words))
    except BrokenPipeError:  # nobody reads our output any more
        return 1
    except KeyboardInterrupt:
        return 130


def _sentence(words: argparse.Namespace, error: Exception) -> str:
    if isinstance(error, OSError):
        where = words.host if words.role == "client" else words.bind
        return f"{where!r} has no usable address: {error.strerror}"
    return str(error)


def _parser() -> argparse.ArgumentParser:
    program = "python -m bwctl.testers.thrulay"
    about = "Measures the capacity of a network path with TCP or UDP, by the protocol thrulay/2."
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("-V", "--version", action="version", version=__version__)
    roles = parser.add_subparsers(dest="role", required=True, metavar="server|client")
    _add_server(roles.add_parser("server", help="wait for clients, and receive from them"))
    _add_client(roles.add_parser("client", help="send to a server, and print the result"))
    return parser


def _add_server(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-B", "--bind", default="", metavar="ADDRESS", help="listen there only (default: all)")
    add("-a", "--allow", default="", metavar="ADDRESS", help="the only client that is let in")
    add("-1", "--once", action="store_true", help="end after one test")
    add("-P", "--parallel", default="0", metavar="N", help="streams of a test (default: any)")
    add("-t", "--time", default="0", metavar="SECONDS", help="longest test (default: any)")
    most = "most that a UDP client may send, bit/s with k, M, G (default: any)"
    add("-b", "--bandwidth", type=rate, default=0, metavar="RATE", help=most)
    only = parser.add_mutually_exclusive_group()
    for name in (TCP, UDP):
        text = f"{name.upper()} tests only"
        only.add_argument(f"--{name}", action="store_const", const=name, dest="only", help=text)
    _add_common(parser)
    parser.set_defaults(translate=_server_words, play=_play_server)


def _add_client(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("host", metavar="HOST", help="name or address of the server")
    add("-B", "--bind", default="", metavar="ADDRESS", help="send from there")
    add("-t", "--time", default="10", metavar="SECONDS", help="duration (default: 10)")
    add("-P", "--parallel", default="0", metavar="N", help="TCP streams (default: 1)")
    sizes = f"default: {DEFAULT_BLOCK} and {DEFAULT_PACKET}"
    length = f"TCP block, or UDP packet with its headers ({sizes})"
    add("-l", "--length", type=size, default=0, metavar="OCTETS", help=length)
    add("-u", "--udp", action="store_true", help="UDP, at the rate of -b")
    pace = f"UDP rate, bit/s with k, M, G (default: {DEFAULT_RATE // 10**6}M)"
    add("-b", "--bandwidth", type=rate, default=0, metavar="RATE", help=pace)
    add("--periodic", action="store_true", help="UDP packets at equal distances, not Poisson's")
    add("-O", "--omit", default="0", metavar="SECONDS", help="start of a TCP test, not counted")
    add("-m", "--mss", default="0", metavar="OCTETS", help="TCP segment size")
    add("-S", "--tos", default="0", metavar="TOS", help="TOS octet, 0 to 255")
    _add_common(parser)
    parser.set_defaults(translate=_client_words, play=_play_client)


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-p", "--port", default="5003", help="(default: 5003)")
    add("-i", "--interval", default="1", metavar="SECONDS", help="(default: 1; 0: none)")
    window = "socket buffers, with k, M (default: TCP the kernel's choice, UDP 4M)"
    add("-w", "--window", type=size, default=0, metavar="OCTETS", help=window)
    add("-J", "--json", action="store_true", help="one JSON object a test, and nothing else")
    family = parser.add_mutually_exclusive_group()
    for number, constant in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        text = f"IPv{number} only"
        family.add_argument(
            f"-{number}", action="store_const", const=constant, dest="family", help=text
        )


def rate(text: str) -> int:
    """Bit/s, with a suffix in steps of 1000."""
    return _with_suffix(text, _PREFIXES)


def size(text: str) -> int:
    """Octets, with a suffix in steps of 1024."""
    return _with_suffix(text, _BINARY)


def _with_suffix(text: str, suffixes: dict[str, int]) -> int:
    """A number, perhaps with a fraction and a letter behind it."""
    factor = suffixes.get(text[-1:].lower(), 1)
    number = float(text[:-1] if factor > 1 else text)
    if not 0 <= number * factor < 1 << 62:
        raise ValueError
    return int(number * factor)


def _server_words(words: argparse.Namespace) -> list[str]:
    """The tester's own command line. Raises OSError for an address that is none."""
    everywhere = "::" if words.family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104
    bind = _addresses(words.bind, words.family)[0] if words.bind else everywhere
    allowed = ["--peer", _addresses(words.allow, words.family)[0]] if words.allow else []
    return [
        *("server", "--bind", bind, "--deadline", "0", *allowed),
        *("--duration", words.time, "--rate", str(words.bandwidth)),
        *(["--protocol", words.only] if words.only else []),
        *_common_words(words),
    ]


def _client_words(words: argparse.Namespace) -> list[str]:
    """The tester's own command line. Raises OSError for a name without address."""
    if words.bandwidth and not words.udp:
        raise UsageError("-b is the rate of UDP (-u)")
    words.addresses, udp = _addresses(words.host, words.family), words.udp
    bind = ["--bind", _addresses(words.bind, words.family)[0]] if words.bind else []
    return [
        *("client", "--connect", words.addresses[0], *bind, "--duration", words.time),
        *("--packet" if udp else "--block", str(words.length)),
        *("--rate", str((words.bandwidth or DEFAULT_RATE) if udp else 0)),
        *("--schedule", "periodic" if words.periodic else "poisson"),
        *("--omit", words.omit, "--mss", words.mss, "--tos", words.tos, *_common_words(words)),
    ]


def _common_words(words: argparse.Namespace) -> list[str]:
    return [
        *("--port", words.port, "--streams", words.parallel),
        *("--interval", words.interval, "--window", str(words.window)),
    ]


def _addresses(host: str, family: int | None) -> list[str]:
    """The addresses of a name, one at least. Raises OSError if there is none."""
    found = socket.getaddrinfo(host, None, family or socket.AF_UNSPEC, socket.SOCK_STREAM)
    return list(dict.fromkeys(str(target[0]) for *_, target in found))


def _play_client(options: Options, words: argparse.Namespace) -> int:
    """Do a test with the first address at which a server is found; the status."""
    facts: dict[str, Any] = {}
    for options.connect in words.addresses:
        facts = thrulay.play(options, _sayer(words))
        if "mtu" in facts:  # it has opened the test
            break
    else:
        facts["error"] = f"{words.host} port {words.port}: {facts['error']}"
    return _tell(facts, words)


def _play_server(options: Options, words: argparse.Namespace) -> int:
    """Serve tests until told to stop; the last one's status."""
    say = _sayer(words)
    try:
        held = Sockets(options)
    except OSError as error:
        _complain(f"port {options.port}: {error.strerror}")
        return 1
    signals = StopSignals()
    say(f"# {held.description()}")
    with contextlib.closing(held):
        while True:
            held.reopen()
            facts = thrulay.serve(options, say, held, signals)
            if facts["stopped"] and not facts["bytes"]:
                return 0
            status = _tell(facts, words)
            if words.once or facts["stopped"]:
                return status


def _sayer(words: argparse.Namespace) -> Callable[[str], None]:
    return (lambda line: None) if words.json else thrulay.write


def _complain(text: str) -> None:
    """Say what went wrong."""
    sys.stderr.write(f"thrulay: {text}\n")


def _tell(facts: dict[str, Any], words: argparse.Namespace) -> int:
    if facts["error"]:
        _complain(facts["error"])
    if words.json:
        thrulay.write(json.dumps({"schema": SCHEMA, **facts}))
    return 1 if facts["error"] else 0


if __name__ == "__main__":
    sys.exit(main())
