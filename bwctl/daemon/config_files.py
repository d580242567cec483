"""Reads the files of the configuration directory. Source: daemon.md 1.1 and 3.3."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from bwctl.daemon.config import Settings, parse_client_settings, parse_settings
from bwctl.daemon.config_options import TOOLS
from bwctl.errors import ConfigurationError, Problem
from bwctl.limits.classes import Limits
from bwctl.limits.keys import KeyRing, check_mode, parse_keys
from bwctl.limits.parser import parse_limits

SETTINGS_FILE: Final = "bwctl-server.conf"
LIMITS_FILE: Final = "bwctl-server.limits"
KEYS_FILE: Final = "bwctl-server.keys"

_NO_OVERRIDES: Final[Mapping[str, str | None]] = {}


def load_settings(
    path: str,
    *,
    required: bool = False,
    tools: Iterable[str] = TOOLS,
    overrides: Mapping[str, str | None] = _NO_OVERRIDES,
) -> tuple[Settings, list[Problem]]:
    """Read bwctl-server.conf; see `parse_settings`.

    Args:
        required: whether a missing file is an error, as it is where the directory was named.
    Raises:
        ConfigurationError: unreadable, missing where required, or with problems.
    """
    text, _ = _read(path, required)
    return parse_settings(text, path, tools=tools, overrides=overrides)


def load_client_settings(
    path: str, *, tools: Iterable[str] = TOOLS
) -> tuple[Settings, list[Problem]]:
    """Read the client's bwctlrc; a missing one is empty."""
    text, _ = _read(path)
    return parse_client_settings(text, path, tools=tools)


def load_limits(
    path: str, *, users: Collection[str] = (), strict: bool = True
) -> tuple[Limits, list[Problem]]:
    """Read the limits file; see `parse_limits`. A missing one is empty: the built-in class."""
    text, _ = _read(path)
    return parse_limits(text, path, users=users, strict=strict)


def load_keys(path: str) -> tuple[KeyRing, list[Problem]]:
    """Read the key file; a missing one has no keys.

    Returns:
        The keys, and a warning if everybody may read them.
    Raises:
        ConfigurationError: unreadable, with problems, or others than its owner may write it.
    """
    text, mode = _read(path)
    readable = check_mode(path, mode)
    return parse_keys(text, path), readable


def _read(path: str, required: bool = False) -> tuple[str, int]:
    """Text and permissions of a file; "" and 0 of a missing one."""
    try:
        with open(path, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            return file.read().decode("utf-8", "surrogateescape"), mode
    except FileNotFoundError as error:
        if not required:
            return "", 0
        raise _unreadable(path, error) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str, error: OSError) -> ConfigurationError:
    return ConfigurationError([Problem(path, 0, f"cannot be read: {error.strerror}")])
