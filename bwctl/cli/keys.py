"""bwctl-keys: edits the key file of the daemon. Source: daemon.md 3.3; I2util/aespasswd."""

from __future__ import annotations

import io
import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any, NoReturn

from bwctl import __version__
from bwctl.cli.keys_errors import FAILED, KeysError
from bwctl.cli.keys_file import Content, locked, read
from bwctl.cli.keys_options import PROGRAM, Request, parse
from bwctl.cli.keys_phrase import read_passphrase, remark
from bwctl.errors import ConfigurationError, Problem
from bwctl.limits.keys import KEY_SIZE, Key, check_mode, edit_keys, key_from_passphrase, parse_keys
from bwctl.text import sanitise

SCHEMA = "bwctl.keys/1"

_NO_KEY = Key(bytes(KEY_SIZE))  # for trying out an edit before the passphrase is asked for


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status: 0, 1 or 2."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _stoppable():
            status = _run(words)
            _flush()
            return status
    except KeysError as error:
        _tell(str(error))
        failure = error.failure
        if "--json" in words:
            shown = {key: value for key, value in asdict(failure).items() if value}
            with suppress(KeysError):
                _print_json(status="failed", error=shown)
                _flush()
        return int(failure.exit_status)


def _run(words: Sequence[str]) -> int:
    request = parse(words)
    if isinstance(request, str):
        _print(request)
        return 0
    if request.list:
        return _list(request)
    return _check(request) if request.check else _store(request)


def _list(request: Request) -> int:
    identities = list(_parsed(request.file, _existing(request.file)))
    if request.json:
        _print_json(status="ok", file=request.file, identities=identities)
    else:
        _print("".join(f"{identity}\n" for identity in identities))
    return 0


def _check(request: Request) -> int:
    content = _existing(request.file)
    errors, warnings, identities = _problems(request.file, content)
    if request.json:
        _print_json(
            status="failed" if errors else "ok",
            file=request.file,
            identities=None if errors else identities,
            problems=[_problem("error", problem) for problem in errors]
            + [_problem("warning", problem) for problem in warnings],
        )
    else:
        _print("".join(f"{problem}\n" for problem in errors))
        _print("".join(f"{problem} (warning)\n" for problem in warnings))
        if not errors:
            _print(f"{request.file}: no problem, identities: {len(identities)}\n")
    return FAILED if errors else 0


def _problems(file: str, content: Content) -> tuple[list[Problem], list[Problem], list[str]]:
    """Errors, warnings, and the identities if there are no errors."""
    errors, warnings, identities = list[Problem](), list[Problem](), list[str]()
    try:
        warnings += check_mode(file, content.mode)
    except ConfigurationError as error:
        errors += error.problems
    try:
        identities += parse_keys(content.text, file)
    except ConfigurationError as error:
        errors += error.problems
    return errors, warnings, identities


def _problem(severity: str, problem: Problem) -> dict[str, Any]:
    line = {"line": problem.line} if problem.line else {}
    return line | {"severity": severity, "message": problem.message}


def _store(request: Request) -> int:
    """Add, replace or remove a key. What can be refused is refused before the user types."""
    with locked(request.file) as file:
        _edited(request, file.read(), _NO_KEY)
    key, advice = _new_key(request)
    with locked(request.file) as file:
        old = file.read()
        remarks = file.replace(_edited(request, old, key), old)
    for text in filter(None, [advice, *remarks]):
        _tell(text)
    if request.random:
        _print_key(key)
    return 0


def _new_key(request: Request) -> tuple[Key, str]:
    """A key, and what to tell about it."""
    if request.delete:
        return _NO_KEY, ""
    if request.random:
        if sys.stdout is None:
            raise KeysError("output", "no standard output for the new key", "give it one")
        return Key(secrets.token_bytes(KEY_SIZE)), ""
    phrase = read_passphrase(request.identity)
    return key_from_passphrase(phrase), remark(phrase)


def _edited(request: Request, old: Content | None, key: Key) -> str:
    """The new text of the file; KeysError if the request does not fit the old one."""
    file, identity = request.file, request.identity
    if request.create and old is not None:
        raise KeysError("exists", f"{file} exists", "leave -n out to change it")
    if old is None:
        if not request.create:
            raise KeysError("missing", f"{file} does not exist", _missing_hint(request))
        return edit_keys("", file, identity, key)
    if identity not in _parsed(file, old) and request.delete:
        message = f"{file} has no identity {sanitise(identity)}"
        raise KeysError("unknown_identity", message, "--list prints those it has")
    new = None if request.delete else key
    return edit_keys(old.text, file, identity, new, keep_comment=True)


def _existing(file: str) -> Content:
    content = read(file)
    if content is None:
        raise KeysError("missing", f"{file} does not exist", "check the name")
    return content


def _missing_hint(request: Request) -> str:
    return "check the name" if request.delete else "-n makes it"


def _parsed(file: str, content: Content) -> list[str]:
    """The identities of a file; KeysError with its first problem."""
    try:
        return list(parse_keys(content.text, file))
    except ConfigurationError as error:
        count = len(error.problems)
        more = f"; --check prints all {count} problems" if count > 1 else ""
        hint = f"mend that line first{more}"
        raise KeysError("problems", str(error.problems[0]), hint) from None


def _print_key(key: Key) -> None:
    """The only place where a key is shown."""
    try:
        _print(f"{key.hex()}\n")
        _flush()
    except KeysError:
        message = "the new key is stored, but could not be printed"
        raise KeysError("output", message, "run bwctl-keys again for another one") from None


def _print_json(**values: Any) -> None:
    head = {"schema": SCHEMA, "program": PROGRAM, "program_version": __version__}
    known = {key: value for key, value in values.items() if value is not None}
    _print(json.dumps(head | known) + "\n")


def _print(text: str) -> None:
    """Write to stdout: octets of the file as they are, but to a terminal only harmless ones."""
    if sys.stdout is None:
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        sys.stdout.write(sanitise(text) if sys.stdout.isatty() else text)
    except OSError as error:
        raise _unprinted(error) from None


def _flush() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        raise _unprinted(error) from None


def _unprinted(error: OSError) -> KeysError:
    """What is still in the buffer goes nowhere, lest the interpreter tries again at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return KeysError("output", f"standard output cannot be written: {error.strerror}")


def _tell(text: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{PROGRAM}: {text}\n")


class _Stopped(BaseException):
    """A signal asked the program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _stop(number: int, frame: object) -> NoReturn:
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)  # nothing disturbs the clean-up
    raise _Stopped(number)


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def _stoppable() -> Iterator[None]:
    """On a signal: terminal and temporary file are put right, then the signal has its way."""
    old = {}
    if threading.current_thread() is threading.main_thread():
        ours = (signal.SIG_DFL, signal.default_int_handler)  # an ignored one stays ignored
        old = {one: signal.getsignal(one) for one in _SIGNALS if signal.getsignal(one) in ours}
    try:
        for one in old:
            signal.signal(one, _stop)
        yield
    except _Stopped as stopped:
        signal.signal(stopped.number, signal.SIG_DFL)
        os.kill(os.getpid(), stopped.number)
        raise
    finally:
        for one, handler in old.items():
            signal.signal(one, handler)


if __name__ == "__main__":
    sys.exit(main())
