"""The key file on disk: read, lock, replace as a whole.

A writer locks the directory of the file (flock: gone with its process, and leaves nothing behind),
reads, writes a new file of mode 0600 beside it, flushes it, and renames it over the old one. So a
reader sees the old file or the new one, and a writer that is killed loses only its own change. The
lock does not stop C's aespasswd, whose lock file is the file it renames.

A symbolic link is written through: its target is replaced, the link stays.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from bwctl.cli.keys_errors import KeysError, system_error

LOCK_LIMIT_S = 10.0

_RETRY_S = 0.02
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # non-blocking: a FIFO must not hold us up
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o600
_TEMPORARY = re.compile(r"\.bwctl-keys\.[0-9a-f]{16}\.tmp")


@dataclass(frozen=True, slots=True)
class Content:
    """What a key file held when it was read."""

    text: str = field(repr=False)
    mode: int
    owner: int
    group: int


def read(path: str) -> Content | None:
    """Read a key file; None if there is none.

    Raises:
        KeysError: unreadable, not a regular file, or a symbolic link to nothing.
    """
    content = _read(path, path, _READ)
    if content is None and os.path.islink(path):
        raise _dangling(path)
    return content


def _read(path: str, name: str, flags: int, directory: int | None = None) -> Content | None:
    try:
        with open(os.open(name, flags, dir_fd=directory), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeysError("not_a_file", f"{path} is not a regular file", "check the name")
            text = file.read().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise system_error(path, "read", error) from None
    return Content(text, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def _dangling(path: str) -> KeysError:
    message = f"{path} is a symbolic link to a file that does not exist"
    return KeysError("missing", message, "name the file itself")


class LockedFile:
    """A key file that no other bwctl-keys writes at this time."""

    def __init__(self, path: str, directory: int, name: str) -> None:
        self._path = path  # for messages
        self._directory = directory
        self._name = name

    def read(self) -> Content | None:
        """What the file holds; None if there is none."""
        return _read(self._path, self._name, _READ | os.O_NOFOLLOW, self._directory)

    def replace(self, text: str, old: Content | None) -> list[str]:
        """Put a new file in the place of the old one, or of none.

        Returns:
            Remarks: what of the old file's owner and mode is not as it was.
        Raises:
            KeysError: the old file is as it was.
        """
        self._sweep()
        temporary = f".bwctl-keys.{secrets.token_hex(8)}.tmp"
        try:
            remarks = self._write(temporary, text, old)
            here = self._directory
            os.rename(temporary, self._name, src_dir_fd=here, dst_dir_fd=here)
        except BaseException as error:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=self._directory)
            if isinstance(error, OSError):
                raise system_error(self._path, "written", error) from None
            raise
        return remarks + self._flush_directory()

    def _sweep(self) -> None:
        """Remove what killed writers left; who holds the lock has the only temporary file."""
        with suppress(OSError):
            for name in filter(_TEMPORARY.fullmatch, os.listdir(self._directory)):
                os.unlink(name, dir_fd=self._directory)

    def _write(self, temporary: str, text: str, old: Content | None) -> list[str]:
        with open(os.open(temporary, _CREATE, _MODE, dir_fd=self._directory), "wb") as file:
            os.fchmod(file.fileno(), _MODE)  # whatever the umask
            remarks = _inherit(self._path, file.fileno(), old) if old else []
            file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()
            os.fsync(file.fileno())
        return remarks

    def _flush_directory(self) -> list[str]:
        """Make the new name last; the change is made even where that fails."""
        try:
            os.fsync(self._directory)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a file system that has no such thing
                return [f"{self._path} is changed, but a crash may undo it: {error.strerror}"]
        return []


def _inherit(path: str, file: int, old: Content) -> list[str]:
    """Give a new file the owner of the old one, where we may."""
    remarks = []
    for owner, group in ((old.owner, old.group), (-1, old.group)):
        with suppress(OSError):
            os.fchown(file, owner, group)
            break
    if (owner := os.fstat(file).st_uid) != old.owner:
        remarks.append(f"{path} now belongs to user {owner}; before, to user {old.owner}")
    if old.mode & 0o077:
        remarks.append(f"{path} had the mode {old.mode:04o}, now {_MODE:04o}")
    return remarks


@contextmanager
def locked(path: str) -> Iterator[LockedFile]:
    """Hold the lock of a key file; the file itself need not exist.

    Raises:
        KeysError: no such directory, or the lock is not to be had within LOCK_LIMIT_S.
    """
    target = os.path.realpath(path)
    where, name = os.path.split(target)
    if os.path.islink(path) and not os.path.lexists(target):
        raise _dangling(path)
    try:
        directory = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise system_error(where, "opened", error) from None
    try:
        _lock(directory, where)
        yield LockedFile(path, directory, name)
    finally:
        os.close(directory)


def _lock(directory: int, where: str) -> None:
    end = time.monotonic() + LOCK_LIMIT_S
    while not _try_lock(directory, where):
        if time.monotonic() >= end:
            raise KeysError(
                "locked",
                f"another program has kept {where} locked for {LOCK_LIMIT_S:g} s",
                f"try again, or find it with: fuser -v {where}",
            )
        time.sleep(_RETRY_S)


def _try_lock(directory: int, where: str) -> bool:
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        message = f"{where} cannot be locked: {error.strerror}"
        hint = "its file system has no such locks; edit the file where it is stored"
        raise KeysError("locked", message, hint) from None
    return True
