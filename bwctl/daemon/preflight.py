"""What is wrong before a daemon is made: its starter is to be told. Source: daemon.md 1.6."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator

from bwctl.daemon.config import Settings

_VALIDATION_S = 10.0


def problems(settings: Settings) -> Iterator[str]:
    """What the settings name and the host does not have."""
    from bwctl.daemon.service import final_ids

    try:
        final_ids(settings)
    except KeyError as error:
        option, message = error.args
        yield str(settings.problem(option, message))
    for hook in settings.post_hooks:
        for message in _hook_problems(hook):
            yield str(settings.problem(f"post_hook {hook}", message))


def start_problems(settings: Settings, becomes_another: bool) -> Iterator[str]:
    """What only matters now that the daemon is to start; see `root_problems`."""
    yield from root_problems(settings, becomes_another)
    yield from _port_problems(settings, settings.listen.port)
    if settings.tls_cert is not None:
        yield from _port_problems(settings, settings.tls_port)


def root_problems(settings: Settings, becomes_another: bool) -> Iterator[str]:
    """Whether the daemon would stay root without having been told to.

    Args:
        becomes_another: twistd changes the user itself.
    """
    from bwctl.daemon.service import final_ids

    stays_root = os.getuid() == 0 and settings.user is None and not becomes_another
    try:
        stays_root = stays_root or (os.getuid() == 0 and final_ids(settings)[0] == 0)
    except KeyError:  # told by `problems`
        stays_root = False
    if stays_root and not settings.root_folly and not becomes_another:
        yield "it does not run as root unless told to: name a user (-U bwctl), or give -f"


def _port_problems(settings: Settings, port: int) -> Iterator[str]:
    from bwctl.daemon.service import interface

    host = interface(settings)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            yield f"cannot listen on {host or '*'} port {port}: {error.strerror}"


def _hook_problems(hook: str) -> Iterator[str]:
    """Ask a hook whether it can work here, as C does (daemon.md 1.8)."""
    command = [hook, "--validate"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_VALIDATION_S
        )
    except OSError as error:
        yield str(error.strerror)
    except subprocess.TimeoutExpired:
        yield f"--validate took more than {_VALIDATION_S:g} s"
    else:
        if done.returncode or not done.stdout.startswith(b"Status: OK"):
            yield "--validate has to print 'Status: OK' and exit with 0"
