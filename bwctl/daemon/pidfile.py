"""The files of VAR: one daemon per directory, and who it is. Source: daemon.md 1.1."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from bwctl.errors import BWCTLError
from bwctl.values import NTPTime

PID_FILE: Final = "bwctl-server.pid"
INFO_FILE: Final = "bwctl-server.info"

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_MODE: Final = 0o644  # for everybody to read, whatever the umask


class PidFileError(BWCTLError):
    """The directory cannot be used, or another daemon uses it."""


class PidFiles:
    """bwctl-server.pid, locked as long as the daemon lives, and bwctl-server.info.

    The lock is `fcntl`'s, as in C, so a C daemon in the same directory is noticed too, and one
    that has died never stands in the way, whatever it left. Such a lock belongs to a process and
    not to its children: take it after the last fork.

    Args:
        directory: VAR; it has to exist.
    """

    def __init__(self, directory: str) -> None:
        self._directory = os.path.abspath(directory)
        self._pid_path = os.path.join(self._directory, PID_FILE)
        self._info_path = os.path.join(self._directory, INFO_FILE)
        self._file: int | None = None
        self._owner = 0

    def check(self) -> None:
        """Tell whoever starts a daemon what `take` would say, and leave everything as it is.

        Raises:
            PidFileError: see there.
        """
        if not os.access(self._directory, os.W_OK | os.X_OK):
            raise PidFileError(f"{self._directory} is no directory that bwctld may write")
        with self._told(), tempfile.TemporaryFile(dir=self._directory) as trial:
            trial.write(bytes(1))  # there may be no room
        if not os.path.exists(self._pid_path):
            return
        with self._told():
            file = os.open(self._pid_path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                _lock(file)
            finally:
                os.close(file)

    def take(self, started: NTPTime) -> None:
        """Lock the one file and write both; harmless if that is done.

        Args:
            started: when the daemon started.
        Raises:
            PidFileError: another daemon has the directory, or it cannot be written.
        """
        if self._file is not None:
            return
        with self._told():
            self._file = self._locked()
            self._owner = os.getpid()
            _fill(self._file, f"{self._owner}\n")
            info = _open_own(self._info_path)
            try:
                _fill(info, f"START={started:020d}\nPID={self._owner}\n")
            finally:
                os.close(info)

    def hand_over(self, uid: int, gid: int) -> None:
        """The process is about to become this user, who may have to remove the files."""
        if self._file is not None:
            with suppress(OSError):
                os.fchown(self._file, uid, gid)
                os.chown(self._info_path, uid, gid, follow_symlinks=False)

    def drop(self) -> None:
        """Remove what this process has made; a pid file that cannot be removed is emptied."""
        file, self._file = self._file, None
        if file is None or self._owner != os.getpid():
            return
        with suppress(OSError):
            os.unlink(self._info_path)
        with suppress(OSError):
            os.ftruncate(file, 0)
            if _is_at(file, self._pid_path):
                os.unlink(self._pid_path)  # still locked: nobody else can have taken it
        os.close(file)

    def _locked(self) -> int:
        """The pid file, locked; not one that the former daemon was about to remove."""
        while True:
            file = _open_own(self._pid_path)
            try:
                _lock(file)
                if _is_at(file, self._pid_path):
                    return file
            except BaseException:
                os.close(file)
                raise
            os.close(file)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the system as errors that name the file."""
        try:
            yield
        except BlockingIOError:
            raise PidFileError(
                f"another bwctld{self._holder()} runs in {self._directory}; "
                "give this one a var_dir of its own"
            ) from None
        except OSError as error:
            raise PidFileError(f"{error.filename or self._pid_path}: {error.strerror}") from error

    def _holder(self) -> str:
        """The pid in the file, for a message."""
        with suppress(OSError, ValueError), open(self._pid_path, encoding="ascii") as file:
            return f" (pid {int(file.read(20))})"
        return ""


def _open_own(path: str) -> int:
    """Open a file of ours, or make it; not one that somebody made a link to another's of."""
    file = os.open(path, _FLAGS, _MODE)
    if os.fstat(file).st_nlink > 1:
        os.close(file)
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), path)
    return file


def _lock(file: int) -> None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except PermissionError as error:  # what some systems say instead
        raise BlockingIOError(*error.args) from None


def _fill(file: int, text: str) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, text.encode(), 0)
    with suppress(PermissionError):  # a file that another user left
        os.fchmod(file, _MODE)


def _is_at(file: int, path: str) -> bool:
    """Whether an open file is the one that a path leads to."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False
