"""How bwctl-keys fails: one line that says what is wrong and what to do."""

from __future__ import annotations

import errno

from bwctl.errors import BWCTLError
from bwctl.results import Failure

FAILED, USAGE = 1, 2  # exit statuses

_HINTS = {
    errno.EACCES: "run bwctl-keys as the owner of the file or as root",
    errno.EPERM: "run bwctl-keys as the owner of the file or as root",
    errno.ENOSPC: "free some space and run it again; the file is unchanged",
    errno.EDQUOT: "free some space and run it again; the file is unchanged",
    errno.EROFS: "the file system is mounted read-only; edit the file where it comes from",
    errno.ELOOP: "symbolic links lead nowhere; name the file itself",
    errno.ENOENT: "check the name; a missing directory has to be made first",
    errno.ENOTDIR: "check the name",
    errno.EISDIR: "name the key file in it",
}


class KeysError(BWCTLError):
    """Ends the program; nothing was changed unless the message says so."""

    def __init__(self, code: str, message: str, hint: str = "", status: int = FAILED) -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.failure = Failure(code=code, exit_status=status, message=message, hint=hint)


def system_error(path: str, action: str, error: OSError) -> KeysError:
    """What the system refused; never shows what was to be written."""
    hint = _HINTS.get(error.errno or 0, "the file is unchanged" if action == "written" else "")
    return KeysError("system", f"{path} cannot be {action}: {error.strerror}", hint)
